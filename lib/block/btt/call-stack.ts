/** Which files have functions on the call stack. */

/** A file as the stack names it: a path, a URL, or nothing for code without a file. */
type FileName = string | null | undefined;

/** The files of the functions that run, the innermost first: this file's own is the first. Undefined where V8 does not tell. */
function filesOnStack(): FileName[] | undefined {
  const { stackTraceLimit, prepareStackTrace } = Error;
  try {
    Error.stackTraceLimit = Number.POSITIVE_INFINITY;
    Error.prepareStackTrace = (_, frames) => frames.map((frame) => frame.getFileName());
    const holder: { stack?: FileName[] } = {};
    Error.captureStackTrace(holder);
    return Array.isArray(holder.stack) ? holder.stack : undefined;
  } catch {
    return undefined; // Error is frozen
  } finally {
    restore(stackTraceLimit, prepareStackTrace);
  }
}

function restore(limit: typeof Error.stackTraceLimit, prepare: typeof Error.prepareStackTrace): void {
  try {
    Error.stackTraceLimit = limit;
    Error.prepareStackTrace = prepare;
  } catch {
    // Frozen: nothing was changed either.
  }
}

/** The file of the function that calls this; undefined where V8 does not tell. */
export function fileOfCaller(): string | undefined {
  return filesOnStack()?.[2] ?? undefined;
}

/** Whether a function of the file may be on the call stack: true where V8 does not tell. */
export function mayBeRunning(file: string | undefined): boolean {
  return file === undefined || (filesOnStack()?.includes(file) ?? true);
}

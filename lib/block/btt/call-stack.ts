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

/** The functions that ask, innermost first: the one that captures the stack, {@link mayBeRunning}, and its caller. */
const ASKING = 3;

/**
 * Whether a function of the file may be on the call stack beyond the caller: true where V8 does not tell. The caller does not count,
 * because a bundle has all functions in one file.
 */
export function mayBeRunning(file: string | undefined): boolean {
  return file === undefined || (filesOnStack()?.slice(ASKING).includes(file) ?? true);
}

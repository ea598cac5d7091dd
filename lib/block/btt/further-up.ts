/**
 * Whether a call goes on further up. A microtask alone does not show that none does: who lets the event loop turn within a call
 * (`process._tickCallback`, and addons that wait that way) runs microtasks on top of it.
 */

/** The files of the functions that are being run, the innermost first; undefined where it cannot be told. */
function filesOnStack(): (string | null | undefined)[] | undefined {
  const { stackTraceLimit, prepareStackTrace } = Error;
  try {
    Error.stackTraceLimit = Number.POSITIVE_INFINITY;
    Error.prepareStackTrace = (_, frames) => frames.map((frame) => frame.getFileName());
    const holder: { stack?: (string | null | undefined)[] } = {};
    Error.captureStackTrace(holder);
    return holder.stack;
  } catch {
    return undefined; // Error is frozen, say
  } finally {
    restore(stackTraceLimit, prepareStackTrace);
  }
}

function restore(limit: typeof Error.stackTraceLimit, prepare: typeof Error.prepareStackTrace): void {
  try {
    Error.stackTraceLimit = limit;
    Error.prepareStackTrace = prepare;
  } catch {
    // Then they were not changed either.
  }
}

/** Whether other functions of the caller's file may be running too: called from a microtask, what was interrupted is not. */
export function maybeFurtherUp(): boolean {
  const files = filesOnStack();
  if (!Array.isArray(files)) return true;
  const [, here, ...callers] = files.slice(1);
  return typeof here !== 'string' || callers.includes(here);
}

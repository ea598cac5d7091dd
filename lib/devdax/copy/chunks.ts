/** Work on a range in pieces, several at a time. */

/** Bytes: long enough for a hop to another thread not to count, short enough to stop soon. */
export const PIECE = 8 * 2 ** 20;

/** The threads of Node's pool: none of them waits for JavaScript then, whatever the number of CPUs. */
const LANES = 4;

/** How to go through a range. */
export interface Way {
  /** Bytes. */
  readonly total: number;
  readonly lanes?: number;
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes done so far. */
  readonly onProgress: (done: number) => void;
}

/**
 * Calls `step` for each piece; it returns how many bytes there were, fewer only where the source ends. Returns the bytes from
 * the beginning that were done without a gap. When one piece fails the others come to their end before the error is thrown.
 */
export async function inPieces(
  { total, lanes = LANES, signal, onProgress }: Way,
  step: (at: number, length: number) => Promise<number>,
): Promise<number> {
  let next = 0;
  let end = total;
  let done = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < end && !failed) {
      signal?.throwIfAborted();
      const at = next;
      const length = Math.min(PIECE, end - at);
      next += length;
      const count = await step(at, length);
      if (count < length) end = Math.min(end, at + count);
      done += count;
      onProgress(done);
    }
  };
  const running = Array.from({ length: lanes }, () =>
    lane().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const [failure] = (await Promise.allSettled(running)).filter((one) => one.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return end;
}

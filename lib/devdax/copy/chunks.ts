/** Work on a range in chunks, several at a time. The one place where a copy is cut up. */

import type { Progress } from '../../options.js';

/** Bytes: long enough for a hop to another thread not to count, short enough to stop soon. */
export const CHUNK = 8 * 2 ** 20;

/** The threads of Node's pool: none of them waits for JavaScript then, whatever the number of CPUs. */
const LANES = 4;

/** A range to go through, in bytes. */
export interface Range {
  readonly total: number;
  /** What `onProgress` is told as the total; Infinity where a stream may go on. */
  readonly announced: number;
  readonly phase: string;
  /** One chunk after the other. */
  readonly inOrder: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/**
 * Calls `step` for each chunk; it returns the bytes that there were, fewer only where the source ends. Returns how many bytes from the
 * beginning were done without a gap. When one chunk fails, those under way come to their end before the error is thrown.
 */
export async function inChunks(
  { total, announced, phase, inOrder, signal, onProgress }: Range,
  step: (offset: number, length: number) => Promise<number>,
): Promise<number> {
  let next = 0;
  let end = total;
  let done = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < end && !failed) {
      signal?.throwIfAborted();
      const at = next;
      const length = Math.min(CHUNK, end - at);
      next += length;
      const count = await step(at, length);
      if (count < length) end = Math.min(end, at + count);
      done += count;
      onProgress?.({ done, total: announced, phase });
    }
  };
  const running = Array.from({ length: inOrder ? 1 : LANES }, () =>
    lane().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const [failure] = (await Promise.allSettled(running)).filter((one) => one.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return end;
}

/** Work in pieces, at one go or with others in between. */

import { setImmediate } from 'node:timers/promises';
import type { BttAsyncOptions, BttProgress } from './options.js';

/** Yields between pieces how far it has come; returns the result. */
export type Work<Result> = Generator<BttProgress, Result, void>;

export function atOnce<Result>(work: Work<Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** Lets the event loop turn between the pieces. */
export async function inPieces<Result>(work: Work<Result>, { signal, onProgress }: BttAsyncOptions): Promise<Result> {
  try {
    for (;;) {
      signal?.throwIfAborted();
      const step = work.next();
      if (step.done === true) return step.value;
      onProgress?.(step.value);
      await setImmediate();
    }
  } finally {
    // What is abandoned halfway gives back what it holds.
    work.return(undefined as never);
  }
}

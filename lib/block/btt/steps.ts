/** Long work in steps: all at once, or with turns of the event loop in between. */

import { setImmediate } from 'node:timers/promises';
import type { CheckedJob, Progress } from '../../options.js';

/** Yields after each step how far the work has come, in bytes of metadata; returns the result. */
export type Steps<Result> = Generator<Progress, Result, void>;

export function runSteps<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Lets the event loop turn between the steps. */
export async function runStepsAsync<Result>(steps: Steps<Result>, { signal, onProgress }: CheckedJob): Promise<Result> {
  try {
    for (;;) {
      signal?.throwIfAborted();
      const step = steps.next();
      if (step.done === true) return step.value;
      onProgress?.(step.value);
      await setImmediate();
    }
  } finally {
    // Work that is given up gives back what it holds.
    steps.return(undefined as never);
  }
}

/** An image on which recovery or check failed, and how to come to it. */

import type { StoreLog } from '../../simulation/store-log.js';
import type { Choices } from '../images/choose.js';
import type { CrashPoint } from '../images/crash-points.js';

/** What the user's code said to an image. */
export interface Failure {
  readonly phase: 'recover' | 'check';
  readonly error: unknown;
}

/** One power cut: where in the log, and what arrived of the lines in flight. */
export interface Cut {
  readonly log: StoreLog;
  readonly point: CrashPoint;
  readonly choices: Choices;
}

/** The power cuts that lead to the failure: the first in the workload, each other one in the recovery from the one before. */
export interface Violation {
  readonly cuts: readonly Cut[];
  readonly failure: Failure;
}

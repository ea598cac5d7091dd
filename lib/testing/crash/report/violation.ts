/** An image on which recovery or check failed, and the power cuts that lead to it. */

import type { StoreLog } from '../../simulation/store-log.js';
import type { Choices } from '../images/choose.js';
import type { CrashPoint } from '../images/crash-points.js';

/** How the user's code failed on an image. */
export interface Failure {
  readonly phase: 'recover' | 'check';
  readonly error: unknown;
}

/** One power cut: its place in the log, and what arrived of the lines in flight. */
export interface Cut {
  readonly log: StoreLog;
  readonly point: CrashPoint;
  readonly choices: Choices;
}

/** A failure and its power cuts: the first in the workload, each other one in the recovery from the one before. */
export interface Violation {
  readonly cuts: readonly Cut[];
  readonly failure: Failure;
}

/** The error for a power cut that damages data. */

import { PmemError } from '../../../errors.js';
import type { CrashStatistics } from '../options.js';

/** What a {@link CrashConsistencyError} carries beside its message. */
export interface CrashConsistencyDetails {
  readonly story: string;
  readonly replay: string;
  readonly statistics: CrashStatistics;
  readonly cause: unknown;
}

/**
 * `recover` or `check` fails after a power cut: code `ERR_PMEM_CRASH_CONSISTENCY`. The message is the story; `cause` is what
 * `recover` or `check` threw.
 */
export class CrashConsistencyError extends PmemError {
  override readonly name = 'CrashConsistencyError';
  /** The option `replay` that runs this image again. */
  readonly replay: string;
  /** What was explored before. */
  readonly statistics: CrashStatistics;

  constructor({ story, replay, statistics, cause }: CrashConsistencyDetails) {
    super('ERR_PMEM_CRASH_CONSISTENCY', story, { cause, inLines: true });
    this.replay = replay;
    this.statistics = statistics;
  }

  /** Lines of text: the operation, the power cut, the stores that were kept and lost, and where the source made them. */
  get story(): string {
    return this.message;
  }
}

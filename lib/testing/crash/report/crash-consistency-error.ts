/** The error for data that a power cut would have damaged. */

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
 * A power cut was found after which `recover` or `check` fails: code `ERR_PMEM_CRASH_CONSISTENCY`. The message is the story;
 * `cause` is what `recover` or `check` threw.
 */
export class CrashConsistencyError extends PmemError {
  override readonly name = 'CrashConsistencyError';
  /** Pass it as option `replay` to run this image again. */
  readonly replay: string;
  /** What had been explored until then. */
  readonly statistics: CrashStatistics;

  constructor({ story, replay, statistics, cause }: CrashConsistencyDetails) {
    super('ERR_PMEM_CRASH_CONSISTENCY', story, { cause, inLines: true });
    this.replay = replay;
    this.statistics = statistics;
  }

  /** What happened, in lines of text: the operation, the power cut, which stores were kept and lost, and their sources. */
  get story(): string {
    return this.message;
  }
}

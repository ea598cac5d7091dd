/** Explores what power cuts do to a program. */

import { CallSites } from '../simulation/call-site.js';
import { type Media, newMedia } from '../simulation/lines.js';
import type { Omission } from '../simulation/recorder.js';
import type { StoreLog } from '../simulation/store-log.js';
import { Explorer, type Settings } from './explorer.js';
import { type CheckedOptions, type CrashOptions, type CrashStatistics, checkCrashOptions } from './options.js';
import { CrashConsistencyError } from './report/crash-consistency-error.js';
import { parseReplay, replayMismatch, replayToken } from './report/replay.js';
import { tellStory } from './report/story.js';
import type { Violation } from './report/violation.js';
import { type RecordedWorkload, recordWorkload, setUp } from './workload.js';

/** A finished exploration. */
export interface Exploration<Detail> {
  readonly workload: RecordedWorkload<Detail>;
  readonly statistics: CrashStatistics;
  readonly violation: Violation | undefined;
}

function statisticsOf(
  { operations, log }: RecordedWorkload<unknown>,
  counts: Explorer<never, never>['counts'],
  recoveries: number,
  { seed, budget }: { seed: number; budget: number },
): CrashStatistics {
  const count = (type: string) => log.events.reduce((sum, event) => sum + (event.type === type ? 1 : 0), 0);
  return {
    operations: operations.length,
    stores: count('store'),
    flushes: count('flush'),
    drains: count('drain'),
    ...counts,
    recoveries,
    seed,
    budget,
  };
}

/** Explores, and returns the violation instead of throwing it. */
export function runExploration<Recovered, Detail>(
  options: CheckedOptions<Recovered, Detail>,
  sites: CallSites,
  omission?: Omission,
  onRecovery?: (log: StoreLog) => void,
): Exploration<Detail> {
  const media: Media = newMedia(options);
  setUp(options, media);
  const work = newMedia(options);
  work.bytes.set(media.bytes);
  const workload = recordWorkload(options, work, sites, omission);
  const settings: Settings<Recovered, Detail> = {
    options,
    sites,
    omission,
    ...(onRecovery === undefined ? {} : { onRecovery }),
  };
  const explorer = new Explorer(settings, media);
  let violation: Violation | undefined;
  if (options.replay === undefined) {
    violation = explorer.explore(workload);
  } else {
    const { fingerprint, cuts } = parseReplay(options.replay);
    if (fingerprint !== workload.log.fingerprint()) throw replayMismatch();
    violation = explorer.replay(workload, cuts);
  }
  return { workload, statistics: statisticsOf(workload, explorer.counts, explorer.recoveries, options), violation };
}

/** @throws CrashConsistencyError if there was a violation. */
export function judge({ violation, workload, statistics }: Exploration<unknown>): CrashStatistics {
  if (violation === undefined) return statistics;
  const replay = replayToken(workload.log.fingerprint(), violation.cuts);
  const story = tellStory(violation, workload, replay);
  throw new CrashConsistencyError({ story, replay, statistics, cause: violation.failure.error });
}

/**
 * Runs a program on simulated memory, and cuts the power at every moment that makes a difference: before each `drain`, at the end of
 * each operation and at the end of the workload. Makes images of what the power cut can leave, and runs `recover` and `check` on
 * each. A recovery that stores is crashed in its turn.
 *
 * **Which images.** {@link SimulatedMemory} describes what a power cut can leave. A crash point with few images gets all of them
 * (`exhausted` counts such points). Any other gets: everything in flight lost; everything kept; each line kept alone, and lost
 * alone; each line with its earlier stores only; copies of several words or lines torn in several ways; pairs of lines; then random
 * ones. Lines that the same calls stored into, such as those of one large copy, are lost and kept together, except in torn and random
 * images. So a pass is no proof unless all points are exhausted. But bugs are known to show in few lines (LeBlanc et al., "Chipmunk",
 * EuroSys 2023).
 *
 * **Crashes during recovery** get a part of the budget. `recoveriesExhausted` counts the recoveries with all crash images made,
 * `recoveriesCut` the others. Let recovery go on to work: crashes in that work show whether the state that recovery left is usable:
 *
 * ```js
 * recover(memory) {
 *   const log = Log.open(memory);
 *   const found = log.entries();
 *   log.append('later'); // the next crash is in the middle of this
 *   return found;
 * },
 * check(found, { finished, running, duringRecovery }) {
 *   const later = found.filter((text) => text === 'later').length;
 *   assert(later <= duringRecovery); // each recovery that crashed may have added one
 *   const entries = found.filter((text) => text !== 'later'); // judged as if there had been no recovery
 *   // …
 * },
 * ```
 *
 * **What is left out.** First, an image with the same bytes as one that was judged before, if `check` gets the same crash but for the
 * number of its point. Second, an image that no run can tell from one that passed: the lines which the passing run read, in its order,
 * hold the same bytes in both. `pruned` counts these. This is sound if `recover` and `check` depend on their arguments alone; a run
 * that contradicts an earlier one throws `ERR_PMEM_NOT_REPEATABLE`. All lines of a view count as read, and so do the lines that a
 * crashed recovery stored into. Bytes are compared by 85 bits of hash.
 *
 * ```js
 * exploreCrashes({
 *   size: '4KiB',
 *   workload(memory, crash) {
 *     const log = Log.open(memory);
 *     for (const text of ['one', 'two', 'three']) crash.operation(`append ${text}`, () => log.append(text), text);
 *   },
 *   recover: (memory) => Log.open(memory).entries(),
 *   check(entries, { finished, running }) {
 *     const before = finished.map(({ detail }) => detail);
 *     const after = running === undefined ? before : [...before, running.detail];
 *     assert([before, after].some((state) => isDeepStrictEqual(entries, state)));
 *   },
 * });
 * ```
 *
 * @returns statistics, the same each time for the same program, options and seed
 * @throws {@link CrashConsistencyError} for the first violation, simplified as far as possible, with its story and a token for `replay`;
 *   whatever `setup` or `workload` throw; TypeError and RangeError with a code for wrong options; PmemError `ERR_PMEM_ASYNC` if a
 *   function returns a promise, `ERR_PMEM_REPLAY_MISMATCH` if the token belongs to another program
 */
export function exploreCrashes<Recovered, Detail = unknown>(options: CrashOptions<Recovered, Detail>): CrashStatistics {
  const checked = checkCrashOptions(options);
  return judge(runExploration(checked, new CallSites(checked.skipFrames)));
}

/** Proves an exploration: with any one flush or drain left out, it must find a failure. */

import { PmemError } from '../../errors.js';
import { booleanOption, choiceOption, ownOptions } from '../../options.js';
import { CallSites } from '../simulation/call-site.js';
import type { Omission } from '../simulation/recorder.js';
import type { StoreLog } from '../simulation/store-log.js';
import { judge, runExploration } from './explore.js';
import { CRASH_OPTIONS, type CrashOptions, type CrashStatistics, checkOwnOptions } from './options.js';
import { tellStory } from './report/story.js';

/** Options of {@link exploreMutants}. */
export interface MutantOptions<Recovered, Detail> extends Omit<CrashOptions<Recovered, Detail>, 'replay'> {
  /**
   * What one mutant leaves out: every flush (or drain) that one place in the source makes, in the workload and in recovery
   * (`'call-site'`, the default), or one flush of the workload alone (`'occurrence'`), of which there can be many. What
   * recovery itself flushes and drains is always left out by place.
   */
  by?: 'call-site' | 'occurrence';
  /** Return the report even if mutants survived. Default false: throw. */
  report?: boolean;
}

/** Names of {@link MutantOptions}: a replay is of one image. */
const MUTANT_OPTIONS = [...CRASH_OPTIONS.filter((name) => name !== 'replay'), 'by', 'report'] as const;

/** A program with one flush or drain less. */
export interface Mutant {
  readonly omitted: 'flush' | 'drain';
  /** `file:line:column` of the call that flushed or drained. */
  readonly source: string;
  /** Its number among the flushes, or the drains, of the workload, from 0; absent for all of one place. */
  readonly occurrence: number | undefined;
}

/** A mutant of which a power cut was found that it does not survive. */
export interface KilledMutant extends Mutant {
  /** What went wrong with it. */
  readonly story: string;
  /** Images it took. */
  readonly images: number;
}

/** What became of the mutants. */
export interface MutantReport {
  readonly killed: readonly KilledMutant[];
  /** Either the flush or drain is not needed, or the exploration does not see what it is for. */
  readonly survivors: readonly Mutant[];
  /** Of the program as it is. */
  readonly statistics: CrashStatistics;
}

function text({ omitted, source, occurrence }: Mutant): string {
  return occurrence === undefined
    ? `without the ${omitted} at ${source}`
    : `without ${omitted} ${occurrence}, at ${source}`;
}

/** Mutants survived: code `ERR_PMEM_MUTANT_SURVIVED`. The message names them. */
export class MutantSurvivedError extends PmemError {
  override readonly name = 'MutantSurvivedError';
  readonly report: MutantReport;

  constructor(report: MutantReport) {
    const { survivors, killed } = report;
    const all = survivors.length + killed.length;
    const lines = survivors.map((mutant) => `  ${text(mutant)}`);
    super(
      'ERR_PMEM_MUTANT_SURVIVED',
      `${survivors.length} of ${all} mutants survive every power cut explored: each flush or drain named here is not needed, or the ` +
        `workload, check or budget do not show what it is for\n${lines.join('\n')}`,
      { inLines: true },
    );
    this.report = report;
  }
}

interface Target {
  readonly mutant: Mutant;
  readonly omission: Omission;
}

/** What can be left out of a log. */
function* targetsIn(log: StoreLog, byOccurrence: boolean): Generator<Target> {
  const counts = { flush: 0, drain: 0 };
  for (const event of log.events) {
    if (event.type !== 'flush' && event.type !== 'drain') continue;
    const number = counts[event.type]++;
    const source = event.site?.place ?? 'somewhere';
    const which = byOccurrence ? number : source;
    const occurrence = byOccurrence ? number : undefined;
    yield { mutant: { omitted: event.type, source, occurrence }, omission: { type: event.type, which } };
  }
}

/**
 * Explores a program once as it is, and then once for each flush and each drain that it makes, with that one left out. Each
 * of these mutants must be killed: {@link exploreCrashes} must find a power cut that it does not survive. So a passing run
 * shows that no flush or drain is there for nothing, and that workload, check and budget notice when one is missing.
 *
 * A flush or drain that is really not needed makes a mutant that survives: it can be removed from the program. A mutant of a
 * `persist` keeps the other half of it. Within recovery, mutants can only be killed by crashes during recovery
 * (`recoveryDepth` from 1), and mutants of places to which no crashed recovery came are not made.
 *
 * Takes as long as so many explorations that mostly end early. `setup` runs once for each.
 *
 * @returns what became of each
 * @throws {@link MutantSurvivedError} if one survived and `report` is not set; `CrashConsistencyError` if the program fails as it
 *   is; PmemError `ERR_PMEM_NO_MUTANTS` if the workload neither flushes nor drains; what `exploreCrashes` throws.
 */
export function exploreMutants<Recovered, Detail = unknown>(given: MutantOptions<Recovered, Detail>): MutantReport {
  const options = ownOptions(given, MUTANT_OPTIONS);
  const checked = checkOwnOptions<Recovered, Detail>(options);
  const by = choiceOption(options.by, 'by', ['call-site', 'occurrence'], 'call-site');
  const report = booleanOption(options.report, 'report', false);

  const targets = new Map<string, Target>();
  const add = (target: Target): void => {
    const { type, which } = target.omission;
    targets.set(`${type} ${which}`, target);
  };
  const recoveries = new Map<string, Target>();
  const baseline = runExploration(checked, new CallSites(checked.skipFrames), undefined, (log) => {
    for (const target of targetsIn(log, false)) recoveries.set(text(target.mutant), target);
  });
  const statistics = judge(baseline);
  for (const target of targetsIn(baseline.workload.log, by === 'occurrence')) add(target);
  for (const target of recoveries.values()) add(target);
  if (targets.size === 0) {
    throw new PmemError(
      'ERR_PMEM_NO_MUTANTS',
      'the workload neither flushes nor drains, so there is nothing to leave out',
    );
  }

  const killed: KilledMutant[] = [];
  const survivors: Mutant[] = [];
  for (const { mutant, omission } of targets.values()) {
    const { violation, workload, statistics } = runExploration(checked, new CallSites(checked.skipFrames), omission);
    if (violation === undefined) {
      survivors.push(mutant);
    } else {
      const story = `${text(mutant)}, ${tellStory(violation, workload, undefined)}`;
      killed.push({ ...mutant, story, images: statistics.images });
    }
  }
  const result = { killed, survivors, statistics };
  if (survivors.length > 0 && !report) throw new MutantSurvivedError(result);
  return result;
}

/** Tests an exploration: without any one flush or drain it must find a failure. */

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
   * (`'call-site'`, the default), or a single flush (or drain) of the workload (`'occurrence'`), which can make many mutants. Mutants
   * of recovery always leave out all of one place.
   */
  by?: 'call-site' | 'occurrence';
  /** Return the report even if mutants survived. Default false: throw {@link MutantSurvivedError}. */
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

/** A mutant that fails after some power cut. */
export interface KilledMutant extends Mutant {
  /** How it failed. */
  readonly story: string;
  /** Images until it failed. */
  readonly images: number;
}

/** The mutants that failed and those that did not. */
export interface MutantReport {
  readonly killed: readonly KilledMutant[];
  /** Mutants that never failed: the program does not need the flush or drain, or the exploration does not see why it does. */
  readonly survivors: readonly Mutant[];
  /** Of the program as it is. */
  readonly statistics: CrashStatistics;
}

function text({ omitted, source, occurrence }: Mutant): string {
  return occurrence === undefined
    ? `without the ${omitted} at ${source}`
    : `without ${omitted} ${occurrence}, at ${source}`;
}

/** Some mutants survived: code `ERR_PMEM_MUTANT_SURVIVED`. The message names them. */
export class MutantSurvivedError extends PmemError {
  override readonly name = 'MutantSurvivedError';
  readonly report: MutantReport;

  constructor(report: MutantReport) {
    const { survivors, killed } = report;
    const all = survivors.length + killed.length;
    const lines = survivors.map((mutant) => `  ${text(mutant)}`);
    super(
      'ERR_PMEM_MUTANT_SURVIVED',
      `${survivors.length} of ${all} mutants survive every power cut explored. Either the program does not need these flushes and drains, ` +
        `or the workload, the check or the budget do not show why it does\n${lines.join('\n')}`,
      { inLines: true },
    );
    this.report = report;
  }
}

interface Target {
  readonly mutant: Mutant;
  readonly omission: Omission;
}

/** The mutants of a log. */
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
 * Explores a program as it is, and then once without each of its flushes and drains. Each of these mutants must fail:
 * {@link exploreCrashes} must find a power cut that damages its data. A run that passes shows that the program needs every flush and
 * every drain, and that workload, check and budget notice when one is missing.
 *
 * A flush or drain that the program does not need makes a mutant that survives: remove it from the program. A mutant of a `persist`
 * loses either the flush or the drain. Mutants of recovery fail only by crashes during recovery (`recoveryDepth` of 1 or more), and
 * are made only of places that a crashed recovery reached.
 *
 * Takes as long as one exploration for each mutant; most of them end early. `setup` runs once for each.
 *
 * @returns the mutants that failed, and those that survived
 * @throws {@link MutantSurvivedError} if a mutant survived, unless `report` is set; `CrashConsistencyError` if the program itself
 *   fails; PmemError `ERR_PMEM_NO_MUTANTS` if the workload neither flushes nor drains; what `exploreCrashes` throws
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
      'the workload neither flushes nor drains: there is nothing to leave out',
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

/**
 * Makes the crash images of a log one by one, and runs recovery and check on each.
 *
 * All images share one memory. At a crash point it holds the durable bytes. An image changes the lines in flight, and is undone by
 * changing them back, together with the lines that recovery and check stored into. So an image costs its lines and its recovery,
 * whatever the size of the memory.
 */

import { outOfRange, PmemError } from '../../errors.js';
import type { CallSites } from '../simulation/call-site.js';
import { InFlight } from '../simulation/in-flight.js';
import { compose, type LineState } from '../simulation/line-state.js';
import { LINE, LINE_INTEGERS, lastLineOf, lineOf, type Media } from '../simulation/lines.js';
import { Random } from '../simulation/random.js';
import type { Omission, Recording } from '../simulation/recorder.js';
import { StoreLog } from '../simulation/store-log.js';
import { fewOf, recoverySharesOf, sharesOf } from './budget.js';
import { type Choices, chosenImages, countImages, everyImage, randomImages } from './images/choose.js';
import { type CrashPoint, crashPoints } from './images/crash-points.js';
import { type Hash, newHash, toggleLine } from './images/line-hash.js';
import { LineVariants } from './images/line-variants.js';
import { minimise } from './images/minimise.js';
import { Judge } from './judge.js';
import { contextOf, type Level, recoveryLevel, workloadLevel } from './level.js';
import type { CheckedOptions, Crash } from './options.js';
import { ReadTree } from './read-tree.js';
import { type ReplayCut, replayChoices, replayMismatch } from './report/replay.js';
import type { Violation } from './report/violation.js';
import type { RecordedWorkload } from './workload.js';

/**
 * Images of crashes in one run of recovery. At least these, by the depth of the crash; or this part of an equal share of the budget for
 * each crash point; or up to this larger part, if the recovery needs that for a few images of each of its own crash points.
 *
 * These follow from the budget and from what the recovery did. They must not depend on the number of runs before (see read-tree.ts).
 */
const LEAST_OF_RECOVERY = [32, 8, 2];
const PART_OF_RECOVERY = 1 / 8;
const MOST_OF_RECOVERY = 1 / 2;
/** The part of a point's images that random ones get when there are more chosen ones than fit. */
const RANDOM_PART = 1 / 4;

/** Runs to simplify a story: with one power cut, and with crashes during recovery, which each of the runs repeats. */
const MOST_TRIES = 1000;
const FEW_TRIES = 100;

/** What an exploration runs with. */
export interface Settings<Recovered, Detail> {
  readonly options: CheckedOptions<Recovered, Detail>;
  readonly sites: CallSites;
  /** What a mutant leaves out in recovery. */
  readonly omission?: Omission | undefined;
  /** Called with the log of each recovery that crashed, with its call sites. */
  readonly onRecovery?: (log: StoreLog) => void;
}

/** The images that one crash point may take. */
interface Allowance {
  /** Images of the point itself. */
  readonly share: number;
  /** Images of crashes during its recoveries; undefined if recovery does not crash. */
  readonly recoveries: number | undefined;
  /** Images of the crashes of one recovery, and the most if it needs more. */
  readonly each: number;
  readonly most: number;
}

/** The images that the crashes of one recovery may take. */
interface RecoveryAllowance {
  /** Images left for all recoveries of the point. */
  readonly left: number;
  readonly each: number;
  readonly most: number;
}

/** Explores the log of one workload. It takes over the given memory, which holds what setup left. */
export class Explorer<Recovered, Detail> {
  /** Counts of {@link CrashStatistics}. */
  readonly counts = {
    crashPoints: 0,
    exhausted: 0,
    images: 0,
    distinct: 0,
    pruned: 0,
    duringRecovery: 0,
    recoveriesExhausted: 0,
    recoveriesCut: 0,
  };
  readonly #settings: Settings<Recovered, Detail>;
  readonly #options: CheckedOptions<Recovered, Detail>;
  readonly #judge: Judge<Recovered, Detail>;
  #simplifies = true;
  readonly #again = new WeakMap<Crash<Detail>, Crash<Detail>>();

  constructor(settings: Settings<Recovered, Detail>, media: Media) {
    this.#settings = settings;
    this.#options = settings.options;
    this.#judge = new Judge(settings.options, media);
  }

  /** Runs of recovery. */
  get recoveries(): number {
    return this.#judge.runs;
  }

  /** The first violation within the budget, if any. */
  explore(workload: RecordedWorkload<Detail>): Violation | undefined {
    return this.#exploreLog(workloadLevel(workload, this.#options.seed), sizesOf(workload.log), this.#options.budget);
  }

  /** Goes through the crash points of a level. At each, the memory holds the durable bytes. */
  #points(level: Level<Detail>): Generator<CrashPoint> {
    const { integers, bytes } = this.#judge.media;
    return crashPoints(level.log, new InFlight(), (state, durable) => {
      const { line } = state;
      level.undo?.save(line);
      toggleLine(level.hash, line, integers, line * LINE_INTEGERS);
      compose(state, durable, bytes, line * LINE);
      toggleLine(level.hash, line, integers, line * LINE_INTEGERS);
    });
  }

  /** @param sizes how many images each crash point has */
  #exploreLog(level: Level<Detail>, sizes: readonly number[], budget: number): Violation | undefined {
    const nests = level.depth < this.#options.recoveryDepth;
    if (level.depth === 0) {
      this.counts.crashPoints = sizes.length;
      if (budget < sizes.length) {
        throw outOfRange(
          'options.budget',
          `at least ${sizes.length}, one image for each crash point of the workload,`,
          budget,
        );
      }
    }
    const own = level.depth === 0 ? Math.max(sizes.length, Math.ceil(budget / 2)) : Math.ceil(budget / 2);
    const shares =
      level.depth === 0
        ? sharesOf(sizes, nests ? own : budget)
        : recoverySharesOf(sizes, nests ? own : budget, new Random(level.seed));
    const equal = budget / sizes.length;
    const each = Math.max(LEAST_OF_RECOVERY[level.depth] ?? 0, Math.floor(equal * PART_OF_RECOVERY));
    const most = Math.max(each, Math.floor(equal * MOST_OF_RECOVERY));
    let pool = Math.max(0, budget - shares.reduce((sum, share) => sum + share, 0));
    // Points with more images than their share take what recoveries leave. One share remains for the recoveries of other points.
    let large = sizes.filter((size, i) => size > (shares[i] as number)).length;
    let before: CrashPoint | undefined;
    for (const point of this.#points(level)) {
      // The same bytes are judged again only if check is told something else.
      if (before !== undefined && contextOf(before) !== contextOf(point)) level.seen.clear();
      before = point;
      const share = shares[point.number] as number;
      const all = sizes[point.number] as number;
      const left = sizes.length - point.number;
      const sharers = all > share ? Math.min(large-- + 1, left) : left;
      const recoveries = nests ? Math.floor(pool / sharers) : undefined;
      const images = this.counts.images;
      const violation = this.#explorePoint(level, point, { share, recoveries, each, most }, all);
      if (violation !== undefined) return violation;
      pool -= Math.max(0, this.counts.images - images - share);
    }
    if (level.depth > 0) {
      if (sizes.every((size, i) => size <= (shares[i] as number))) this.counts.recoveriesExhausted++;
      else this.counts.recoveriesCut++;
    }
    return undefined;
  }

  #explorePoint(
    level: Level<Detail>,
    point: CrashPoint,
    { share, recoveries, each, most }: Allowance,
    all: number,
  ): Violation | undefined {
    const { counts } = this;
    const { states } = point;
    const { prune } = this.#options;
    const crash = level.crashAt(point);
    const variants = new LineVariants(states, this.#judge.media);
    const tree = new ReadTree(variants.contentOf);
    const tracker = this.#judge.trackers[level.depth];
    tracker?.watch(states.map(({ line }) => line));
    const random = new Random(level.seed + Math.imul(point.number + 1, 0x9e3779b9));
    const exhaustive = all <= share;
    const images = exhaustive ? everyImage(states) : this.#someImages(states, random, share);
    const total = share + (recoveries ?? 0);
    const start = counts.images;
    let own = 0;
    // Random images of a small space repeat. The search must end.
    let attempts = 4 * total + 64;
    const spent = () => counts.images - start;
    for (const choices of images) {
      if ((own >= share && spent() >= total) || attempts-- === 0) break;
      const hash = level.hash.slice();
      variants.hash(choices, hash);
      const isNew = level.seen.add(hash);
      // Two choices can give the same bytes. Among all images both count; among chosen ones the second is skipped.
      if (!isNew && !exhaustive) continue;
      own++;
      counts.images++;
      if (level.depth > 0) counts.duringRecovery++;
      if (isNew) counts.distinct++;
      else if (prune) continue;
      if (prune && tree.passes(choices)) {
        counts.pruned++;
        continue;
      }
      const allowance = recoveries === undefined ? undefined : { left: recoveries - (spent() - own), each, most };
      const violation = this.#tryImage(level, point, choices, variants, crash, allowance);
      if (violation !== undefined) return violation;
      if (prune && !tree.insert(choices, tracker?.trace ?? [])) throw notRepeatable();
    }
    if (exhaustive && level.depth === 0) counts.exhausted++;
    return undefined;
  }

  *#someImages(states: readonly LineState[], random: Random, share: number): Generator<Choices> {
    let chosen = Math.ceil(share * (1 - RANDOM_PART));
    for (const choices of chosenImages(states, random)) {
      if (chosen-- <= 0) break;
      yield choices;
    }
    yield* randomImages(states, random);
  }

  /** Runs an image, and simplifies a failure. */
  #tryImage(
    level: Level<Detail>,
    point: CrashPoint,
    choices: Choices,
    variants: LineVariants,
    crash: Crash<Detail>,
    allowance: RecoveryAllowance | undefined,
  ): Violation | undefined {
    this.#judge.trackers[level.depth]?.begin();
    const run = (image: Choices) => this.#runImage(level, point, image, variants, crash, allowance);
    const found = run(choices);
    if (found === undefined || !this.#simplifies) return found;
    if (found.cuts.length === 1) {
      const runOnce = (image: Choices) => this.#runImage(level, point, image, variants, crash, undefined);
      return minimise(point.states, choices, found, runOnce, MOST_TRIES);
    }
    // First simplify the crash before, with any crash of its recovery; then simplify that crash.
    this.#simplifies = false;
    const best = minimise(point.states, choices, found, run, FEW_TRIES);
    this.#simplifies = true;
    return run(best.cuts[0]?.choices ?? choices) ?? best;
  }

  #runImage(
    level: Level<Detail>,
    point: CrashPoint,
    choices: Choices,
    variants: LineVariants,
    crash: Crash<Detail>,
    allowance: RecoveryAllowance | undefined,
  ): Violation | undefined {
    const log = allowance === undefined ? undefined : new StoreLog();
    const cut = { log: level.log, point, choices: choices.slice() };
    const undo = this.#judge.undo();
    variants.apply(choices, undo);
    try {
      const failure = this.#judge.run(level.depth, crash, this.#recording(log));
      if (failure !== undefined) return { cuts: [cut], failure };
      if (log === undefined || allowance === undefined) return undefined;
      if (!log.events.some(({ type }) => type === 'store')) return undefined;
      const { left, each, most } = allowance;
      const sizes = sizesOf(log);
      const budget = Math.min(most, Math.max(each, fewOf(sizes)));
      if (left < budget) {
        this.counts.recoveriesCut++;
        return undefined;
      }
      const hash = level.hash.slice();
      variants.hash(choices, hash);
      const violation = this.#crashRecovery(level, log, hash, crash, { sizes, budget });
      return violation && { ...violation, cuts: [cut, ...violation.cuts] };
    } finally {
      undo.revert();
    }
  }

  /** The memory holds the image that recovery started from; `log` is what it did. */
  #crashRecovery(
    level: Level<Detail>,
    log: StoreLog,
    hash: Hash,
    crash: Crash<Detail>,
    { sizes, budget }: { readonly sizes: readonly number[]; readonly budget: number },
  ): Violation | undefined {
    // The images, and which of them are equal, depend on the lines that recovery stored into: these count as read.
    for (const event of log.events) {
      if (event.type !== 'store') continue;
      const last = lastLineOf(event.offset, event.bytes.length);
      for (let depth = 0; depth <= level.depth; depth++) this.#judge.trackers[depth]?.note(lineOf(event.offset), last);
    }
    this.#settings.onRecovery?.(log);
    const undo = this.#judge.undo();
    const nested = recoveryLevel(level, log, hash, undo, this.#crashAgain(crash));
    let violation: Violation | undefined;
    try {
      violation = this.#exploreLog(nested, sizes, budget);
    } finally {
      undo.revert();
    }
    const [cut, ...further] = violation?.cuts ?? [];
    if (violation === undefined || cut === undefined) return undefined;
    // Run it again to learn the call site of each store of that recovery.
    const told = new StoreLog();
    this.#judge.run(level.depth, crash, this.#recording(told, true));
    return { ...violation, cuts: [{ ...cut, log: told }, ...further] };
  }

  /** Runs the one image that the power cuts name. */
  replay(workload: RecordedWorkload<Detail>, cuts: readonly ReplayCut[]): Violation | undefined {
    return this.#replayLog(workloadLevel(workload, this.#options.seed), cuts);
  }

  #replayLog(level: Level<Detail>, [cut, ...further]: readonly ReplayCut[]): Violation | undefined {
    for (const point of this.#points(level)) {
      if (point.number !== cut?.point) continue;
      const { log } = level;
      const choices = replayChoices(cut, point.states);
      const crash = level.crashAt(point);
      new LineVariants(point.states, this.#judge.media).apply(choices, this.#judge.undo());
      const told = new StoreLog();
      this.counts.images++;
      this.counts.distinct++;
      const failure = this.#judge.run(level.depth, crash, this.#recording(told, true));
      if (failure !== undefined) return { cuts: [{ log, point, choices }], failure };
      if (further.length === 0) return undefined;
      const nested = recoveryLevel(level, told, newHash(), this.#judge.undo(), this.#crashAgain(crash));
      const violation = this.#replayLog(nested, further);
      return violation && { ...violation, cuts: [{ log, point, choices }, ...violation.cuts] };
    }
    throw replayMismatch();
  }

  /** One object for all recoveries from one crash point: check may use it as a key. */
  #crashAgain(crash: Crash<Detail>): Crash<Detail> {
    const known = this.#again.get(crash);
    if (known !== undefined) return known;
    const again = Object.freeze({ ...crash, duringRecovery: crash.duringRecovery + 1 });
    this.#again.set(crash, again);
    return again;
  }

  #recording(log: StoreLog | undefined, told = false): Recording | undefined {
    if (log === undefined) return undefined;
    const { sites, omission, onRecovery } = this.#settings;
    const wanted = told || omission !== undefined || onRecovery !== undefined;
    // An omission by number concerns the workload alone.
    const here = typeof omission?.which === 'string' ? omission : undefined;
    return { log, sites: wanted ? sites : undefined, omission: here };
  }
}

/** How many images each crash point of a log has. */
function sizesOf(log: StoreLog): number[] {
  const sizes: number[] = [];
  for (const point of crashPoints(log, new InFlight(), () => {})) sizes.push(countImages(point.states));
  return sizes;
}

function notRepeatable(): PmemError {
  return new PmemError(
    'ERR_PMEM_NOT_REPEATABLE',
    'recover or check found the same bytes as in an earlier run, and then read other lines. So it depends on more than its arguments ' +
      '(a clock, random numbers, something kept from an earlier call). Make it repeatable, or pass prune: false',
  );
}

/**
 * Makes the crash images of a log one after the other, runs recovery and check on each, and takes everything back.
 *
 * There is one memory for all images. At a crash point it holds what is durable there; an image is made by changing the
 * lines in flight, and undone by changing them back, with whatever recovery and check stored. So an image costs what its
 * lines and its recovery cost, however large the memory is.
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
 * Images of crashes in one run of recovery: at least these, by how many recoveries were crashed before; else so large a part
 * of what each crash point could have of the budget; and up to so large a part where a recovery needs it to have a few images
 * of each of its own crash points. All of that follows from the budget and from what the recovery did, as nothing that a run
 * depends on may depend on how many runs there were before it (see read-tree.ts).
 */
const LEAST_OF_RECOVERY = [32, 8, 2];
const PART_OF_RECOVERY = 1 / 8;
const MOST_OF_RECOVERY = 1 / 2;
/** Of the images of a point, the part that is left for random ones when there are more chosen ones than fit. */
const RANDOM_PART = 1 / 4;

/** Runs that a simpler story may cost; each runs all crashes of its recovery too where those are the story. */
const MOST_TRIES = 1000;
const FEW_TRIES = 100;

/** How to explore. */
export interface Settings<Recovered, Detail> {
  readonly options: CheckedOptions<Recovered, Detail>;
  readonly sites: CallSites;
  /** What a mutant leaves out in recovery. */
  readonly omission?: Omission | undefined;
  /** Called with what each recovery did, with its call sites. */
  readonly onRecovery?: (log: StoreLog) => void;
}

/** What may be spent on one crash point. */
interface Allowance {
  /** Images of the point itself. */
  readonly share: number;
  /** Images of crashes during its recoveries, as far as those need them; undefined where recovery is not crashed. */
  readonly recoveries: number | undefined;
  /** What the crashes of one recovery get, and what they get at most if they need it. */
  readonly each: number;
  readonly most: number;
}

/** What may be spent on the crashes of one recovery, or undefined if it is not crashed. */
interface RecoveryAllowance {
  /** What is left. */
  readonly left: number;
  readonly each: number;
  readonly most: number;
}

/** Explores the log of one workload. The memory given holds what setup left, and is used up. */
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

  /** The first violation found, if there is one within the budget. */
  explore(workload: RecordedWorkload<Detail>): Violation | undefined {
    return this.#exploreLog(workloadLevel(workload, this.#options.seed), sizesOf(workload.log), this.#options.budget);
  }

  /** The crash points of a level; the memory follows. */
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

  /** `sizes` counts the images of each crash point. */
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
    // Points with more images than their share can use what recoveries leave over; one share stays for the others' recoveries.
    let large = sizes.filter((size, i) => size > (shares[i] as number)).length;
    let before: CrashPoint | undefined;
    for (const point of this.#points(level)) {
      // The same bytes are judged again only when check is told something else.
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
    // In a small space random images repeat themselves; that must end.
    let attempts = 4 * total + 64;
    const spent = () => counts.images - start;
    for (const choices of images) {
      if ((own >= share && spent() >= total) || attempts-- === 0) break;
      const hash = level.hash.slice();
      variants.hash(choices, hash);
      const isNew = level.seen.add(hash);
      // Of all images the same ones count, of chosen ones they are only another way to say it.
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

  /** Runs an image; a failure is made simple. */
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
    // While the crash that comes before is made simple, any crash of its recovery will do; then that one is made simple.
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
    // Which images there are, and which are the same, depends on the lines that recovery stored into: they count as read.
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
    // Once more, to see where in the source each store of that recovery was made.
    const told = new StoreLog();
    this.#judge.run(level.depth, crash, this.#recording(told, true));
    return { ...violation, cuts: [{ ...cut, log: told }, ...further] };
  }

  /** Runs one image, named by its power cuts. */
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

  /** One object for all recoveries from one crash point, as check is promised. */
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
    // Numbers count the workload's flushes and drains only.
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
    'recover or check read other lines than before where it had found the same bytes, so it depends on more than the memory and ' +
      'the crash it is given (a clock, random numbers, something kept from an earlier call). Make it repeatable, or pass prune: false',
  );
}

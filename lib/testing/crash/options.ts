/** Options of a crash exploration, their defaults and checks. */

import { isRegExp } from 'node:util/types';
import { wrongType } from '../../errors.js';
import type { Memory } from '../../memory/memory.js';
import { booleanOption, functionOption, integerOption, ownOptions } from '../../options.js';
import type { Size } from '../../units.js';
import { checkPlacement, checkSeed } from '../simulation/simulated-memory.js';

/** A step of the workload with a meaning of its own: an append, a transaction, a write of a sector. */
export interface Operation<Detail> {
  /** Its number in the workload, from 0. */
  readonly index: number;
  readonly name: string;
  /** What the workload passed beside the name. */
  readonly detail: Detail | undefined;
}

/** Tells `check` when the power failed. All images of one crash point get the same object: it can be a key of a WeakMap. */
export interface Crash<Detail> {
  /**
   * Number of the crash point, from 0. Use it in messages and as a key; the verdict must not depend on it. An image that occurs again
   * at a later point is not judged again as long as `finished`, `running` and `acknowledged` are the same.
   */
  readonly point: number;
  /** Operations that had returned, oldest first. What they promise must hold. */
  readonly finished: readonly Operation<Detail>[];
  /** The operation under way: it may have happened or not. Undefined between operations. */
  readonly running: Operation<Detail> | undefined;
  /** What the workload had acknowledged, oldest first. */
  readonly acknowledged: readonly Detail[];
  /** Number of recoveries that crashed before the recovery that is checked. */
  readonly duringRecovery: number;
}

/** What a workload reports about itself. */
export interface CrashContext<Detail> {
  /**
   * Runs one operation and returns its result. An operation within another throws `ERR_PMEM_NESTED_OPERATION`. An operation that
   * throws counts as finished: catch expected errors inside of it.
   *
   * @param name for the story of a failure
   * @param detail for `check`, in {@link Crash.finished} or {@link Crash.running}; do not change it later
   */
  operation<Result>(name: string, run: () => Result, detail?: Detail): Result;
  /** Records a promise made within an operation, or outside of all: see {@link Crash.acknowledged}. */
  acknowledge(value: Detail): void;
}

/**
 * What to explore. All functions are synchronous. Each gets a memory that ends when the function returns. `recover` and `check`
 * must depend on their arguments alone, and must end: a recovery that loops on an image hangs the exploration.
 */
export interface CrashOptions<Recovered, Detail> {
  /** Bytes of the memory, a multiple of 64. An exploration takes two to three times as much of ordinary memory. */
  size: Size;
  /**
   * Position of byte 0 of the memory in its cache line of 64 bytes: 0 (default) to 63. Explore code that needs two words in one line
   * at other positions too, or let it refuse them ({@link Memory.lineOffset}).
   */
  lineOffset?: number;
  /** Makes the contents before the workload. All of it is durable, flushed or not. Runs once. Default: all zero. */
  setup?: (memory: Memory) => void;
  /** The program that the power cuts interrupt. Runs once, and for replays and mutants again: it must do the same each time. */
  workload: (memory: Memory, context: CrashContext<Detail>) => void;
  /** Opens the memory after the power cut, and repairs it as the program would. What it throws is a violation. */
  recover: (memory: Memory) => Recovered;
  /**
   * Judges the recovered state: it must be that before or that after the operation under way, with everything that was promised.
   * An error or `false` is a violation. Stores are allowed, and undone.
   */
  check: (recovered: Recovered, crash: Crash<Detail>, memory: Memory) => unknown;
  /**
   * The most images to make, those of crashes during recovery included: at least one for each crash point. Default 20,000. The
   * crashes of one recovery get an eighth of what each crash point could have, at least 32 images, and up to a half if that takes a
   * few images of each drain in the recovery.
   */
  budget?: number;
  /** Seed of the random images: an unsigned 32-bit integer, default 1. */
  seed?: number;
  /** How many times in a row recovery crashes: 0 (never) to 3. Default 1. */
  recoveryDepth?: number;
  /**
   * Leave out images that recovery and check cannot tell from one that passed. Default true. False runs every image: for a recovery
   * that depends on more than the memory, or to prove that pruning hides nothing.
   */
  prune?: boolean;
  /** Source files, by path, that are not the caller of a store: those of a memory that wraps the one given. */
  skipFrames?: RegExp;
  /** The token of a violation: runs that image alone. */
  replay?: string;
}

/** What an exploration did. The same for the same code, options and seed. A replay has one image. */
export interface CrashStatistics {
  /** Operations, stores, flushes and drains in the workload. */
  readonly operations: number;
  readonly stores: number;
  readonly flushes: number;
  readonly drains: number;
  /** Moments of a power cut: before each drain, at the end of each operation and of the workload. */
  readonly crashPoints: number;
  /** Crash points with every possible image made. */
  readonly exhausted: number;
  /** Images made. */
  readonly images: number;
  /** Of `images`, those whose bytes had not been judged for the same crash before. */
  readonly distinct: number;
  /** Of `distinct`, those that did not run: recovery and check would read the same as on an image that passed. */
  readonly pruned: number;
  /** Of `images`, those of crashes during recovery. */
  readonly duringRecovery: number;
  /**
   * Recoveries that stored something, with every possible crash image made. Recoveries after `recoveryDepth` others do not crash:
   * neither this nor `recoveriesCut` counts them.
   */
  readonly recoveriesExhausted: number;
  /** Recoveries that stored something, for whose crash images the `budget` was too small. */
  readonly recoveriesCut: number;
  /** Runs of recovery: `distinct - pruned`, or all `images` with `prune: false`; after a failure also those for its story. */
  readonly recoveries: number;
  readonly seed: number;
  readonly budget: number;
}

/** Options with their defaults filled in. */
export interface CheckedOptions<Recovered, Detail> {
  readonly size: number;
  readonly lineOffset: number;
  readonly setup: ((memory: Memory) => void) | undefined;
  readonly workload: CrashOptions<Recovered, Detail>['workload'];
  readonly recover: CrashOptions<Recovered, Detail>['recover'];
  readonly check: CrashOptions<Recovered, Detail>['check'];
  readonly budget: number;
  readonly seed: number;
  readonly recoveryDepth: number;
  readonly prune: boolean;
  readonly skipFrames: RegExp | undefined;
  readonly replay: string | undefined;
}

const DEFAULT_BUDGET = 20_000;
const MOST_DEPTH = 3;
/** Names of {@link CrashOptions}. */
export const CRASH_OPTIONS = [
  'size',
  'lineOffset',
  'setup',
  'workload',
  'recover',
  'check',
  'budget',
  'seed',
  'recoveryDepth',
  'prune',
  'skipFrames',
  'replay',
] as const satisfies readonly (keyof CrashOptions<unknown, unknown>)[];

/** An option that must be a function. */
function required<T extends (...args: never[]) => unknown>(value: T | undefined, name: string): T {
  const found = functionOption(value, name);
  if (found === undefined) throw wrongType(`options.${name}`, 'a function', value);
  return found;
}

/** @throws TypeError, RangeError with a code, for anything that {@link CrashOptions} does not allow. */
export function checkCrashOptions<Recovered, Detail>(
  given: CrashOptions<Recovered, Detail>,
): CheckedOptions<Recovered, Detail> {
  return checkOwnOptions(ownOptions(given, CRASH_OPTIONS));
}

/** {@link checkCrashOptions}, of options that `ownOptions` has read. */
export function checkOwnOptions<Recovered, Detail>(
  options: CrashOptions<Recovered, Detail>,
): CheckedOptions<Recovered, Detail> {
  const { skipFrames, replay } = options;
  // Not by instanceof, which is false for another realm's (Jest, vm contexts).
  if (skipFrames !== undefined && !isRegExp(skipFrames)) {
    throw wrongType('options.skipFrames', 'a regular expression', skipFrames);
  }
  if (replay !== undefined && typeof replay !== 'string') throw wrongType('options.replay', 'a string', replay);
  return {
    ...checkPlacement(options),
    setup: functionOption(options.setup, 'setup'),
    workload: required(options.workload, 'workload'),
    recover: required(options.recover, 'recover'),
    check: required(options.check, 'check'),
    budget: integerOption(options.budget, 'budget', 1, Number.MAX_SAFE_INTEGER) ?? DEFAULT_BUDGET,
    seed: checkSeed(options.seed),
    recoveryDepth: integerOption(options.recoveryDepth, 'recoveryDepth', 0, MOST_DEPTH) ?? 1,
    prune: booleanOption(options.prune, 'prune', true),
    skipFrames,
    replay,
  };
}

/** What a crash exploration is asked for, and its defaults. */

import { isRegExp } from 'node:util/types';
import { wrongType } from '../../errors.js';
import type { Memory } from '../../memory/memory.js';
import { booleanOption, functionOption, integerOption, ownOptions } from '../../options.js';
import type { Size } from '../../units.js';
import { checkPlacement, checkSeed } from '../simulation/simulated-memory.js';

/** A step of the workload that has a meaning of its own: an append, a transaction, a write of a sector. */
export interface Operation<Detail> {
  /** Its number in the workload, from 0. */
  readonly index: number;
  readonly name: string;
  /** What the workload gave beside the name. */
  readonly detail: Detail | undefined;
}

/** Tells `check` when the power failed. The same object for all images of one crash point: good as a key of a WeakMap. */
export interface Crash<Detail> {
  /**
   * Number of the crash point, from 0. For messages and as a key: it must not influence the verdict. An image that is met again
   * at a later point is not judged again while `finished`, `running` and `acknowledged` are the same.
   */
  readonly point: number;
  /** Operations that had returned, oldest first: what they promise must hold. */
  readonly finished: readonly Operation<Detail>[];
  /** The operation under way: it may have happened or not. Absent between operations. */
  readonly running: Operation<Detail> | undefined;
  /** What the workload had acknowledged, oldest first. */
  readonly acknowledged: readonly Detail[];
  /** How many recoveries were themselves cut short, before the one being checked. */
  readonly duringRecovery: number;
}

/** What a workload reports about itself. */
export interface CrashContext<Detail> {
  /**
   * Runs one operation and returns what it returns. Operations follow each other; one within another throws
   * `ERR_PMEM_NESTED_OPERATION`. One that throws has ended, too: what may fail is better caught within.
   *
   * @param name for the story of a failure
   * @param detail for `check`, which finds it in {@link Crash.finished} or {@link Crash.running}; not to be changed later
   */
  operation<Result>(name: string, run: () => Result, detail?: Detail): Result;
  /** Something was promised in the middle of an operation, or outside of any: see {@link Crash.acknowledged}. */
  acknowledge(value: Detail): void;
}

/**
 * What to explore. All functions are synchronous, and get a memory that they must not keep. `recover` and `check` must
 * depend on nothing but their arguments, and must end: a recovery that loops on some image hangs the exploration.
 */
export interface CrashOptions<Recovered, Detail> {
  /** Bytes of the memory, a multiple of 64. An exploration takes two to three times as much of ordinary memory. */
  size: Size;
  /**
   * Where in its cache line of 64 bytes byte 0 of the memory lies: 0 to 63. Default 0. What relies on two words being in one line
   * should be explored at other offsets too, or refuse them ({@link Memory.lineOffset}).
   */
  lineOffset?: number;
  /** Makes what is there before the workload. All of it is durable, flushed or not. Runs once. Default: all zero. */
  setup?: (memory: Memory) => void;
  /** What is interrupted. Runs once; must do the same each time, for replays and mutants. */
  workload: (memory: Memory, context: CrashContext<Detail>) => void;
  /** Opens what is found after the power cut, repairing as it would in earnest. What it throws is a violation. */
  recover: (memory: Memory) => Recovered;
  /**
   * Judges what was recovered by its meaning: the state before or the state after the operation under way, with everything
   * that was promised. Throwing or returning `false` is a violation. May store: that is undone.
   */
  check: (recovered: Recovered, crash: Crash<Detail>, memory: Memory) => unknown;
  /**
   * The most images to make, recovery's own included. At least one for each crash point. Default 20,000. The crashes of one
   * recovery get an eighth of a crash point's equal part, at least 32, and up to a half for a few images of each drain in it.
   */
  budget?: number;
  /** Which random images are made: an unsigned 32-bit integer, default 1. */
  seed?: number;
  /** How many times in a row recovery is crashed: 0 (never) to 3. Default 1. */
  recoveryDepth?: number;
  /**
   * Leave out images that recovery and check cannot tell from one that passed. Default true; false runs every image, for
   * a recovery that depends on more than the memory, or to prove that nothing is lost.
   */
  prune?: boolean;
  /** Source files, by path, to pass over when looking for who stored: a memory of yours that wraps the one given. */
  skipFrames?: RegExp;
  /** The token of a violation: runs exactly that image and nothing else. */
  replay?: string;
}

/** What was done; of a replay, with one image. The same for the same code, options and seed. */
export interface CrashStatistics {
  /** Operations, stores, flushes and drains in the workload. */
  readonly operations: number;
  readonly stores: number;
  readonly flushes: number;
  readonly drains: number;
  /** Moments at which the power failed: before each drain, at the end of each operation and of the workload. */
  readonly crashPoints: number;
  /** Crash points of which every possible image was made. */
  readonly exhausted: number;
  /** Images made. */
  readonly images: number;
  /** Of those, with bytes that had not been judged for the same crash before. */
  readonly distinct: number;
  /** Of those, not run because recovery and check would read the same as on an image that passed. */
  readonly pruned: number;
  /** Of `images`, those of crashes during recovery. */
  readonly duringRecovery: number;
  /**
   * Recoveries that stored something and of which every possible crash image was made. Recoveries that come after
   * `recoveryDepth` others are not crashed, and are counted neither here nor in `recoveriesCut`.
   */
  readonly recoveriesExhausted: number;
  /** Recoveries that stored something and of which some crash images were not made, or none, for want of `budget`. */
  readonly recoveriesCut: number;
  /** Runs of recovery: `distinct - pruned`, or all `images` with `prune: false`; after a failure also what its story took. */
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

/** A function that has to be there. */
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

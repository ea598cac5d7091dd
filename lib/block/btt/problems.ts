/** What can be wrong with a BTT. */

import { PmemError } from '../../errors.js';

/**
 * - `info-missing`: an arena's info block is damaged, and its copy is sound. Repair restores it.
 * - `info-copy`: the copy is damaged or another one. Repair makes it again.
 * - `info-lost`: both are damaged.
 * - `info-inconsistent`: the info block is intact and says what cannot be, or not what the first arena's says; or it may be that of
 *   an older BTT, because another one's is where its copy should be.
 * - `info-error-flag`: the arena was marked as being in an error state.
 * - `flog-slots`: which slots of the flog are in use cannot be told.
 * - `flog-sequence`: a lane's sequence numbers say not which of its entries is the newer.
 * - `flog-bounds`: a lane's entry names a sector or block that the arena has not.
 * - `flog-map`: a write was cut short behind its commit. Opening completes it, and so does repair.
 * - `map-bounds`: a sector's map entry names a block that the arena has not.
 * - `block-twice`: a block belongs to two sectors or lanes: writing to one would overwrite the other.
 * - `block-lost`: a block belongs to no sector and no lane.
 * - `media`: metadata cannot be read.
 */
export type BttProblemCode =
  | 'info-missing'
  | 'info-copy'
  | 'info-lost'
  | 'info-inconsistent'
  | 'info-error-flag'
  | 'flog-slots'
  | 'flog-sequence'
  | 'flog-bounds'
  | 'flog-map'
  | 'map-bounds'
  | 'block-twice'
  | 'block-lost'
  | 'media';

/** One thing that is wrong with an arena. */
export interface BttProblem {
  readonly code: BttProblemCode;
  /** Number of the arena, from 0. */
  readonly arena: number;
  /** What was found, where; with how many of its kind there are. */
  readonly detail: string;
  /** How many sectors, lanes or blocks it concerns. */
  readonly count: number;
  /** Whether `Btt.check` can repair it. */
  readonly repairable: boolean;
  /** Whether it did. */
  readonly repaired: boolean;
}

const REPAIRABLE: ReadonlySet<BttProblemCode> = new Set(['info-missing', 'info-copy', 'flog-map']);

/** Those that opening can live with: the copy is not used, and a write that was cut short is completed. */
const HARMLESS: ReadonlySet<BttProblemCode> = new Set(['info-copy', 'flog-map']);

/** Stands in the way of storing. */
export function isDangerous({ code }: BttProblem): boolean {
  return !HARMLESS.has(code);
}

export function problem(code: BttProblemCode, arena: number, detail: string, count = 1): BttProblem {
  return { code, arena, detail, count, repairable: REPAIRABLE.has(code), repaired: false };
}

function inWords({ code, arena, detail }: BttProblem): string {
  return `arena ${arena}, ${code}: ${detail}`;
}

/**
 * A BTT that is damaged: code `ERR_PMEM_BTT_CORRUPT`. Where its info blocks are sound, it can be opened read-only.
 */
export class BttCorruptError extends PmemError {
  override readonly name = 'BttCorruptError';
  readonly problems: readonly BttProblem[];

  constructor(operation: string, problems: readonly BttProblem[]) {
    const way = problems.every(({ repairable }) => repairable)
      ? "Btt.check with repair, or 'pmem btt check --repair', mends it"
      : "Btt.check, or 'pmem btt check', tells all that is wrong; opening it with readOnly may still give the data";
    super(
      'ERR_PMEM_BTT_CORRUPT',
      `${operation}: the BTT is damaged, and nothing was stored: ${problems.map(inWords).join('; ')}. ${way}`,
    );
    this.problems = problems;
  }
}

/** There is no BTT: code `ERR_PMEM_BTT_NOT_FOUND`. */
export function notFound(operation: string): PmemError {
  return new PmemError(
    'ERR_PMEM_BTT_NOT_FOUND',
    `${operation}: there is no BTT: no info block at 4096 (version 1.1), at 0 (2.0), or at the end. Btt.format makes one`,
  );
}

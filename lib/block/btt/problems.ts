/** The kinds of damage that a BTT can have. */

import { PmemError } from '../../errors.js';

/**
 * - `info-missing`: an arena's info block is damaged, and its copy is sound. Repair restores it.
 * - `info-copy`: the copy is damaged or differs. Repair makes it again.
 * - `info-lost`: both are damaged.
 * - `info-inconsistent`: the info block is intact, but makes no sense or contradicts the first arena's; or it may belong to an older
 *   BTT, because another BTT's is where its copy should be.
 * - `info-error-flag`: the arena is marked as being in an error state.
 * - `flog-slots`: it is unclear which slots of the flog are in use.
 * - `flog-sequence`: a lane's sequence numbers do not say which of its entries is the newer.
 * - `flog-bounds`: a lane's entry names a sector or block that the arena does not have.
 * - `flog-map`: a write was interrupted after its commit. Opening completes it, and so does repair.
 * - `map-bounds`: a sector's map entry names a block that the arena does not have.
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

/** One kind of damage of an arena. */
export interface BttProblem {
  readonly code: BttProblemCode;
  /** Number of the arena, from 0. */
  readonly arena: number;
  /** What was found, and where: some examples, and how many more there are. */
  readonly detail: string;
  /** How many sectors, lanes or blocks have it. */
  readonly count: number;
  /** Whether `Btt.check` can repair it. */
  readonly repairable: boolean;
  /** Whether it did. */
  readonly repaired: boolean;
}

const REPAIRABLE: ReadonlySet<BttProblemCode> = new Set(['info-missing', 'info-copy', 'flog-map']);

/** Opening tolerates these: it does not use the copy, and completes an interrupted write. */
const HARMLESS: ReadonlySet<BttProblemCode> = new Set(['info-copy', 'flog-map']);

/** Whether the problem makes storing unsafe. */
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
 * The BTT is damaged: code `ERR_PMEM_BTT_CORRUPT`. Where its info blocks are sound, it can be opened read-only.
 */
export class BttCorruptError extends PmemError {
  override readonly name = 'BttCorruptError';
  readonly problems: readonly BttProblem[];

  constructor(operation: string, problems: readonly BttProblem[]) {
    const way = problems.every(({ repairable }) => repairable)
      ? "Btt.check with repair, or 'pmem btt check --repair', repairs it"
      : "Btt.check, or 'pmem btt check', lists all damage; opened with readOnly, its sectors may still be readable";
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

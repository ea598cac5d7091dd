/** Reads an arena's flog, checks it, and says what recovery has to do. */

import type { Memory } from '../../memory/memory.js';
import { isFault } from '../bad-blocks/faults.js';
import type { FoundArena } from './discover.js';
import { type LaneState, laneState, type SecondSlot, secondSlotOf } from './flog.js';
import { FLOG_LANE } from './layout.js';
import { blockOf, loadEntry } from './map.js';
import { tryRead } from './media.js';
import { type BttProblem, type BttProblemCode, problem } from './problems.js';

/** A write that was committed, and is not in the map yet. */
export interface PendingEntry {
  readonly sector: number;
  readonly block: number;
}

/** What the flog says. With problems other than `flog-map`, `lanes` is useless. */
export interface FlogFindings {
  readonly lanes: readonly LaneState[];
  readonly second: SecondSlot;
  readonly pending: readonly PendingEntry[];
  readonly problems: readonly BttProblem[];
}

/** A problem names at most so many examples. */
const MOST_EXAMPLES = 4;

/** Collects findings: one problem of each kind. */
export class Findings {
  readonly #arena: number;
  readonly #found = new Map<BttProblemCode, { count: number; examples: string[] }>();

  constructor(arena: number) {
    this.#arena = arena;
  }

  add(code: BttProblemCode, detail: () => string): void {
    let found = this.#found.get(code);
    if (found === undefined) {
      found = { count: 0, examples: [] };
      this.#found.set(code, found);
    }
    if (found.count++ < MOST_EXAMPLES) found.examples.push(detail());
  }

  get problems(): BttProblem[] {
    return [...this.#found].map(([code, { count, examples }]) => {
      const more = count > examples.length ? `, and ${count - examples.length} more` : '';
      return problem(code, this.#arena, `${examples.join(', ')}${more}`, count);
    });
  }
}

/**
 * The writes that recovery has to complete: flog entries whose sector still has its old block. Several lanes may have written the
 * same sector one after the other, so each sector is followed from block to block. `current`, the map's blocks by sector, is changed
 * to what the map will say.
 */
function pendingOf(lanes: readonly LaneState[], current: Map<number, number>): Map<number, number> {
  const key = (sector: number, block: number): string => `${sector} ${block}`;
  const next = new Map<string, number>();
  for (const { sector, oldBlock, newBlock } of lanes) {
    // Two lanes with the same old block are damage, found below.
    if (oldBlock !== newBlock && !next.has(key(sector, oldBlock))) next.set(key(sector, oldBlock), newBlock);
  }
  const pending = new Map<number, number>();
  for (const [sector, before] of current) {
    let block = before;
    for (;;) {
      const step = next.get(key(sector, block));
      if (step === undefined) break;
      // Each step is taken once: a circle ends at a block that a lane has free, which is damage, found below.
      next.delete(key(sector, block));
      pending.set(sector, step);
      block = step;
    }
    current.set(sector, block);
  }
  return pending;
}

/**
 * Reads the flog and the map entries that it names: `nfree` lanes, whatever the arena's size. Stores nothing.
 */
export function readFlog(memory: Memory, { index, offset, info }: FoundArena): FlogFindings {
  const { nfree, sectorCount, blockCount } = info;
  const failed = (code: BttProblemCode, detail: string, second: SecondSlot = 1): FlogFindings => {
    return { lanes: [], second, pending: [], problems: [problem(code, index, detail)] };
  };
  const flog = tryRead(memory, offset + info.flogOffset, nfree * FLOG_LANE);
  if (flog === undefined) return failed('media', 'the flog cannot be read');
  const second = secondSlotOf(flog);
  if (second === undefined) return failed('flog-slots', 'the lanes use slots 0 and 1, or 0 and 2, and these do not');

  const findings = new Findings(index);
  const lanes: LaneState[] = [];
  for (let i = 0; i < nfree; i++) {
    const lane = laneState(flog, i * FLOG_LANE, second);
    if (typeof lane === 'string') {
      findings.add('flog-sequence', () => `lane ${i} has ${lane}`);
      continue;
    }
    lanes.push(lane);
    const { sector, oldBlock, newBlock } = lane;
    if (sector >= sectorCount) findings.add('flog-bounds', () => `lane ${i} names sector ${sector} of ${sectorCount}`);
    for (const block of new Set([oldBlock, newBlock])) {
      if (block >= blockCount) findings.add('flog-bounds', () => `lane ${i} names block ${block} of ${blockCount}`);
    }
  }
  if (findings.problems.length > 0) return { lanes: [], second, pending: [], problems: findings.problems };

  const current = new Map<number, number>();
  try {
    for (const { sector } of lanes) {
      current.set(sector, blockOf(loadEntry(memory, offset + info.mapOffset, sector), sector));
    }
  } catch (error) {
    if (isFault(error)) return failed('media', 'the map cannot be read', second);
    throw error;
  }
  const pending = pendingOf(lanes, current);
  const owners = new Map<number, string>();
  const own = (block: number, owner: string): void => {
    const other = owners.get(block);
    if (other === undefined) owners.set(block, owner);
    else findings.add('block-twice', () => `block ${block} is that of ${other} and of ${owner}`);
  };
  for (const [i, { oldBlock }] of lanes.entries()) own(oldBlock, `lane ${i}`);
  for (const [sector, block] of current) own(block, `sector ${sector}`);
  for (const [sector, block] of pending) {
    findings.add(
      'flog-map',
      () => `the write of sector ${sector} to block ${block} was committed and is not in the map`,
    );
  }
  const changes = [...pending].map(([sector, block]) => ({ sector, block }));
  return { lanes, second, pending: changes, problems: findings.problems };
}

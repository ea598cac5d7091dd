/** The map of an open arena: which block each sector has. */

import type { Memory } from '../../memory/memory.js';
import { isFault } from '../bad-blocks/faults.js';
import { inputOutput } from '../block-errors.js';
import type { FoundArena } from './discover.js';
import type { PendingEntry } from './flog-check.js';
import { MAP_ENTRY } from './layout.js';
import { blockOf, half, isError, isZero, NORMAL, word, wordOffset } from './map.js';
import { BttCorruptError, problem } from './problems.js';

export class SectorMap {
  /** Where the map is in the memory, in bytes. */
  readonly offset: number;
  readonly #memory: Memory;
  /** The arena's number, from 0. */
  readonly #arena: number;
  /** The device's number of the arena's first sector, for messages. */
  readonly #base: number;
  readonly #sectorSize: number;
  readonly #blockCount: number;
  /** Blocks by sector: changes of the map that a read-only device cannot make. */
  readonly #pending = new Map<number, number>();

  constructor(memory: Memory, { index, offset, info }: FoundArena, pending: readonly PendingEntry[], base: number) {
    this.#memory = memory;
    this.#arena = index;
    this.#base = base;
    this.offset = offset + info.mapOffset;
    this.#sectorSize = info.sectorSize;
    this.#blockCount = info.blockCount;
    for (const { sector, block } of pending) this.#pending.set(sector, block);
  }

  /** The memory's map is not yet what the flog says. */
  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** The memory's map was changed to what the flog says. */
  completed(): void {
    this.#pending.clear();
  }

  entry(sector: number): number {
    if (this.#pending.size > 0) {
      const block = this.#pending.get(sector);
      if (block !== undefined) return (block | NORMAL) >>> 0;
    }
    word[0] = this.#memory.load64(wordOffset(this.offset, sector));
    return half[sector % 2] as number;
  }

  /** Whether the sector has this block, and it can be read together with the block before. */
  follows(sector: number, block: number): boolean {
    const entry = this.entry(sector);
    return block < this.#blockCount && !isZero(entry) && !isError(entry) && blockOf(entry, sector) === block;
  }

  /** @throws BttCorruptError where the arena has no such block */
  checkBlock(operation: string, sector: number, block: number): number {
    if (block < this.#blockCount) return block;
    const detail = `the map of sector ${this.#base + sector} names block ${block} of ${this.#blockCount}`;
    throw new BttCorruptError(operation, [problem('map-bounds', this.#arena, detail)]);
  }

  /** The block to read a sector from. */
  readable(sector: number, entry: number): number {
    if (isError(entry)) {
      const number = this.#base + sector;
      const sentence = `sector ${number} of the BTT is marked as bad; writing it makes it good again`;
      throw inputOutput('read', sentence, { offset: number * this.#sectorSize });
    }
    return this.checkBlock('read', sector, blockOf(entry, sector));
  }

  /** The error for a fault of the map; anything else is returned as it is. Faults of blocks were translated before. */
  fault(operation: string, first: number, count: number, error: unknown): unknown {
    if (!isFault(error)) return error;
    // The fault's place is that of the sector's entry, or of its page.
    const faulty = error.offset === undefined ? first : Math.floor((error.offset - this.offset) / MAP_ENTRY);
    const sector = this.#base + Math.min(Math.max(faulty, first), first + count - 1);
    const sentence = `the map of sector ${sector} of the BTT is unavailable: ${error.message}`;
    return inputOutput(operation, sentence, { path: error.path, offset: sector * this.#sectorSize, cause: error });
  }
}

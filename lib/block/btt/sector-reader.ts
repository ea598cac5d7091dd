/** Reads the sectors of an open arena through its map. */

import { lengthOf, partOf, zeroPart } from '../../memory/checks.js';
import type { Memory } from '../../memory/memory.js';
import { isFault } from '../bad-blocks/faults.js';
import { inputOutput } from '../block-errors.js';
import type { FoundArena } from './discover.js';
import { isZero } from './map.js';
import type { SectorMap } from './sector-map.js';

/** Where a sector's bytes are. */
export interface BlockPlace {
  /** In the memory, in bytes. */
  readonly offset: number;
  readonly block: number;
}

export class SectorReader {
  readonly #memory: Memory;
  readonly #map: SectorMap;
  /** The device's number of the arena's first sector, for messages. */
  readonly #base: number;
  readonly #sectorSize: number;
  readonly #blockSize: number;
  /** Where block 0 is in the memory, in bytes. */
  readonly #data: number;
  /** Blocks that could not be read: the writer of their sectors has to know. */
  readonly #bad: Set<number>;

  constructor(memory: Memory, { offset, info }: FoundArena, map: SectorMap, bad: Set<number>, base: number) {
    this.#memory = memory;
    this.#map = map;
    this.#base = base;
    this.#sectorSize = info.sectorSize;
    this.#blockSize = info.blockSize;
    this.#data = offset + info.dataOffset;
    this.#bad = bad;
  }

  /** Reads `count` sectors to `target[at]`; neighbouring blocks in one call. */
  read(first: number, count: number, target: Uint8Array, at: number): void {
    const size = this.#sectorSize;
    for (let i = 0; i < count; ) {
      const entry = this.#map.entry(first + i);
      const begin = at + i * size;
      if (isZero(entry)) {
        zeroPart(target, begin, begin + size);
        i++;
        continue;
      }
      const block = this.#map.readable(first + i, entry);
      let run = 1;
      while (i + run < count && this.#blockSize === size && this.#map.follows(first + i + run, block + run)) run++;
      const isWhole = begin === 0 && lengthOf.call(target) === run * size;
      this.#readBlocks(first + i, block, run, isWhole ? target : partOf(target, begin, begin + run * size));
      i += run;
    }
  }

  /** Where to read a sector; undefined for zeroes. */
  locate(sector: number): BlockPlace | undefined {
    const entry = this.#map.entry(sector);
    if (isZero(entry)) return undefined;
    const block = this.#map.readable(sector, entry);
    return { offset: this.#data + block * this.#blockSize, block };
  }

  /** A sector's block could not be read. Returns what to throw. */
  unreadable(sector: number, block: number, error: unknown): unknown {
    if (!isFault(error)) return error;
    this.#bad.add(block);
    const number = this.#base + sector;
    const sentence = `sector ${number} of the BTT is unavailable; writing it makes it good again: ${error.message}`;
    return inputOutput('read', sentence, { path: error.path, offset: number * this.#sectorSize, cause: error });
  }

  #readBlocks(sector: number, block: number, count: number, target: Uint8Array): void {
    try {
      this.#memory.read(this.#data + block * this.#blockSize, target);
    } catch (error) {
      if (!isFault(error) || count === 1) throw this.unreadable(sector, block, error);
      // One of several blocks: reads them one by one to find it.
      for (let i = 0; i < count; i++) {
        const piece = partOf(target, i * this.#sectorSize, (i + 1) * this.#sectorSize);
        this.#readBlocks(sector + i, block + i, 1, piece);
      }
    }
  }
}

/**
 * Writes the sectors of an open arena: each to a free block.
 *
 * **A write**, and why a power cut at any point of it leaves the sector old or new:
 *
 * 1. The data go to the lane's free block, which no sector has. *Drain.* It also makes durable the lane's last change of the map.
 * 2. The lane's older flog entry is overwritten, its second word last. *Drain.* The write is committed: if the map does not show
 *    it, opening the BTT changes the map. The overwritten entry could bring back an earlier map; nothing needs it any more.
 * 3. The map entry is changed, and its write-back started. Nothing waits for it: the drain of step 1 of the lane's next write comes
 *    before the flog entry is overwritten that could repeat the change.
 * 4. The sector's old block becomes the lane's free block.
 *
 * Several sectors at a time take a lane each and share the drains. The fast path ({@link FastSectors}) makes the same stores, flushes
 * and drains in the same order; the crash explorer sees the plain calls.
 */

import { lengthOf, partOf } from '../../memory/checks.js';
import type { Memory } from '../../memory/memory.js';
import type { FastSectors } from '../../memory/region/fast-sector.js';
import { isFault } from '../bad-blocks/faults.js';
import { inputOutput } from '../block-errors.js';
import type { FoundArena } from './discover.js';
import type { FlogFindings } from './flog-check.js';
import { Lanes } from './lanes.js';
import { FLOG_LANE } from './layout.js';
import { blockOf, ERROR, half, isError, isZero, NORMAL, storeEntry, word, wordOffset, ZERO } from './map.js';
import type { ReadTracking } from './read-tracking.js';
import type { SectorMap } from './sector-map.js';

/** What a writer shares with the rest of its arena. */
export interface ArenaParts {
  readonly memory: Memory;
  readonly found: FoundArena;
  readonly map: SectorMap;
  /** Blocks that could not be read. */
  readonly bad: Set<number>;
  readonly tracking: ReadTracking;
  /** The fast path to a sector, where the memory has one. */
  readonly table: FastSectors | undefined;
}

export class SectorWriter {
  readonly #memory: Memory;
  readonly #map: SectorMap;
  readonly #bad: Set<number>;
  readonly #tracking: ReadTracking;
  readonly #table: FastSectors | undefined;
  readonly #sectorSize: number;
  readonly #blockSize: number;
  readonly #blockCount: number;
  /** Where block 0 and the flog are in the memory, in bytes. */
  readonly #data: number;
  readonly #flog: number;
  #lanes: Lanes;
  /** Lanes of the sectors that are written together, and the words for the flog. */
  readonly #batch: Uint32Array;
  readonly #flogWords: BigUint64Array;
  readonly #flogHalves: Uint32Array;
  /** Why nothing can be stored any more. */
  #failure: unknown;

  constructor({ memory, found, map, bad, tracking, table }: ArenaParts, flog: FlogFindings) {
    const { offset, info } = found;
    this.#memory = memory;
    this.#map = map;
    this.#bad = bad;
    this.#tracking = tracking;
    this.#table = table;
    this.#sectorSize = info.sectorSize;
    this.#blockSize = info.blockSize;
    this.#blockCount = info.blockCount;
    this.#data = offset + info.dataOffset;
    this.#flog = offset + info.flogOffset;
    this.#lanes = new Lanes(flog.lanes, flog.second, this.#flog);
    const { length } = flog.lanes;
    this.#batch = new Uint32Array(length);
    this.#flogWords = new BigUint64Array(2 * length);
    this.#flogHalves = new Uint32Array(this.#flogWords.buffer);
  }

  /** Lanes whose free block can be written to. */
  get usableLanes(): number {
    return this.#lanes.usable;
  }

  /** Goes on from what the flog says. */
  restart(flog: FlogFindings): void {
    this.#lanes = new Lanes(flog.lanes, flog.second, this.#flog);
    // The lanes know by the flog which of their blocks are bad.
    for (const { oldBlock } of flog.lanes) this.#bad.delete(oldBlock);
  }

  /** From here on it is unknown how far a write came. Returns what to throw. */
  fail(error: unknown): unknown {
    this.#failure = error;
    return isFault(error) ? inputOutput('write', `the BTT's flog or map: ${error.message}`, { cause: error }) : error;
  }

  /** @throws PmemError `EIO` after a write that failed half-way */
  refuseBroken(operation: string): void {
    if (this.#failure === undefined) return;
    const sentence =
      'an earlier write to this arena of the BTT failed half-way; open it again, which completes or undoes it';
    throw inputOutput(operation, sentence, { cause: this.#failure });
  }

  /** Writes `count` sectors from `source[at]`. From then on each is durable, old or new; on return all are new. */
  write(first: number, count: number, source: Uint8Array, at: number): void {
    const size = this.#sectorSize;
    for (let done = 0; done < count; ) {
      const begin = at + done * size;
      const several = Math.min(count - done, this.#lanes.usable);
      // Suspect blocks are looked at one by one, and so are all blocks while some are being read.
      if (several > 1 && !this.#tracking.isActive && this.#writeSeveral(first + done, several, source, begin)) {
        done += several;
        continue;
      }
      const isWhole = begin === 0 && lengthOf.call(source) === size;
      this.#writeOne(first + done, isWhole ? source : partOf(source, begin, begin + size));
      done++;
    }
  }

  /** The sectors read as zeroes; durable after the next drain. They keep their blocks. */
  zero(first: number, count: number): void {
    const end = first + count;
    for (let sector = first; sector < end; sector++) {
      const entry = this.#map.entry(sector);
      const block = this.#map.checkBlock('write', sector, blockOf(entry, sector));
      // A block that could not be read has to be exchanged, not hidden.
      if (isError(entry)) this.#writeOne(sector, new Uint8Array(this.#sectorSize));
      else if (!isZero(entry)) storeEntry(this.#memory, this.#map.offset, sector, (block | ZERO) >>> 0);
    }
  }

  /** A lane whose free block can be written to now. */
  #lane(): number {
    for (let tries = 0; tries < 2 * this.#lanes.count && this.#lanes.usable > 0; tries++) {
      const lane = this.#lanes.next();
      if (this.#tracking.isRead(this.#lanes.freeBlock(lane))) continue;
      if (!this.#lanes.isSuspect(lane) || this.#mend(lane)) return lane;
    }
    if (this.#lanes.usable > 0) {
      throw inputOutput('write', 'every free block of the BTT is being read; write again when readAsync has ended');
    }
    throw inputOutput('write', 'no free block of the BTT can be written to: the media failed');
  }

  /** Overwrites a block that was bad, and reads it. A mapping cannot mend every error: then the lane rests. */
  #mend(lane: number): boolean {
    const at = this.#data + this.#lanes.freeBlock(lane) * this.#blockSize;
    try {
      this.#memory.fill(at, this.#blockSize, 0, 'persist');
      this.#memory.read(at, new Uint8Array(this.#blockSize));
      this.#lanes.trust(lane);
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#lanes.retire(lane);
      return false;
    }
  }

  /** The map's block of a sector, for the flog; with the error flag if the block was bad. */
  #oldMap(entry: number, block: number): number {
    return isError(entry) || (this.#bad.size > 0 && this.#bad.has(block)) ? (block | ERROR) >>> 0 : block;
  }

  /** Writes a sector by the fast path. False, with nothing committed, where there is none, or it meets anything unusual. */
  #exchange(lane: number, sector: number, source: Uint8Array): boolean {
    // The flog has to note a block that could not be read.
    if (this.#table === undefined || this.#bad.size > 0) return false;
    const lanes = this.#lanes;
    const block = lanes.freeBlock(lane);
    try {
      const before = this.#table.exchange(sector, block, source, lanes.entryOffset(lane), lanes.sequence(lane));
      if (before >= 0) lanes.swap(lane, before, false);
      return before >= 0;
    } catch (error) {
      throw this.fail(error);
    }
  }

  /**
   * All words to be stored are made before the data are written: a word is put together from two halves and read back as one, and
   * right after a fence that read would wait for the fence.
   */
  #writeOne(sector: number, source: Uint8Array): void {
    let lane = this.#lane();
    if (this.#exchange(lane, sector, source)) return;
    const memory = this.#memory;
    const at = wordOffset(this.#map.offset, sector);
    const side = sector % 2;
    word[0] = memory.load64(at);
    const entry = half[side] as number;
    const old = this.#map.checkBlock('write', sector, blockOf(entry, sector));
    const neighbour = half[1 - side] as number;
    const oldMap = this.#oldMap(entry, old);
    const first = joined(sector, oldMap);

    let changed: bigint;
    let second: bigint;
    for (; ; lane = this.#lane()) {
      const block = this.#lanes.freeBlock(lane);
      const changedEntry = (block | NORMAL) >>> 0;
      changed = side === 0 ? joined(changedEntry, neighbour) : joined(neighbour, changedEntry);
      second = joined(block, this.#lanes.sequence(lane));
      try {
        memory.write(this.#data + block * this.#blockSize, source, 'persist');
        break;
      } catch (error) {
        if (!isFault(error)) throw error;
        this.#lanes.retire(lane);
      }
    }
    try {
      const flog = this.#lanes.entryOffset(lane);
      memory.store64(flog, first);
      memory.store64(flog + 8, second);
      memory.persist(flog, 16);
      memory.store64(at, changed);
      memory.flush(at, 8);
      this.#swap(lane, oldMap, old);
    } catch (error) {
      throw this.fail(error);
    }
  }

  #swap(lane: number, oldMap: number, old: number): void {
    const isBad = oldMap !== old;
    this.#lanes.swap(lane, old, isBad);
    if (isBad) this.#bad.delete(old);
  }

  /** Writes sectors with a lane each. False, with nothing committed, where it meets anything unusual. */
  #writeSeveral(first: number, count: number, source: Uint8Array, begin: number): boolean {
    const memory = this.#memory;
    const lanes = this.#batch.subarray(0, count);
    for (let i = 0; i < count; i++) {
      const entry = this.#map.entry(first + i);
      const block = blockOf(entry, first + i);
      const lane = this.#lanes.next();
      if (block >= this.#blockCount || this.#lanes.isSuspect(lane)) return false;
      lanes[i] = lane;
      this.#flogHalves[4 * i] = first + i;
      this.#flogHalves[4 * i + 1] = this.#oldMap(entry, block);
      this.#flogHalves[4 * i + 2] = this.#lanes.freeBlock(lane);
      this.#flogHalves[4 * i + 3] = this.#lanes.sequence(lane);
    }
    if (!this.#writeData(lanes, source, begin)) return false;
    memory.drain();
    try {
      for (let i = 0, from = 0; i < count; i++) {
        const lane = lanes[i] as number;
        const at = this.#lanes.entryOffset(lane);
        memory.store64(at, this.#flogWords[2 * i] as bigint);
        memory.store64(at + 8, this.#flogWords[2 * i + 1] as bigint);
        if (i + 1 < count && lanes[i + 1] === lane + 1) continue;
        // Neighbouring lanes are neighbouring lines: one flush for all of them.
        const start = this.#lanes.offset(lanes[from] as number);
        memory.flush(start, this.#lanes.offset(lane) + FLOG_LANE - start);
        from = i + 1;
      }
      memory.drain();
      this.#storeMap(first, lanes);
      for (let i = 0; i < count; i++) {
        const oldMap = this.#flogHalves[4 * i + 1] as number;
        this.#swap(lanes[i] as number, oldMap, (oldMap & ~ERROR) >>> 0);
      }
    } catch (error) {
      throw this.fail(error);
    }
    return true;
  }

  /** Data to the lanes' free blocks; neighbouring blocks in one call. False where a block cannot be written. */
  #writeData(lanes: Uint32Array, source: Uint8Array, begin: number): boolean {
    const size = this.#sectorSize;
    for (let i = 0; i < lanes.length; ) {
      const lane = lanes[i] as number;
      const block = this.#lanes.freeBlock(lane);
      let run = 1;
      while (
        i + run < lanes.length &&
        this.#blockSize === size &&
        this.#lanes.freeBlock(lanes[i + run] as number) === block + run
      ) {
        run++;
      }
      const piece = partOf(source, begin + i * size, begin + (i + run) * size);
      try {
        this.#memory.write(this.#data + block * this.#blockSize, piece, 'flush');
      } catch (error) {
        if (!isFault(error)) throw error;
        // One of several blocks failed: writing them one by one will find it.
        if (run === 1) this.#lanes.retire(lane);
        return false;
      }
      i += run;
    }
    return true;
  }

  /** The entries of neighbouring sectors become the lanes' free blocks. */
  #storeMap(first: number, lanes: Uint32Array): void {
    const memory = this.#memory;
    const map = this.#map.offset;
    const end = first + lanes.length;
    const begin = wordOffset(map, first);
    for (let sector = first; sector < end; ) {
      const at = wordOffset(map, sector);
      const count = sector % 2 === 0 && sector + 1 < end ? 2 : 1;
      if (count === 1) word[0] = memory.load64(at);
      for (let i = 0; i < count; i++) {
        const block = this.#lanes.freeBlock(lanes[sector + i - first] as number);
        half[(sector + i) % 2] = (block | NORMAL) >>> 0;
      }
      const changed = word[0] as bigint;
      memory.store64(at, changed);
      sector += count;
    }
    memory.flush(begin, wordOffset(map, end - 1) + 8 - begin);
  }
}

/** A word of its low and its high half. */
function joined(low: number, high: number): bigint {
  half[0] = low;
  half[1] = high;
  return word[0] as bigint;
}

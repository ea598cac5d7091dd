/** An open arena: sectors are read through the map, and written to free blocks. */

import { lengthOf, partOf, zeroPart } from '../../memory/checks.js';
import type { Memory } from '../../memory/memory.js';
import type { BlockTable, BlockTableLayout } from '../../memory/region/fast-sector.js';
import { Region } from '../../memory/region/region.js';
import { isFault } from '../bad-blocks/faults.js';
import { inputOutput } from '../block-errors.js';
import { completeWrites } from './complete.js';
import type { FoundArena } from './discover.js';
import { type FlogFindings, readFlog } from './flog-check.js';
import { maybeFurtherUp } from './further-up.js';
import { Lanes } from './lanes.js';
import { FLOG_LANE, MAP_ENTRY } from './layout.js';
import { blockOf, ERROR, half, isError, isZero, NORMAL, storeEntry, word, wordOffset, ZERO } from './map.js';
import { BttCorruptError, isDangerous, problem } from './problems.js';
import { ReadTracking } from './read-tracking.js';

/** A memory with a short way to blocks that a table names (a Region). It is taken for single sectors where nothing is amiss. */
type TabledMemory = Memory & { blockTable(layout: BlockTableLayout): BlockTable | undefined };

function isTabled(memory: Memory): memory is TabledMemory {
  return 'blockTable' in memory && typeof memory.blockTable === 'function';
}

/**
 * **A write**, and why a power cut at any point of it leaves the sector old or new:
 *
 * 1. The data go to the lane's free block, which no sector has. *Drain.* Also durable now: the lane's last change of the map.
 * 2. The lane's older flog entry is overwritten, its second word last. *Drain.* The write is committed: if the map does not show
 *    it, opening the BTT changes the map. The entry before, which was the way back to an earlier map, is not needed any more.
 * 3. The map entry is changed and its write-back begun. Nothing has to wait for it: the drain of step 1 of the lane's next write
 *    comes before the flog entry is overwritten that could still bring the change about.
 * 4. The sector's old block is the lane's free block.
 *
 * Several sectors at a time take a lane each and share the drains. The short way ({@link BlockTable}) makes the same stores, flushes
 * and drains in the same order; what the crash explorer sees are the plain calls.
 *
 * **A script that ends** (the timeout of a vm, an interrupt) can leave a write at any point, too, with the lanes here not knowing
 * what the flog says. So a write is noted before its first step and struck out after its last. Whoever finds one noted reads the
 * flog and completes it, as opening does. Only where the memory's calls run code of users' it could also be that they called back,
 * and the write goes on afterwards: they are refused, until a turn of their own shows that it does not.
 */
export class Arena {
  readonly index: number;
  readonly sectorCount: number;
  readonly #memory: Memory;
  readonly #sectorSize: number;
  readonly #blockSize: number;
  readonly #blockCount: number;
  readonly #data: number;
  readonly #map: number;
  /** The short way to a sector, where the memory has one. */
  readonly #table: BlockTable | undefined;
  readonly #found: FoundArena;
  #lanes: Lanes;
  /** Changes of the map that a read-only device cannot make, by sector. */
  readonly #overlay = new Map<number, number>();
  /** Blocks that could not be read. */
  readonly #bad = new Set<number>();
  /** Lanes of the sectors that are written together, and the words for the flog. */
  readonly #batch: Uint32Array;
  readonly #flogWords: BigUint64Array;
  readonly #flogHalves: Uint32Array;
  readonly tracking = new ReadTracking();
  /** Why nothing can be stored any more. */
  #failure: unknown;
  /** A change was begun, and is not known to have ended. */
  #isChanging = false;
  /** Changes that were begun. */
  #changes = 0;
  /** The one that was begun last is known to have been interrupted. */
  #isOver = false;

  constructor(memory: Memory, found: FoundArena, flog: FlogFindings) {
    const { index, offset, info } = found;
    const { lanes, second, pending } = flog;
    this.#found = found;
    this.index = index;
    this.sectorCount = info.sectorCount;
    this.#memory = memory;
    this.#sectorSize = info.sectorSize;
    this.#blockSize = info.blockSize;
    this.#blockCount = info.blockCount;
    this.#data = offset + info.dataOffset;
    this.#map = offset + info.mapOffset;
    const { sectorCount: entries, blockSize: stride, blockCount: blocks } = info;
    const layout = { table: this.#map, entries, tag: NORMAL, data: this.#data, stride, blocks };
    this.#table = isTabled(memory) ? memory.blockTable(layout) : undefined;
    this.#lanes = new Lanes(lanes, second, offset + info.flogOffset);
    this.#batch = new Uint32Array(lanes.length);
    this.#flogWords = new BigUint64Array(2 * lanes.length);
    this.#flogHalves = new Uint32Array(this.#flogWords.buffer);
    for (const { sector, block } of pending) this.#overlay.set(sector, block);
  }

  /** How many more blocks may be read by those who come back later, so that a writer finds a free one all the same. */
  get readersLeft(): number {
    return this.#lanes.usable - 1 - this.tracking.count;
  }

  /** Completes the writes that were interrupted behind their commit, told by the flog that the arena was made with. */
  recover(flog: FlogFindings): void {
    completeWrites(this.#memory, this.#found, flog);
    this.#overlay.clear();
  }

  /** A change may be under way further up, and go on afterwards. */
  get mayGoOn(): boolean {
    return this.#isChanging && !this.#isOver && !Region.runsOwnCode(this.#memory);
  }

  /** Changes do not wait for anything: one that is still noted in a turn of its own does not go on. */
  #lookAgain(): void {
    const change = this.#changes;
    queueMicrotask(() => {
      if (this.#changes === change && !maybeFurtherUp()) this.#isOver = true;
    });
  }

  /** Completes a change that the end of a script interrupted. Not what may go on. */
  #resume(): void {
    // A change itself, into which a memory that is somebody's may call.
    this.#changes++;
    this.#isOver = false;
    try {
      this.#complete();
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
    this.#isChanging = false;
  }

  #complete(): void {
    const flog = readFlog(this.#memory, this.#found);
    const dangers = flog.problems.filter(isDangerous);
    if (dangers.length > 0) {
      this.#failure = new BttCorruptError('write', dangers);
    } else {
      completeWrites(this.#memory, this.#found, flog);
      this.#lanes = new Lanes(flog.lanes, flog.second, this.#found.offset + this.#found.info.flogOffset);
      // What is bad of these the lane knows.
      for (const { oldBlock } of flog.lanes) this.#bad.delete(oldBlock);
    }
  }

  /** A reader has come upon a change: what may go on leaves the map fit to be read. */
  #look(): void {
    if (!this.mayGoOn) this.#resume();
  }

  /** Before the first step of a change. */
  #begin(operation: string): void {
    if (this.#isChanging) this.#take(operation);
    if (this.#failure !== undefined) this.#refuseBroken(operation);
    this.#changes++;
    this.#isOver = false;
    this.#isChanging = true;
  }

  #take(operation: string): void {
    if (!this.mayGoOn) {
      this.#resume();
      return;
    }
    this.#lookAgain();
    const sentence =
      'another write to the BTT is under way, further up in this call, or was interrupted; if it was, try again in another turn ' +
      'of the event loop, or open the BTT again';
    throw inputOutput(operation, sentence);
  }

  /** Reads `count` sectors to `target[at]`; `base` is the device's number of the arena's first one, for messages. */
  read(base: number, first: number, count: number, target: Uint8Array, at: number): void {
    if (this.#isChanging) this.#look();
    const isOne = count === 1 && target.length === this.#sectorSize;
    if (isOne && this.#overlay.size === 0 && this.#table?.read(first, target)) return;
    try {
      this.#read(base, first, count, target, at);
    } catch (error) {
      throw this.#ofMap('read', base, first, count, error);
    }
  }

  #read(base: number, first: number, count: number, target: Uint8Array, at: number): void {
    const size = this.#sectorSize;
    for (let i = 0; i < count; ) {
      const entry = this.#entry(first + i);
      const begin = at + i * size;
      if (isZero(entry)) {
        zeroPart(target, begin, begin + size);
        i++;
        continue;
      }
      const block = this.#sound('read', base, first + i, entry);
      let run = 1;
      while (i + run < count && this.#blockSize === size && this.#follows(first + i + run, block + run)) run++;
      const whole = begin === 0 && lengthOf.call(target) === run * size;
      const piece = whole ? target : partOf(target, begin, begin + run * size);
      this.#readBlocks(base + first + i, block, run, piece);
      i += run;
    }
  }

  /** The block of a sector and what its entry says, for a reader that comes back later. */
  locate(base: number, sector: number): { readonly offset: number; readonly block: number } | undefined {
    if (this.#isChanging) this.#look();
    try {
      return this.#locate(base, sector);
    } catch (error) {
      throw this.#ofMap('read', base, sector, 1, error);
    }
  }

  #locate(base: number, sector: number): { readonly offset: number; readonly block: number } | undefined {
    const entry = this.#entry(sector);
    if (isZero(entry)) return undefined;
    const block = this.#sound('read', base, sector, entry);
    return { offset: this.#data + block * this.#blockSize, block };
  }

  /** A reader could not read a sector's block. Returns what to throw. */
  unreadable(sector: number, block: number, error: unknown): unknown {
    if (!isFault(error)) return error;
    this.#bad.add(block);
    const sentence = `sector ${sector} of the BTT cannot be had; writing it makes it good again: ${error.message}`;
    return inputOutput('read', sentence, { path: error.path, offset: sector * this.#sectorSize, cause: error });
  }

  /** What a fault becomes that is not one of a sector's block: the map is what is left. */
  #ofMap(operation: string, base: number, first: number, count: number, error: unknown): unknown {
    if (!isFault(error)) return error;
    // Which of several it was is told by the place; a fault may be told by its page.
    const told = error.offset === undefined ? first : Math.floor((error.offset - this.#map) / MAP_ENTRY);
    const sector = base + Math.min(Math.max(told, first), first + count - 1);
    const sentence = `the map of sector ${sector} of the BTT cannot be had: ${error.message}`;
    return inputOutput(operation, sentence, {
      path: error.path,
      offset: sector * this.#sectorSize,
      cause: error,
    });
  }

  /** Writes `count` sectors from `source[at]`. Each is durable, old or new, from then on; on return all are new. */
  write(base: number, first: number, count: number, source: Uint8Array, at: number): void {
    this.#begin('write');
    try {
      this.#write(base, first, count, source, at);
    } catch (error) {
      throw this.#ofMap('write', base, first, count, error);
    } finally {
      // Not where the script ends.
      this.#isChanging = false;
    }
  }

  #write(base: number, first: number, count: number, source: Uint8Array, at: number): void {
    const size = this.#sectorSize;
    for (let done = 0; done < count; ) {
      const begin = at + done * size;
      const several = Math.min(count - done, this.#lanes.usable);
      // Suspects are looked at one by one, and so is everything while readers are about.
      if (several > 1 && !this.tracking.isActive && this.#writeSeveral(first + done, several, source, begin)) {
        done += several;
        continue;
      }
      const whole = begin === 0 && lengthOf.call(source) === size;
      this.#writeOne(base, first + done, whole ? source : partOf(source, begin, begin + size));
      done++;
    }
  }

  /** The sectors read as zeroes; durable after the next drain. Their blocks stay theirs. */
  zero(base: number, first: number, count: number): void {
    this.#begin('write');
    try {
      this.#zero(base, first, count);
    } catch (error) {
      throw this.#ofMap('write', base, first, count, error);
    } finally {
      this.#isChanging = false;
    }
  }

  #zero(base: number, first: number, count: number): void {
    const end = first + count;
    for (let sector = first; sector < end; sector++) {
      const entry = this.#entry(sector);
      const block = this.#checkBlock('write', base, sector, blockOf(entry, sector));
      // The block is one that could not be read: it has to be exchanged, not hidden.
      if (isError(entry)) this.#writeOne(base, sector, new Uint8Array(this.#sectorSize));
      else if (!isZero(entry)) storeEntry(this.#memory, this.#map, sector, (block | ZERO) >>> 0);
    }
  }

  #entry(sector: number): number {
    if (this.#overlay.size > 0) {
      const block = this.#overlay.get(sector);
      if (block !== undefined) return (block | NORMAL) >>> 0;
    }
    word[0] = this.#memory.load64(wordOffset(this.#map, sector));
    return half[sector % 2] as number;
  }

  /** Whether a sector can be read together with the one before, whose block comes before this one. */
  #follows(sector: number, block: number): boolean {
    const entry = this.#entry(sector);
    return block < this.#blockCount && !isZero(entry) && !isError(entry) && blockOf(entry, sector) === block;
  }

  #checkBlock(operation: string, base: number, sector: number, block: number): number {
    if (block < this.#blockCount) return block;
    const detail = `the map of sector ${base + sector} names block ${block} of ${this.#blockCount}`;
    throw new BttCorruptError(operation, [problem('map-bounds', this.index, detail)]);
  }

  #sound(operation: string, base: number, sector: number, entry: number): number {
    if (isError(entry)) {
      throw inputOutput(
        operation,
        `sector ${base + sector} of the BTT is marked as bad; writing it makes it good again`,
        { offset: (base + sector) * this.#sectorSize },
      );
    }
    return this.#checkBlock(operation, base, sector, blockOf(entry, sector));
  }

  #readBlocks(sector: number, block: number, count: number, target: Uint8Array): void {
    try {
      this.#memory.read(this.#data + block * this.#blockSize, target);
    } catch (error) {
      if (!isFault(error) || count === 1) throw this.unreadable(sector, block, error);
      // One of them: which one is found by reading them one by one.
      for (let i = 0; i < count; i++) {
        const piece = partOf(target, i * this.#sectorSize, (i + 1) * this.#sectorSize);
        this.#readBlocks(sector + i, block + i, 1, piece);
      }
    }
  }

  #refuseBroken(operation: string): void {
    const sentence =
      'an earlier write to this arena of the BTT failed half-way; open it again, which completes or undoes it';
    throw inputOutput(operation, sentence, { cause: this.#failure });
  }

  /** A lane whose free block can be written to now. */
  #lane(): number {
    for (let tries = 0; tries < 2 * this.#lanes.count && this.#lanes.usable > 0; tries++) {
      const lane = this.#lanes.next();
      if (this.tracking.isRead(this.#lanes.freeBlock(lane))) continue;
      if (!this.#lanes.isSuspect(lane) || this.#mend(lane)) return lane;
    }
    if (this.#lanes.usable > 0) {
      throw inputOutput('write', 'every free block of the BTT is being read; write again when readAsync has ended');
    }
    throw inputOutput('write', 'no free block of the BTT can be written to: the media is at fault');
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

  /** What the map says of a sector, for the flog: the block, and with the error flag if it was bad. */
  #oldMap(entry: number, block: number): number {
    return isError(entry) || (this.#bad.size > 0 && this.#bad.has(block)) ? (block | ERROR) >>> 0 : block;
  }

  /** Writes a sector by the short way. False, with nothing committed, where there is none, or it does not go smoothly. */
  #exchange(lane: number, sector: number, source: Uint8Array): boolean {
    // The flog is to be told of a block that could not be read.
    if (this.#table === undefined || this.#bad.size > 0) return false;
    const lanes = this.#lanes;
    const block = lanes.freeBlock(lane);
    try {
      const before = this.#table.exchange(sector, block, source, lanes.entryOffset(lane), lanes.sequence(lane));
      if (before >= 0) lanes.swap(lane, before, false);
      return before >= 0;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * All words to be stored are made before the data are written: what is put together from two halves is read back as one, and
   * right behind a fence that read would wait for the fence.
   */
  #writeOne(base: number, sector: number, source: Uint8Array): void {
    let lane = this.#lane();
    if (this.#exchange(lane, sector, source)) return;
    const memory = this.#memory;
    const at = wordOffset(this.#map, sector);
    const side = sector % 2;
    word[0] = memory.load64(at);
    const entry = half[side] as number;
    const old = this.#checkBlock('write', base, sector, blockOf(entry, sector));
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
      throw this.#fail(error);
    }
  }

  #swap(lane: number, oldMap: number, old: number): void {
    const isBad = oldMap !== old;
    this.#lanes.swap(lane, old, isBad);
    if (isBad) this.#bad.delete(old);
  }

  /** From here on it is not known how far a write came. */
  #fail(error: unknown): unknown {
    this.#failure = error;
    return isFault(error) ? inputOutput('write', `the BTT's flog or map: ${error.message}`, { cause: error }) : error;
  }

  /** Writes sectors with a lane each; false, with nothing committed, where that does not go smoothly. */
  #writeSeveral(first: number, count: number, source: Uint8Array, begin: number): boolean {
    const memory = this.#memory;
    const lanes = this.#batch.subarray(0, count);
    for (let i = 0; i < count; i++) {
      const entry = this.#entry(first + i);
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
        // Lanes that follow each other are lines that do.
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
      throw this.#fail(error);
    }
    return true;
  }

  /** Data to the lanes' free blocks; blocks that follow each other at one go. False where one cannot be written. */
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
        // Of several it is not known which; one by one it will be.
        if (run === 1) this.#lanes.retire(lane);
        return false;
      }
      i += run;
    }
    return true;
  }

  /** The entries of sectors that follow each other become the lanes' free blocks. */
  #storeMap(first: number, lanes: Uint32Array): void {
    const memory = this.#memory;
    const end = first + lanes.length;
    const begin = wordOffset(this.#map, first);
    for (let sector = first; sector < end; ) {
      const at = wordOffset(this.#map, sector);
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
    memory.flush(begin, wordOffset(this.#map, end - 1) + 8 - begin);
  }
}

/** A word of its low and its high half. */
function joined(low: number, high: number): bigint {
  half[0] = low;
  half[1] = high;
  return word[0] as bigint;
}

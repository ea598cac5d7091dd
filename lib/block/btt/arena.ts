/** An open arena: sectors are read through the map, and written to free blocks. */

import { lengthOf } from '../../memory/checks.js';
import type { Memory } from '../../memory/memory.js';
import type { FastSectors, SectorTable } from '../../memory/region/fast-sector.js';
import { inputOutput } from '../block-errors.js';
import { fileOfCaller } from './call-stack.js';
import { ChangeMark } from './change-mark.js';
import { completeWrites } from './complete.js';
import type { FoundArena } from './discover.js';
import { type FlogFindings, readFlog } from './flog-check.js';
import { NORMAL } from './map.js';
import { BttCorruptError, isDangerous } from './problems.js';
import { ReadTracking } from './read-tracking.js';
import { SectorMap } from './sector-map.js';
import { type BlockPlace, SectorReader } from './sector-reader.js';
import { SectorWriter } from './sector-writer.js';

/** A memory with a fast path to blocks that a table names (a Region). The fast path takes single sectors where nothing is unusual. */
type TabledMemory = Memory & { fastSectors(layout: SectorTable): FastSectors | undefined };

function isTabled(memory: Memory): memory is TabledMemory {
  return 'fastSectors' in memory && typeof memory.fastSectors === 'function';
}

function fastPath(memory: Memory, { offset, info }: FoundArena, map: SectorMap): FastSectors | undefined {
  if (!isTabled(memory)) return undefined;
  const { sectorCount: entries, blockSize: stride, blockCount: blocks } = info;
  return memory.fastSectors({
    table: map.offset,
    entries,
    tag: NORMAL,
    data: offset + info.dataOffset,
    stride,
    blocks,
  });
}

/** While a change runs, a function of this file is on the call stack. */
const FILE = fileOfCaller();

/**
 * {@link SectorWriter} says why a power cut leaves each sector old or new. **The end of a script** can leave a write at any point,
 * too, and then the lanes in memory do not know what the flog says. So each change is marked ({@link ChangeMark}); a call that finds
 * the mark of an interrupted change reads the flog and completes the change, as opening does.
 */
export class Arena {
  readonly sectorCount: number;
  readonly tracking = new ReadTracking();
  readonly #memory: Memory;
  readonly #found: FoundArena;
  readonly #sectorSize: number;
  readonly #map: SectorMap;
  readonly #reader: SectorReader;
  readonly #writer: SectorWriter;
  readonly #table: FastSectors | undefined;
  readonly #mark: ChangeMark;

  /** @param base the device's number of the arena's first sector, for messages */
  constructor(memory: Memory, found: FoundArena, flog: FlogFindings, base = 0) {
    const { info } = found;
    this.sectorCount = info.sectorCount;
    this.#memory = memory;
    this.#found = found;
    this.#sectorSize = info.sectorSize;
    const map = new SectorMap(memory, found, flog.pending, base);
    const bad = new Set<number>();
    const table = fastPath(memory, found, map);
    this.#map = map;
    this.#table = table;
    this.#reader = new SectorReader(memory, found, map, bad, base);
    this.#writer = new SectorWriter({ memory, found, map, bad, tracking: this.tracking, table }, flog);
    this.#mark = new ChangeMark(memory, FILE);
  }

  /** How many more blocks may be read on other threads, such that a writer still finds a free block. */
  get readersLeft(): number {
    return this.#writer.usableLanes - 1 - this.tracking.count;
  }

  /** A change may run further up on the call stack. */
  get mayBeChanging(): boolean {
    return this.#mark.mayRun;
  }

  /** Calls back in a microtask, if no change of any arena runs then. */
  whenUnchanging(callback: () => void): void {
    this.#mark.whenOver(callback);
  }

  /** Completes the writes that were interrupted after their commit, by the flog that the arena was made with. */
  recover(flog: FlogFindings): void {
    completeWrites(this.#memory, this.#found, flog);
    this.#map.completed();
  }

  /** Reads `count` sectors to `target[at]`. */
  read(first: number, count: number, target: Uint8Array, at: number): void {
    if (this.#mark.isSet) this.#resumeForReading();
    const isOne = count === 1 && lengthOf.call(target) === this.#sectorSize;
    if (isOne && !this.#map.hasPending && this.#table?.read(first, target)) return;
    try {
      this.#reader.read(first, count, target, at);
    } catch (error) {
      throw this.#map.fault('read', first, count, error);
    }
  }

  /** Where to read a sector, for a reader on another thread; undefined for zeroes. */
  locate(sector: number): BlockPlace | undefined {
    if (this.#mark.isSet) this.#resumeForReading();
    try {
      return this.#reader.locate(sector);
    } catch (error) {
      throw this.#map.fault('read', sector, 1, error);
    }
  }

  /** Such a reader could not read a sector's block. Returns what to throw. */
  unreadable(sector: number, block: number, error: unknown): unknown {
    return this.#reader.unreadable(sector, block, error);
  }

  /** Writes `count` sectors from `source[at]`. From then on each is durable, old or new; on return all are new. */
  write(first: number, count: number, source: Uint8Array, at: number): void {
    this.#begin('write');
    try {
      this.#writer.write(first, count, source, at);
    } catch (error) {
      throw this.#map.fault('write', first, count, error);
    } finally {
      // This does not run where the script ends.
      this.#mark.clear();
    }
  }

  /** The sectors read as zeroes; durable after the next drain. */
  zero(first: number, count: number): void {
    this.#begin('write');
    try {
      this.#writer.zero(first, count);
    } catch (error) {
      throw this.#map.fault('write', first, count, error);
    } finally {
      this.#mark.clear();
    }
  }

  /** Before the first step of a change. */
  #begin(operation: string): void {
    if (this.#mark.isSet) this.#resumeForWriting(operation);
    this.#writer.refuseBroken(operation);
    this.#mark.set();
  }

  /** A change that still runs leaves the map fit to be read. */
  #resumeForReading(): void {
    if (!this.#mark.mayRun) this.#resume();
  }

  #resumeForWriting(operation: string): void {
    if (!this.#mark.mayRun) {
      this.#resume();
      return;
    }
    this.#mark.lookAgain();
    const sentence =
      'another write to the BTT is under way, further up in this call, or was interrupted; if it was, try again in another turn ' +
      'of the event loop, or open the BTT again';
    throw inputOutput(operation, sentence);
  }

  /** Completes an interrupted change. This is a change itself, in which the memory may call back. */
  #resume(): void {
    this.#mark.set();
    try {
      this.#complete();
    } catch (error) {
      this.#mark.interrupt();
      throw error;
    }
    this.#mark.clear();
  }

  #complete(): void {
    const flog = readFlog(this.#memory, this.#found);
    const dangers = flog.problems.filter(isDangerous);
    if (dangers.length > 0) {
      this.#writer.fail(new BttCorruptError('write', dangers));
      return;
    }
    completeWrites(this.#memory, this.#found, flog);
    this.#writer.restart(flog);
  }
}

/** A disk on memory: what Linux's pmem block driver is to an NVDIMM (drivers/nvdimm/pmem.c). */

import { wrongValue } from '../errors.js';
import type { Memory } from '../memory/memory.js';
import { BAD_BLOCK_UNIT, type BadBlocks, uncheckedRanges } from './bad-blocks/bad-blocks.js';
import type { BadRanges } from './bad-blocks/bad-ranges.js';
import { badSectors, caught, isFault } from './bad-blocks/faults.js';
import type { MediaWriter } from './bad-blocks/media-writer.js';
import { BlockDevice, type BlockDeviceSupport, type SectorArray } from './block-device.js';
import { endedError, inputOutput, sectors } from './block-errors.js';
import { type CheckedDiskOptions, checkDiskOptions, type PmemDiskOptions } from './disk-options.js';
import { type Geometry, geometryOf } from './geometry.js';
import { isClosed, refuseInUse } from './memory-facts.js';

const SUPPORTS: BlockDeviceSupport = Object.freeze({
  fua: true,
  discard: true,
  discardZeroes: false,
  writeZeroes: true,
  directAccess: true,
  atomicSectors: false,
});

const OPEN = Symbol('open');

/** Bytes of zeroes that are written at once. */
const MOST_ZEROES = 2 ** 20;

/**
 * Raw sectors of a memory: sector `n` is the `sectorSize` bytes from `start + n * sectorSize` on. The disk stores nothing else.
 *
 * **It tears.** A power cut, or the end of the process, in the middle of a write leaves a mixture of old and new in its
 * sectors: only aligned 8 bytes are all old or all new. A program that needs whole sectors needs a {@link Btt}, or a log.
 *
 * **Durability.** A write copies with non-temporal stores, or starts their write-back (`'flush'` of {@link Memory.write}), and
 * returns; {@link flush} waits for all of them at once. Linux's driver does the same with memcpy_flushcache and REQ_PREFLUSH.
 * With `fua` the write itself waits. On memory of granularity `page` a write only marks its pages, and {@link flush} is an msync.
 *
 * **Bad sectors.** Where the media fails, Linux's driver has the platform clear the error when whole sectors are written
 * (pmem_do_write, drivers/nvdimm/pmem.c). A store through a mapping does not. On a block device the disk therefore writes such
 * sectors through the driver, and they are durable at once. Elsewhere it refuses to write them (`lasting`, {@link BadBlocks}) until
 * the kernel has cleared them.
 *
 * **Errors** beside those of a {@link BlockDevice}: `EIO`, naming the sectors, where one is bad. A read or a direct access of bad
 * sectors reads none. A page that is gone counts as bad from then on. A write makes bad sectors good again, except those that are
 * `lasting` where no driver clears them.
 *
 * The disk does not own the memory: {@link close} leaves it open. Once a Region is closed, every call throws `ERR_PMEM_CLOSED`.
 */
export class PmemDisk extends BlockDevice {
  readonly #memory: Memory;
  readonly #base: number;
  readonly #sectorSize: number;
  readonly #badBlocks: BadBlocks;
  /** The ranges of that list, without its checks: every range here was checked. */
  readonly #bad: BadRanges;
  readonly #media: MediaWriter | undefined;

  private constructor(guard: typeof OPEN, memory: Memory, options: CheckedDiskOptions) {
    if (guard !== OPEN) throw wrongValue('PmemDisk', 'made by PmemDisk.open', 'new');
    const { sectorSize, size, readOnly } = options;
    super({ noun: 'the disk', sectorSize, sectorCount: size / sectorSize, readOnly, supports: SUPPORTS });
    this.#memory = memory;
    this.#base = options.start;
    this.#sectorSize = sectorSize;
    this.#badBlocks = options.badBlocks;
    this.#bad = uncheckedRanges(options.badBlocks);
    this.#media = options.media;
  }

  /**
   * A disk on all of the memory, or on a part of it. Changes nothing, and takes no lock beside the memory's own.
   *
   * @throws TypeError and RangeError for options that are wrong or do not fit the memory
   */
  static open(memory: Memory, options: PmemDiskOptions = {}): PmemDisk {
    return new PmemDisk(OPEN, memory, checkDiskOptions(memory, options));
  }

  /** Where the disk begins in the memory, in bytes. */
  get start(): number {
    return this.#base;
  }

  /** The sectors known to be bad. The list changes when the disk meets one, or writes one. */
  get badBlocks(): BadBlocks {
    return this.#badBlocks;
  }

  /** 255 heads, 63 sectors, as PC firmware translates every large disk. */
  get geometry(): Geometry {
    return geometryOf(this.sectorCount);
  }

  /** @internal */
  override refuseInUse(): void {
    refuseInUse(this.#memory);
  }

  protected override _read(lba: number, count: number, target: Uint8Array): void {
    if (!this.#bad.isEmpty) this.#avoidBad('read', lba, count);
    this.#read('read', lba, count, target);
  }

  protected override _readv(lba: number, list: readonly SectorArray[]): void {
    if (!this.#bad.isEmpty) this.#avoidBad('readv', lba, sectorsOf(list));
    let at = lba;
    for (const { bytes, count } of list) {
      this.#read('readv', at, count, bytes);
      at += count;
    }
  }

  protected override _write(lba: number, count: number, source: Uint8Array, fua: boolean): void {
    const clear = !this.#bad.isEmpty && this.#mustClear('write', lba, count);
    this.#write('write', lba, count, source, fua ? 'persist' : 'flush', clear);
  }

  /** With `fua` it waits once, at the end. */
  protected override _writev(lba: number, list: readonly SectorArray[], fua: boolean): void {
    const clear = !this.#bad.isEmpty && this.#mustClear('writev', lba, sectorsOf(list));
    let at = lba;
    for (const { bytes, count } of list) {
      this.#write('writev', at, count, bytes, 'flush', clear);
      at += count;
    }
    if (fua) this.#memory.drain();
  }

  /** A fence, or on `page` granularity an msync. */
  protected override _flush(): void {
    this.#memory.drain();
  }

  /** Nothing to do: memory has nothing to give back. */
  protected override _discard(): void {}

  protected override _writeZeroes(lba: number, count: number, fua: boolean): void {
    if (!this.#bad.isEmpty && this.#mustClear('writeZeroes', lba, count)) {
      this.#clear('writeZeroes', lba, count);
      return;
    }
    const length = count * this.#sectorSize;
    try {
      this.#memory.fill(this.#base + lba * this.#sectorSize, length, 0, fua ? 'persist' : 'flush');
    } catch (error) {
      if (this.#media === undefined || !isFault(error)) throw this.#caught('writeZeroes', error, lba, count);
      this.#clear('writeZeroes', lba, count);
    }
    if (!this.#bad.isEmpty) this.#written(lba, count);
  }

  /**
   * A window of the memory, as the driver's direct_access gives addresses: it outlives the disk, and ends with the Region. A
   * read-only disk does not refuse stores into it.
   */
  protected override _directAccess(lba: number, count: number): Buffer {
    if (!this.#bad.isEmpty) this.#avoidBad('directAccess', lba, count);
    return this.#memory.view(this.#base + lba * this.#sectorSize, count * this.#sectorSize);
  }

  protected override _persist(lba: number, count: number): void {
    this.#memory.persist(this.#base + lba * this.#sectorSize, count * this.#sectorSize);
  }

  protected override _hasEnded(): boolean {
    return isClosed(this.#memory);
  }

  #read(operation: string, lba: number, count: number, target: Uint8Array): void {
    try {
      this.#memory.read(this.#base + lba * this.#sectorSize, target);
    } catch (error) {
      throw this.#caught(operation, error, lba, count);
    }
  }

  #write(
    operation: string,
    lba: number,
    count: number,
    source: Uint8Array,
    mode: 'flush' | 'persist',
    clear: boolean,
  ): void {
    if (clear) {
      this.#clear(operation, lba, count, source);
      return;
    }
    try {
      this.#memory.write(this.#base + lba * this.#sectorSize, source, mode);
    } catch (error) {
      // The driver can write a page of a block device that cannot be read in.
      if (this.#media === undefined || !isFault(error)) throw this.#caught(operation, error, lba, count);
      this.#clear(operation, lba, count, source);
    }
    if (!this.#bad.isEmpty) this.#written(lba, count);
  }

  /** Writes through the driver: the source, or zeroes. Afterwards the sectors are good; else this throws EIO. */
  #clear(operation: string, lba: number, count: number, source?: Uint8Array): void {
    const units = this.#sectorSize / BAD_BLOCK_UNIT;
    const length = count * this.#sectorSize;
    const zeroes = source ?? new Uint8Array(Math.min(length, MOST_ZEROES));
    try {
      for (let done = 0; done < length; done += zeroes.length) {
        this.#media?.write(lba * this.#sectorSize + done, zeroes.subarray(0, length - done));
      }
    } catch (cause) {
      const offset = lba * this.#sectorSize;
      const sentence = `${sectors(lba, count)} could not be written through the driver: ${(cause as Error).message}`;
      throw inputOutput(operation, sentence, { offset, cause });
    }
    const left = this.#media?.badWithin(lba * units, count * units) ?? [];
    if (left.length > 0) throw badSectors(operation, left, left, this.#sectorSize);
    this.#bad.clear(lba * units, count * units);
  }

  /** The driver can still be asked when the Region is closed, and its lock given back. */
  #refuseClosedMemory(operation: string): void {
    if (isClosed(this.#memory)) throw endedError(operation, 'the disk');
  }

  /** Whether errors of the media have to be cleared; throws where nothing can clear them. */
  #mustClear(operation: string, lba: number, count: number): boolean {
    this.#refuseClosedMemory(operation);
    const units = this.#sectorSize / BAD_BLOCK_UNIT;
    const lasting = this.#bad.lastingWithin(lba * units, count * units);
    if (lasting.length > 0 && this.#media === undefined)
      throw badSectors(operation, lasting, lasting, this.#sectorSize);
    return lasting.length > 0;
  }

  #avoidBad(operation: string, lba: number, count: number): void {
    this.#refuseClosedMemory(operation);
    const units = this.#sectorSize / BAD_BLOCK_UNIT;
    const bad = this.#bad.within(lba * units, count * units);
    if (bad.length === 0) return;
    throw badSectors(operation, bad, this.#bad.lastingWithin(lba * units, count * units), this.#sectorSize);
  }

  #written(lba: number, count: number): void {
    const units = this.#sectorSize / BAD_BLOCK_UNIT;
    this.#bad.written(lba * units, count * units);
  }

  #caught(operation: string, error: unknown, lba: number, count: number): unknown {
    const place = { base: this.#base, sectorSize: this.#sectorSize };
    return caught(operation, error, this.#bad, place, lba, count);
  }
}

function sectorsOf(list: readonly SectorArray[]): number {
  return list.reduce((sum, { count }) => sum + count, 0);
}

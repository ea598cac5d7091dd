/** A disk on memory: what Linux's pmem block driver is to an NVDIMM (drivers/nvdimm/pmem.c). */

import { wrongValue } from '../errors.js';
import type { Memory } from '../memory/memory.js';
import { bytesOf, isFua, lengthsOf, listOf } from './arguments.js';
import { BAD_BLOCK_UNIT, type BadBlocks, uncheckedRanges } from './bad-blocks/bad-blocks.js';
import type { BadRanges } from './bad-blocks/bad-ranges.js';
import { badSectors, caught, isFault } from './bad-blocks/faults.js';
import type { MediaWriter } from './bad-blocks/media-writer.js';
import type { BlockDevice, BlockDeviceSupport, BlockWriteOptions } from './block-device.js';
import { inputOutput, readOnlyDevice, sectors } from './block-errors.js';
import { type CheckedDiskOptions, checkDiskOptions, type PmemDiskOptions } from './disk-options.js';
import { type Geometry, geometryOf } from './geometry.js';
import { SectorLimits } from './sector-limits.js';

const SUPPORTS: BlockDeviceSupport = Object.freeze({
  fua: true,
  discard: true,
  discardZeroes: false,
  writeZeroes: true,
  directAccess: true,
  atomicSectors: false,
});

const OPEN = Symbol('open');

const NOTHING = new Uint8Array(0);

/** Bytes of zeroes that are written at once. */
const MOST_ZEROES = 2 ** 20;

/**
 * Raw sectors of a memory: sector `n` is the `sectorSize` bytes from `start + n * sectorSize` on, and nothing else is
 * stored anywhere.
 *
 * **It tears.** A power cut, or the end of the process, in the middle of a write leaves a mixture of old and new in its
 * sectors: only aligned 8 bytes are all old or all new. What needs whole sectors needs a BTT, or a log, above it.
 *
 * **Durability.** A write copies with stores that pass the caches by, or starts their write-back (`'flush'` of
 * {@link Memory.write}), and returns; {@link flush} waits for all of them at once. Linux's driver does the same with
 * memcpy_flushcache and REQ_PREFLUSH. With `fua` the write itself waits. On memory of granularity `page` a write only
 * takes note, and {@link flush} is an msync.
 *
 * **Bad sectors.** Where the media is at fault, Linux's driver has the platform clear the error when whole sectors are written
 * (pmem_do_write). A store through a mapping does not. On a block device such sectors are therefore written through the driver,
 * and durable at once; elsewhere they refuse to be written (`lasting`, {@link BadBlocks}) until the kernel was made to clear them.
 *
 * The disk does not own the memory: {@link close} leaves it open, and a closed Region makes every call throw
 * `ERR_PMEM_CLOSED`.
 */
export class PmemDisk implements BlockDevice {
  readonly #memory: Memory;
  readonly #base: number;
  readonly #sectorSize: number;
  readonly #readOnly: boolean;
  readonly #badBlocks: BadBlocks;
  /** What that list keeps: every range here was checked. */
  readonly #bad: BadRanges;
  readonly #media: MediaWriter | undefined;
  readonly #limits: SectorLimits;

  /** @internal Use {@link PmemDisk.open}. */
  constructor(guard: typeof OPEN, memory: Memory, options: CheckedDiskOptions) {
    if (guard !== OPEN) throw wrongValue('PmemDisk', 'made by PmemDisk.open', 'new');
    this.#memory = memory;
    this.#base = options.start;
    this.#sectorSize = options.sectorSize;
    this.#limits = new SectorLimits('the disk', options.sectorSize, options.size / options.sectorSize);
    this.#readOnly = options.readOnly;
    this.#badBlocks = options.badBlocks;
    this.#bad = uncheckedRanges(options.badBlocks);
    this.#media = options.media;
  }

  /**
   * A disk on all of the memory, or on a part of it. Changes nothing, and takes no lock beside the memory's own.
   *
   * @throws TypeError and RangeError for options that are wrong or do not fit the memory.
   */
  static open(memory: Memory, options: PmemDiskOptions = {}): PmemDisk {
    return new PmemDisk(OPEN, memory, checkDiskOptions(memory, options));
  }

  get sectorSize(): number {
    return this.#sectorSize;
  }

  get sectorCount(): number {
    return this.#limits.sectorCount;
  }

  /** Bytes. */
  get size(): number {
    return this.#limits.sectorCount * this.#sectorSize;
  }

  /** Where the disk begins in the memory, in bytes. */
  get start(): number {
    return this.#base;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  get closed(): boolean {
    return this.#limits.closed;
  }

  get supports(): BlockDeviceSupport {
    return SUPPORTS;
  }

  /** The sectors that cannot be read, as far as is known; it changes when one is met, or written. */
  get badBlocks(): BadBlocks {
    return this.#badBlocks;
  }

  /** 255 heads, 63 sectors, as PC firmware translates every large disk. */
  get geometry(): Geometry {
    return geometryOf(this.#limits.sectorCount);
  }

  /**
   * Copies sectors out, guarded.
   *
   * @throws PmemError `EIO` that names the sectors, where one is bad: none was read then. A page that turns out to be gone
   *   counts as bad from then on.
   */
  read(lba: number, target: Uint8Array): void {
    const length = bytesOf(target, 'target');
    this.#limits.check('read', lba, length / this.#sectorSize, length);
    if (!this.#bad.isEmpty) this.#avoidBad('read', lba, length / this.#sectorSize);
    this.#read('read', lba, length / this.#sectorSize, target);
  }

  /**
   * Copies sectors in; durable after {@link flush}, or on return with `fua`. Tears at a power cut, at multiples of 8 bytes
   * (of the memory: {@link Memory.lineOffset}).
   * Sectors that were bad are good afterwards; those where the media is at fault (`lasting`) and nothing clears that are `EIO`.
   */
  write(lba: number, source: Uint8Array, options?: BlockWriteOptions): void {
    const fua = options !== undefined && isFua(options);
    const length = bytesOf(source, 'source');
    this.#limits.check('write', lba, length / this.#sectorSize, length);
    const mode = fua ? 'persist' : 'flush';
    this.#write(
      'write',
      lba,
      length / this.#sectorSize,
      source,
      mode,
      this.#mustClear('write', lba, length / this.#sectorSize),
    );
  }

  /** Copies sectors out into several arrays. Where one is known to be bad none is read. @throws PmemError as {@link read}. */
  readv(lba: number, targets: readonly Uint8Array[]): void {
    const list = listOf(targets, 'targets');
    const lengths = lengthsOf(list);
    const total = this.#limits.checkList('readv', lba, lengths);
    if (!this.#bad.isEmpty) this.#avoidBad('readv', lba, total);
    if (total === 0) this.#touch();
    let at = lba;
    for (const [i, target] of list.entries()) {
      const count = (lengths[i] ?? 0) / this.#sectorSize;
      this.#read('readv', at, count, target);
      at += count;
    }
  }

  /** Copies sectors in from several arrays; with `fua` it waits once, at the end. */
  writev(lba: number, sources: readonly Uint8Array[], options?: BlockWriteOptions): void {
    const fua = isFua(options);
    const list = listOf(sources, 'sources');
    const lengths = lengthsOf(list);
    const total = this.#limits.checkList('writev', lba, lengths);
    const clear = this.#mustClear('writev', lba, total);
    if (total === 0) this.#touch();
    let at = lba;
    for (const [i, source] of list.entries()) {
      const count = (lengths[i] ?? 0) / this.#sectorSize;
      this.#write('writev', at, count, source, 'flush', clear);
      at += count;
    }
    if (fua) this.#memory.drain();
  }

  /** Waits until everything written before is durable: a fence, or on `page` granularity an msync. */
  flush(): void {
    this.#limits.check('flush', 0, 0);
    this.#memory.drain();
  }

  /** Takes note that the contents are not needed any more, and does nothing: memory has nothing to give back. */
  discard(lba: number, count: number): void {
    this.#limits.check('discard', lba, count);
    this.#refuseReadOnly('discard');
    this.#touch();
  }

  /** Fills sectors with zeroes; durable after {@link flush}, or on return with `fua`. Clears bad sectors as {@link write} does. */
  writeZeroes(lba: number, count: number, options?: BlockWriteOptions): void {
    const fua = isFua(options);
    this.#limits.check('writeZeroes', lba, count);
    if (this.#mustClear('writeZeroes', lba, count)) {
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
   * A zero-copy Buffer on the sectors, as the driver's direct_access gives addresses. It is the memory's: it outlives the
   * disk, and ends with the Region. Stores into it are durable after {@link persist}; those into a read-only disk's Buffer
   * are not refused here.
   *
   * @throws PmemError `EIO` where a sector is bad, as loading from it would be.
   */
  directAccess(lba: number, count: number): Buffer {
    this.#limits.check('directAccess', lba, count);
    if (!this.#bad.isEmpty) this.#avoidBad('directAccess', lba, count);
    return this.#memory.view(this.#base + lba * this.#sectorSize, count * this.#sectorSize);
  }

  /** @inheritdoc */
  persist(lba: number, count: number): void {
    this.#limits.check('persist', lba, count);
    this.#memory.persist(this.#base + lba * this.#sectorSize, count * this.#sectorSize);
  }

  /** @internal Refuses what the kernel uses by now. */
  refuseInUse(): void {
    const memory = this.#memory;
    if ('refuseInUse' in memory && typeof memory.refuseInUse === 'function') memory.refuseInUse();
  }

  /** Ends the disk; the memory stays open. Makes nothing durable. Closing twice is harmless. */
  close(): void {
    this.#limits.close();
  }

  [Symbol.dispose](): void {
    this.close();
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
      // A page of a block device that cannot be read in can be written all the same.
      if (this.#media === undefined || !isFault(error)) throw this.#caught(operation, error, lba, count);
      this.#clear(operation, lba, count, source);
    }
    if (!this.#bad.isEmpty) this.#written(lba, count);
  }

  /** Writes through the driver, zeroes where no source is given; the sectors are good then, or this throws EIO. */
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

  /** For calls that have nothing to do in the memory: throws if that is closed, and what it would throw. */
  #touch(): void {
    if ('closed' in this.#memory && this.#memory.closed === true) this.#memory.read(this.#base, NOTHING);
  }

  #refuseReadOnly(operation: string): void {
    if (this.#readOnly) throw readOnlyDevice(operation, 'the disk');
  }

  /** Whether errors of the media have to be cleared. Throws where that cannot be done, or nothing can be written. */
  #mustClear(operation: string, lba: number, count: number): boolean {
    this.#refuseReadOnly(operation);
    if (this.#bad.isEmpty) return false;
    const units = this.#sectorSize / BAD_BLOCK_UNIT;
    const lasting = this.#bad.lastingWithin(lba * units, count * units);
    if (lasting.length > 0 && this.#media === undefined)
      throw badSectors(operation, lasting, lasting, this.#sectorSize);
    return lasting.length > 0;
  }

  #avoidBad(operation: string, lba: number, count: number): void {
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

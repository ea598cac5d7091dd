/** A part of a block device as a block device of its own: what a partition is. */

import { outOfRange, PmemError, wrongType, wrongValue } from '../errors.js';
import { booleanOption, ownOptions } from '../options.js';
import { bytesOf, checkDevice, isFua, lengthsOf, listOf, optionsOf } from './arguments.js';
import type { BlockDevice, BlockDeviceSupport, BlockWriteOptions } from './block-device.js';
import { inputOutput, readOnlyDevice } from './block-errors.js';
import { SectorLimits } from './sector-limits.js';

/** Options of {@link SubDisk.open}. */
export interface SubDiskOptions {
  /** The first sector, counted in the device. */
  readonly start: number;
  /** Sectors. */
  readonly count: number;
  /** Refuse to store. Default: whether the device is read-only. */
  readonly readOnly?: boolean;
}

const KNOWN = ['start', 'count', 'readOnly'] as const satisfies (keyof SubDiskOptions)[];

const OPEN = Symbol('open');

/**
 * Sectors `start` to `start + count - 1` of a device, counted from 0. Everything is the device's own work; reading or
 * storing outside of the part is refused. Ends with the device, and can be closed before it.
 */
export class SubDisk implements BlockDevice {
  readonly #device: BlockDevice;
  readonly #start: number;
  readonly #sectorSize: number;
  readonly #readOnly: boolean;
  readonly #limits: SectorLimits;

  /** @internal Use {@link SubDisk.open}. */
  constructor(guard: typeof OPEN, device: BlockDevice, start: number, count: number, readOnly: boolean) {
    if (guard !== OPEN) throw wrongValue('SubDisk', 'made by SubDisk.open', 'new');
    this.#device = device;
    this.#start = start;
    this.#sectorSize = device.sectorSize;
    this.#readOnly = readOnly;
    this.#limits = new SectorLimits('the partition', device.sectorSize, count, () => device.closed);
  }

  /** @throws RangeError when the device has no such sectors. */
  static open(device: BlockDevice, given: SubDiskOptions): SubDisk {
    checkDevice(device);
    const options = ownOptions(given, KNOWN);
    const { start, count } = options;
    for (const [name, value] of Object.entries({ start, count })) {
      if (typeof value !== 'number') throw wrongType(`options.${name}`, 'a number of sectors', value);
    }
    const total = device.sectorCount;
    if (!Number.isSafeInteger(start) || start < 0 || start >= total) {
      throw outOfRange('options.start', `a sector of the device, which has ${total},`, start);
    }
    if (!Number.isSafeInteger(count) || count < 1 || count > total - start) {
      throw outOfRange('options.count', `from 1 to ${total - start}, what the device has from ${start} on,`, count);
    }
    const readOnly = booleanOption(options.readOnly, 'readOnly', false) || device.readOnly;
    return new SubDisk(OPEN, device, start, count, readOnly);
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

  /** The first sector, counted in the device. */
  get start(): number {
    return this.#start;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  get closed(): boolean {
    return this.#limits.closed;
  }

  get supports(): BlockDeviceSupport {
    return this.#device.supports;
  }

  /** @inheritdoc */
  read(lba: number, target: Uint8Array): void {
    const length = bytesOf(target, 'target');
    this.#limits.check('read', lba, length / this.#sectorSize, length);
    try {
      this.#device.read(this.#start + lba, target);
    } catch (error) {
      throw this.#translated('read', error);
    }
  }

  /** @inheritdoc */
  write(lba: number, source: Uint8Array, options?: BlockWriteOptions): void {
    const checked = options === undefined ? undefined : optionsOf(isFua(options));
    const length = bytesOf(source, 'source');
    this.#limits.check('write', lba, length / this.#sectorSize, length);
    this.#refuseReadOnly('write');
    try {
      this.#device.write(this.#start + lba, source, checked);
    } catch (error) {
      throw this.#translated('write', error);
    }
  }

  /** @inheritdoc */
  readv(lba: number, targets: readonly Uint8Array[]): void {
    const list = listOf(targets, 'targets');
    this.#limits.checkList('readv', lba, lengthsOf(list));
    this.#run('readv', () => this.#device.readv(this.#start + lba, list));
  }

  /** @inheritdoc */
  writev(lba: number, sources: readonly Uint8Array[], options?: BlockWriteOptions): void {
    const checked = optionsOf(isFua(options));
    const list = listOf(sources, 'sources');
    this.#limits.checkList('writev', lba, lengthsOf(list));
    this.#refuseReadOnly('writev');
    this.#run('writev', () => this.#device.writev(this.#start + lba, list, checked));
  }

  /** Of the whole device. */
  flush(): void {
    this.#limits.check('flush', 0, 0);
    this.#device.flush();
  }

  /** @inheritdoc */
  discard(lba: number, count: number): void {
    this.#limits.check('discard', lba, count);
    this.#refuseReadOnly('discard');
    this.#run('discard', () => this.#device.discard(this.#start + lba, count));
  }

  /** @inheritdoc */
  writeZeroes(lba: number, count: number, options?: BlockWriteOptions): void {
    const checked = optionsOf(isFua(options));
    this.#limits.check('writeZeroes', lba, count);
    this.#refuseReadOnly('writeZeroes');
    this.#run('writeZeroes', () => this.#device.writeZeroes(this.#start + lba, count, checked));
  }

  /** @inheritdoc */
  directAccess(lba: number, count: number): Buffer {
    this.#limits.check('directAccess', lba, count);
    return this.#run('directAccess', () => this.#device.directAccess(this.#start + lba, count));
  }

  /** @inheritdoc */
  persist(lba: number, count: number): void {
    this.#limits.check('persist', lba, count);
    this.#run('persist', () => this.#device.persist(this.#start + lba, count));
  }

  /** @internal Refuses what the kernel uses by now. */
  refuseInUse(): void {
    const device = this.#device;
    if ('refuseInUse' in device && typeof device.refuseInUse === 'function') device.refuseInUse();
  }

  /** Ends the part; the device stays open. Closing twice is harmless. */
  close(): void {
    this.#limits.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #refuseReadOnly(operation: string): void {
    if (this.#readOnly) throw readOnlyDevice(operation, 'the partition');
  }

  #run<T>(operation: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw this.#translated(operation, error);
    }
  }

  /** The device names its own sectors: says where the part begins, and counts the offset from there. */
  #translated(operation: string, error: unknown): unknown {
    if (!(error instanceof PmemError) || error.code !== 'EIO' || error.offset === undefined) return error;
    const offset = error.offset - this.#start * this.#sectorSize;
    const message = `the partition begins at sector ${this.#start} of the device, which says: ${error.message}`;
    return inputOutput(operation, message, { path: error.path, offset, cause: error });
  }
}

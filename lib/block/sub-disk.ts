/** A part of a block device as a block device of its own: what a partition is. */

import { outOfRange, PmemError, wrongType, wrongValue } from '../errors.js';
import { booleanOption, onlyKnown } from '../memory/checks.js';
import { bytesOf, isFua, listOf } from './arguments.js';
import type { BlockDevice, BlockDeviceSupport, BlockWriteOptions } from './block-device.js';
import { closedDevice, inputOutput, readOnlyDevice, refuseRange } from './block-errors.js';

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
  readonly #sectorCount: number;
  readonly #readOnly: boolean;
  /** `sectorCount`, and -1 once closed: one comparison then refuses every range. */
  #limit: number;

  /** @internal Use {@link SubDisk.open}. */
  constructor(guard: typeof OPEN, device: BlockDevice, start: number, count: number, readOnly: boolean) {
    if (guard !== OPEN) throw wrongValue('SubDisk', 'made by SubDisk.open', 'new');
    this.#device = device;
    this.#start = start;
    this.#sectorSize = device.sectorSize;
    this.#sectorCount = count;
    this.#readOnly = readOnly;
    this.#limit = count;
  }

  /** @throws RangeError when the device has no such sectors. */
  static open(device: BlockDevice, options: SubDiskOptions): SubDisk {
    if (typeof device !== 'object' || device === null || typeof device.sectorCount !== 'number') {
      throw wrongType('device', 'a BlockDevice', device);
    }
    onlyKnown(options, KNOWN);
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
    const readOnly = (booleanOption(options.readOnly, 'readOnly') ?? false) || device.readOnly;
    return new SubDisk(OPEN, device, start, count, readOnly);
  }

  get sectorSize(): number {
    return this.#sectorSize;
  }

  get sectorCount(): number {
    return this.#sectorCount;
  }

  /** Bytes. */
  get size(): number {
    return this.#sectorCount * this.#sectorSize;
  }

  /** The first sector, counted in the device. */
  get start(): number {
    return this.#start;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  get closed(): boolean {
    return this.#limit < 0 || this.#device.closed;
  }

  get supports(): BlockDeviceSupport {
    return this.#device.supports;
  }

  /** @inheritdoc */
  read(lba: number, target: Uint8Array): void {
    const length = bytesOf(target, 'target');
    this.#check('read', lba, length / this.#sectorSize, length);
    try {
      this.#device.read(this.#start + lba, target);
    } catch (error) {
      throw this.#translated(error);
    }
  }

  /** @inheritdoc */
  write(lba: number, source: Uint8Array, options?: BlockWriteOptions): void {
    const length = bytesOf(source, 'source');
    if (options !== undefined) isFua(options);
    this.#check('write', lba, length / this.#sectorSize, length);
    this.#refuseReadOnly('write');
    try {
      this.#device.write(this.#start + lba, source, options);
    } catch (error) {
      throw this.#translated(error);
    }
  }

  /** @inheritdoc */
  readv(lba: number, targets: readonly Uint8Array[]): void {
    this.#checkList('readv', lba, listOf(targets, 'targets'));
    this.#run(() => this.#device.readv(this.#start + lba, targets));
  }

  /** @inheritdoc */
  writev(lba: number, sources: readonly Uint8Array[], options?: BlockWriteOptions): void {
    isFua(options);
    this.#checkList('writev', lba, listOf(sources, 'sources'));
    this.#refuseReadOnly('writev');
    this.#run(() => this.#device.writev(this.#start + lba, sources, options));
  }

  /** Of the whole device. */
  flush(): void {
    this.#check('flush', 0, 0);
    this.#device.flush();
  }

  /** @inheritdoc */
  discard(lba: number, count: number): void {
    this.#check('discard', lba, count);
    this.#refuseReadOnly('discard');
    this.#run(() => this.#device.discard(this.#start + lba, count));
  }

  /** @inheritdoc */
  writeZeroes(lba: number, count: number, options?: BlockWriteOptions): void {
    isFua(options);
    this.#check('writeZeroes', lba, count);
    this.#refuseReadOnly('writeZeroes');
    this.#run(() => this.#device.writeZeroes(this.#start + lba, count, options));
  }

  /** @inheritdoc */
  directAccess(lba: number, count: number): Buffer {
    this.#check('directAccess', lba, count);
    return this.#run(() => this.#device.directAccess(this.#start + lba, count));
  }

  /** @inheritdoc */
  persist(lba: number, count: number): void {
    this.#check('persist', lba, count);
    this.#run(() => this.#device.persist(this.#start + lba, count));
  }

  /** Ends the part; the device stays open. Closing twice is harmless. */
  close(): void {
    this.#limit = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(operation: string, lba: number, count: number, length?: number): void {
    if (
      Number.isSafeInteger(lba) &&
      Number.isSafeInteger(count) &&
      lba >= 0 &&
      count >= 0 &&
      lba + count <= this.#limit
    ) {
      return;
    }
    if (this.closed) throw closedDevice(operation, 'the partition');
    const facts = { noun: 'the partition', sectorSize: this.#sectorSize, sectorCount: this.#sectorCount };
    refuseRange(operation, facts, lba, count, length);
  }

  #checkList(operation: string, lba: number, lengths: number[]): void {
    for (const length of lengths) this.#check(operation, 0, length / this.#sectorSize, length);
    const total = lengths.reduce((sum, one) => sum + one, 0);
    this.#check(operation, lba, total / this.#sectorSize, total);
  }

  #refuseReadOnly(operation: string): void {
    if (this.#readOnly) throw readOnlyDevice(operation, 'the partition');
  }

  #run<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw this.#translated(error);
    }
  }

  /** The device names its own sectors: says where the part begins, and counts the offset from there. */
  #translated(error: unknown): unknown {
    if (!(error instanceof PmemError) || error.code !== 'EIO' || error.offset === undefined) return error;
    const offset = error.offset - this.#start * this.#sectorSize;
    const message = `the partition begins at sector ${this.#start} of the device, and that says: ${error.message}`;
    return inputOutput('partition', message, { path: error.path, offset, cause: error });
  }
}

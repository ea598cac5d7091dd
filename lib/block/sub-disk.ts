/** A part of a block device as a block device of its own: what a partition is. */

import { PmemError, wrongValue } from '../errors.js';
import { booleanOption, ownOptions, requiredInteger } from '../options.js';
import { BlockDevice, type BlockWriteOptions, checkDevice, type SectorArray } from './block-device.js';
import { inputOutput } from './block-errors.js';

/** Options of {@link SubDisk.open}. */
export interface SubDiskOptions {
  /** The first sector, counted in the device. */
  readonly start: number;
  /** Sectors. */
  readonly count: number;
  /** Refuse everything that stores. Default: whether the device is read-only. */
  readonly readOnly?: boolean;
}

const KNOWN = ['start', 'count', 'readOnly'] as const satisfies (keyof SubDiskOptions)[];

const FUA: BlockWriteOptions = Object.freeze({ fua: true });

const OPEN = Symbol('open');

/**
 * Sectors `start` to `start + count - 1` of a device, counted from 0. The device does all the work; the part refuses sectors outside
 * of it. It supports what the device supports. It ends with the device, and can be closed before it.
 */
export class SubDisk extends BlockDevice {
  readonly #device: BlockDevice;
  readonly #start: number;

  private constructor(guard: typeof OPEN, device: BlockDevice, start: number, count: number, readOnly: boolean) {
    if (guard !== OPEN) throw wrongValue('SubDisk', 'made by SubDisk.open', 'new');
    const { sectorSize, supports } = device;
    super({ noun: 'the partition', sectorSize, sectorCount: count, readOnly, supports });
    this.#device = device;
    this.#start = start;
  }

  /** @throws TypeError for options that are wrong; RangeError where the device has no such sectors */
  static open(device: BlockDevice, given: SubDiskOptions): SubDisk {
    checkDevice(device);
    const options = ownOptions(given, KNOWN);
    const start = requiredInteger(options.start, 'start', 0, device.sectorCount - 1);
    const count = requiredInteger(options.count, 'count', 1, device.sectorCount - start);
    const readOnly = booleanOption(options.readOnly, 'readOnly', false) || device.readOnly;
    return new SubDisk(OPEN, device, start, count, readOnly);
  }

  /** The first sector, counted in the device. */
  get start(): number {
    return this.#start;
  }

  /** @internal */
  override refuseInUse(): void {
    this.#device.refuseInUse();
  }

  protected override _read(lba: number, _count: number, target: Uint8Array): void {
    try {
      this.#device.read(this.#start + lba, target);
    } catch (error) {
      throw this.#translated('read', error);
    }
  }

  protected override _write(lba: number, _count: number, source: Uint8Array, fua: boolean): void {
    try {
      this.#device.write(this.#start + lba, source, fua ? FUA : undefined);
    } catch (error) {
      throw this.#translated('write', error);
    }
  }

  protected override _readv(lba: number, list: readonly SectorArray[]): void {
    const arrays = list.map(({ bytes }) => bytes);
    this.#run('readv', () => this.#device.readv(this.#start + lba, arrays));
  }

  protected override _writev(lba: number, list: readonly SectorArray[], fua: boolean): void {
    const arrays = list.map(({ bytes }) => bytes);
    this.#run('writev', () => this.#device.writev(this.#start + lba, arrays, { fua }));
  }

  /** Flushes the whole device. */
  protected override _flush(): void {
    this.#device.flush();
  }

  protected override _discard(lba: number, count: number): void {
    this.#run('discard', () => this.#device.discard(this.#start + lba, count));
  }

  protected override _writeZeroes(lba: number, count: number, fua: boolean): void {
    this.#run('writeZeroes', () => this.#device.writeZeroes(this.#start + lba, count, { fua }));
  }

  protected override _directAccess(lba: number, count: number): Buffer {
    return this.#run('directAccess', () => this.#device.directAccess(this.#start + lba, count));
  }

  protected override _persist(lba: number, count: number): void {
    this.#run('persist', () => this.#device.persist(this.#start + lba, count));
  }

  protected override _hasEnded(): boolean {
    return this.#device.closed;
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
    const offset = error.offset - this.#start * this.sectorSize;
    const message = `the partition begins at sector ${this.#start} of the device, which says: ${error.message}`;
    return inputOutput(operation, message, { path: error.path, offset, cause: error });
  }
}

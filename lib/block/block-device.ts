/** The base of everything that is read and written in sectors. */

import { type InspectOptions, inspect } from 'node:util';
import { wrongType } from '../errors.js';
import { lengthOf } from '../memory/checks.js';
import { booleanOption, ownOptions, readOptions, requiredInteger } from '../options.js';
import { bytesOf, isFua, listOf } from './arguments.js';
import { closedError, endedError, notSectors, notWholeSectors, readOnlyError, unsupported } from './block-errors.js';

/** What a device can do. A method that it does not support throws `EOPNOTSUPP`, once the arguments were found to be right. */
export interface BlockDeviceSupport {
  /** `fua` is cheaper than a write and a {@link BlockDevice.flush}. Without this, `fua` still works. */
  readonly fua: boolean;
  readonly discard: boolean;
  /** Discarded sectors read as zeroes. Without this, they read as zeroes or as anything that was there before. */
  readonly discardZeroes: boolean;
  readonly writeZeroes: boolean;
  /** {@link BlockDevice.directAccess} and {@link BlockDevice.persist}. */
  readonly directAccess: boolean;
  /** After a power cut a sector has all of its old bytes or all of its new ones. Without this, only aligned 8 bytes do. */
  readonly atomicSectors: boolean;
}

const SUPPORTS = [
  'fua',
  'discard',
  'discardZeroes',
  'writeZeroes',
  'directAccess',
  'atomicSectors',
] as const satisfies (keyof BlockDeviceSupport)[];

/** Options of everything that stores. */
export interface BlockWriteOptions {
  /** Force unit access: durable on return. Default false. */
  readonly fua?: boolean;
}

/** What an implementation tells {@link BlockDevice} of itself. */
export interface BlockDeviceOptions {
  /** Bytes of a sector, from 512 on. */
  readonly sectorSize: number;
  /** Sectors, 1 or more. */
  readonly sectorCount: number;
  readonly supports: BlockDeviceSupport;
  /** Refuse everything that stores. Default false. */
  readonly readOnly?: boolean;
  /** What messages call the device. Default `'the device'`. */
  readonly noun?: string;
}

const KNOWN = [
  'sectorSize',
  'sectorCount',
  'supports',
  'readOnly',
  'noun',
] as const satisfies (keyof BlockDeviceOptions)[];

const LEAST_SECTOR_BYTES = 512;

const { isSafeInteger } = Number;

function checkedSupport(supports: BlockDeviceSupport | undefined): BlockDeviceSupport {
  if (typeof supports === 'object' && supports !== null) {
    // A copy: what the device can do does not change.
    const copy = Object.freeze({ ...readOptions(supports, SUPPORTS, 'options.supports') });
    if (SUPPORTS.every((name) => typeof copy[name] === 'boolean')) return copy;
  }
  throw wrongType('options.supports', `an object with booleans ${SUPPORTS.join(', ')}`, supports);
}

/**
 * A block device. Sectors are counted from 0 (`lba`, logical block address); each has `sectorSize` bytes.
 *
 * **To implement one**, extend this class: pass its size to the constructor, and write `_read`, `_write`, `_flush`, and those of
 * `_writeZeroes`, `_discard`, `_directAccess`, `_persist` that it supports. The public methods check all arguments once, and call them
 * with ranges of one sector or more that lie on a device that is open, and writable for those that store. `blockDeviceSuite` of
 * `pmem/testing` tests an implementation.
 *
 * **Errors**, before a byte is touched: a `TypeError` for arguments of the wrong type, and for options that are not known; a
 * `RangeError` `ERR_OUT_OF_RANGE` for sectors past the end, for numbers that no sector has (negative, fractional, NaN) and for arrays
 * that are not whole sectors; `ERR_PMEM_READ_ONLY` for storing on a read-only device; `ERR_PMEM_CLOSED` after {@link close}, or once
 * what the device is made of is closed; `EOPNOTSUPP` for what it does not support. `EIO` is what the media say: the message names the
 * sectors.
 *
 * **Durability.** What {@link write}, {@link writev}, {@link writeZeroes} and {@link discard} store is durable once a later
 * {@link flush} returned, or on return with `fua`. Until then any of it may be lost or there, in any order.
 */
export abstract class BlockDevice implements Disposable {
  readonly #noun: string;
  readonly #sectorSize: number;
  readonly #sectorCount: number;
  readonly #readOnly: boolean;
  readonly #supports: BlockDeviceSupport;
  /** The number of sectors, and -1 once closed: one comparison refuses a range. */
  #limit: number;

  /** @throws TypeError and RangeError for options that are wrong */
  protected constructor(given: BlockDeviceOptions) {
    const options = ownOptions(given, KNOWN);
    const { noun = 'the device' } = options;
    if (typeof noun !== 'string') throw wrongType('options.noun', 'a string', noun);
    const { MAX_SAFE_INTEGER } = Number;
    this.#noun = noun;
    this.#sectorSize = requiredInteger(options.sectorSize, 'sectorSize', LEAST_SECTOR_BYTES, MAX_SAFE_INTEGER);
    const most = Math.floor(MAX_SAFE_INTEGER / this.#sectorSize);
    this.#sectorCount = requiredInteger(options.sectorCount, 'sectorCount', 1, most);
    this.#readOnly = booleanOption(options.readOnly, 'readOnly', false);
    this.#supports = checkedSupport(options.supports);
    this.#limit = this.#sectorCount;
  }

  /** Bytes of a sector: the unit of every address and length. */
  get sectorSize(): number {
    return this.#sectorSize;
  }

  get sectorCount(): number {
    return this.#sectorCount;
  }

  /** Bytes: `sectorSize * sectorCount`. */
  get size(): number {
    return this.#sectorCount * this.#sectorSize;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  /** The device was closed, or what it is made of was. */
  get closed(): boolean {
    return this.#limit < 0 || this._hasEnded();
  }

  get supports(): BlockDeviceSupport {
    return this.#supports;
  }

  /** Reads `target.length` bytes, whole sectors, from `lba` on. */
  read(lba: number, target: Uint8Array): void {
    const count = bytesOf(target, 'target') / this.#sectorSize;
    this.#check('read', lba, count, target, 'target');
    if (count === 0) this.#refuseEnded('read');
    else this._read(lba, count, target);
  }

  /** Writes all of `source`, whole sectors, from `lba` on. Durable on return with `fua`, else after {@link flush}. */
  write(lba: number, source: Uint8Array, options?: BlockWriteOptions): void {
    const fua = options !== undefined && isFua(options);
    const count = bytesOf(source, 'source') / this.#sectorSize;
    this.#check('write', lba, count, source, 'source');
    if (this.#readOnly) this.#refuseReadOnly('write');
    if (count === 0) this.#refuseEnded('write');
    else this._write(lba, count, source, fua);
  }

  /** {@link read} into several arrays, one after the other; each is whole sectors. */
  readv(lba: number, targets: readonly Uint8Array[]): void {
    const list = this.#list('readv', lba, targets, 'targets');
    this.#refuseEnded('readv');
    if (list.length > 0) this._readv(lba, list);
  }

  /** {@link write} from several arrays, one after the other; each is whole sectors. */
  writev(lba: number, sources: readonly Uint8Array[], options?: BlockWriteOptions): void {
    const fua = isFua(options);
    const list = this.#list('writev', lba, sources, 'sources');
    this.#refuseReadOnly('writev');
    this.#refuseEnded('writev');
    if (list.length > 0) this._writev(lba, list, fua);
  }

  /** Everything that was stored before is durable on return. */
  flush(): void {
    this.#checkRange('flush', 0, 0);
    this._flush();
  }

  /** The contents are not needed any more. `supports.discardZeroes` says what the sectors read as. */
  discard(lba: number, count: number): void {
    this.#checkRange('discard', lba, count);
    this.#refuseReadOnly('discard');
    this.#refuseUnsupported('discard', this.#supports.discard);
    if (count > 0) this._discard(lba, count);
  }

  /** The sectors read as zeroes. Durable on return with `fua`, else after {@link flush}. */
  writeZeroes(lba: number, count: number, options?: BlockWriteOptions): void {
    const fua = isFua(options);
    this.#checkRange('writeZeroes', lba, count);
    this.#refuseReadOnly('writeZeroes');
    this.#refuseUnsupported('writeZeroes', this.#supports.writeZeroes);
    if (count > 0) this._writeZeroes(lba, count, fua);
  }

  /**
   * A zero-copy Buffer on the sectors: neighbouring sectors are neighbouring bytes. {@link flush} does not make durable what is
   * stored through it; {@link persist} does.
   */
  directAccess(lba: number, count: number): Buffer {
    this.#checkRange('directAccess', lba, count);
    this.#refuseUnsupported('directAccess', this.#supports.directAccess);
    return count > 0 ? this._directAccess(lba, count) : Buffer.alloc(0);
  }

  /** What was stored into the sectors, through {@link directAccess} too, is durable on return. */
  persist(lba: number, count: number): void {
    this.#checkRange('persist', lba, count);
    this.#refuseUnsupported('persist', this.#supports.directAccess);
    if (count > 0) this._persist(lba, count);
  }

  /** Ends the device; what it is made of stays open. Makes nothing durable. Closing twice is harmless. */
  close(): void {
    this.#limit = -1;
    this._close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** One line: the class, the size, and whether it is read-only or closed. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { sectorSize, sectorCount, readOnly, closed } = this;
    const facts = { sectorSize, sectorCount, readOnly, closed };
    return `${this.constructor.name} ${inspect(facts, { ...options, compact: true, breakLength: Number.POSITIVE_INFINITY })}`;
  }

  /** @internal Refuses (`EBUSY`) a device that the kernel uses by now, for who is going to write a format. */
  refuseInUse(): void {}

  /**
   * Fills `target`, which has `count * sectorSize` bytes, from sector `lba` on.
   *
   * @param count sectors, 1 or more. Rely on it rather than on `target.length`, which a property of the array's own can hide.
   */
  protected abstract _read(lba: number, count: number, target: Uint8Array): void;

  /** Stores `source`, which has `count * sectorSize` bytes, from sector `lba` on; durable on return with `fua`. */
  protected abstract _write(lba: number, count: number, source: Uint8Array, fua: boolean): void;

  /** Makes durable whatever was stored before. */
  protected abstract _flush(): void;

  /** Fills arrays one after the other; none is empty. Default: {@link _read} for each. */
  protected _readv(lba: number, list: readonly SectorArray[]): void {
    let at = lba;
    for (const { bytes, count } of list) {
      if (at > lba) this._refuseClosed('readv');
      this._read(at, count, bytes);
      at += count;
    }
  }

  /** Stores arrays one after the other; none is empty. Default: {@link _write} for each. */
  protected _writev(lba: number, list: readonly SectorArray[], fua: boolean): void {
    let at = lba;
    for (const { bytes, count } of list) {
      if (at > lba) this._refuseClosed('writev');
      this._write(at, count, bytes, fua);
      at += count;
    }
  }

  /** Stores zeroes; durable on return with `fua`. Called where `supports.writeZeroes`. */
  protected _writeZeroes(_lba: number, _count: number, _fua: boolean): void {
    throw unsupported('writeZeroes', this.#noun);
  }

  /** Gives up the contents. Called where `supports.discard`. */
  protected _discard(_lba: number, _count: number): void {
    throw unsupported('discard', this.#noun);
  }

  /** The sectors' own memory. Called where `supports.directAccess`. */
  protected _directAccess(_lba: number, _count: number): Buffer {
    throw unsupported('directAccess', this.#noun);
  }

  /** Makes the sectors durable. Called where `supports.directAccess`. */
  protected _persist(_lba: number, _count: number): void {
    throw unsupported('persist', this.#noun);
  }

  /**
   * Whether what the device is made of is closed. Every call but {@link read} and {@link write} of a sector or more asks first; those
   * leave it to `_read` and `_write` to throw `ERR_PMEM_CLOSED`, because they are fast. Default: false.
   */
  protected _hasEnded(): boolean {
    return false;
  }

  /** Gives back what the device holds. Each {@link close} calls it, the second too. Default: nothing. */
  protected _close(): void {}

  /** @throws PmemError `ERR_PMEM_CLOSED` once {@link close} was called, for operations that let other code run in between */
  protected _refuseClosed(operation: string): void {
    if (this.#limit < 0) throw closedError(operation, this.#noun);
  }

  /**
   * The checks of {@link read}, for methods that an implementation adds.
   *
   * @returns the sectors that the array has room for
   */
  protected _checkTarget(operation: string, lba: number, target: Uint8Array): number {
    const count = bytesOf(target, 'target') / this.#sectorSize;
    this.#check(operation, lba, count, target, 'target');
    this.#refuseEnded(operation);
    return count;
  }

  #isOnDevice(lba: number, count: number): boolean {
    return isSafeInteger(lba) && isSafeInteger(count) && lba >= 0 && count >= 0 && lba + count <= this.#limit;
  }

  #check(operation: string, lba: number, count: number, bytes: Uint8Array, name: string): void {
    if (this.#isOnDevice(lba, count)) return;
    this._refuseClosed(operation);
    if (typeof lba === 'number' && !isSafeInteger(count))
      throw notWholeSectors(name, lengthOf.call(bytes), this.#facts());
    throw notSectors(this.#facts(), lba, count);
  }

  #checkRange(operation: string, lba: number, count: number): void {
    if (!this.#isOnDevice(lba, count)) {
      this._refuseClosed(operation);
      throw notSectors(this.#facts(), lba, count);
    }
    this.#refuseEnded(operation);
  }

  /** The arrays that are not empty, once all are whole sectors, and sectors of the device together. */
  #list(operation: string, lba: number, arrays: readonly Uint8Array[], name: string): SectorArray[] {
    // From here on no code of the caller's runs, so that the lengths stay what they are.
    const list = listOf(arrays, name).map((bytes) => ({ bytes, count: lengthOf.call(bytes) / this.#sectorSize }));
    let total = 0;
    for (const [i, { bytes, count }] of list.entries()) {
      if (!isSafeInteger(count)) throw notWholeSectors(`${name}[${i}]`, lengthOf.call(bytes), this.#facts());
      total += count;
    }
    this.#checkRange(operation, lba, total);
    return list.filter(({ count }) => count > 0);
  }

  #facts() {
    return { noun: this.#noun, sectorSize: this.#sectorSize, sectorCount: this.#sectorCount };
  }

  #refuseReadOnly(operation: string): void {
    if (this.#readOnly) throw readOnlyError(operation, this.#noun);
  }

  #refuseEnded(operation: string): void {
    if (this._hasEnded()) throw endedError(operation, this.#noun);
  }

  #refuseUnsupported(operation: string, isSupported: boolean): void {
    if (!isSupported) throw unsupported(operation, this.#noun);
  }
}

/** An array and the sectors in it. */
export interface SectorArray {
  readonly bytes: Uint8Array;
  /** 1 or more. */
  readonly count: number;
}

/** @throws TypeError unless the value looks like a device; one of another copy of this package does, too */
export function checkDevice(device: BlockDevice): void {
  if (typeof device !== 'object' || device === null || typeof device.sectorCount !== 'number') {
    throw wrongType('device', 'a BlockDevice', device);
  }
}

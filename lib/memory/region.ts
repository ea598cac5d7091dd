/** A mapped region of persistent memory. */

import { isUint8Array } from 'node:util/types';
import {
  Completion,
  EXTRA,
  HANDLE,
  LENGTH,
  MOST_RANGES,
  mailbox,
  native,
  OFFSET,
  type Outcome,
  RANGES,
  RESULT,
  STATUS,
  WORD,
  words,
} from '../binding.js';
import { outOfRange, wrongType, wrongValue } from '../errors.js';
import { formatSize, parseSize, type Size } from '../units.js';
import type { BackingKind } from './backing.js';
import { BlockTable, type BlockTableLayout } from './block-table.js';
import { checkByte, checkWord, lengthOf, rangeError, within, wrongMode } from './checks.js';
import { type Claim, claimed } from './claim.js';
import { type DeepFlush, deepFlush } from './deep-flush.js';
import { closedError, failure, lastOutcome } from './failure.js';
import { knownSource, knownTarget } from './known-bytes.js';
import type { OpenedMapping } from './map-descriptor.js';
import type { ByteRange, Durability, Memory, WriteMode } from './memory.js';
import { openMapping } from './open.js';
import { checkAsyncOptions, checkOptions, checkPath, type RegionOptions } from './options.js';
import { mappedPageSize } from './pages.js';
import { piecesOf } from './pieces.js';
import { MOST_BUFFER_BYTES, Windows } from './windows.js';

/** What all regions on one handle have in common: the region that was opened, and its slices. */
interface Shared {
  readonly path: string;
  readonly kind: BackingKind;
  readonly durability: Durability;
  readonly readOnly: boolean;
  readonly handle: number;
  /** Bytes of the whole mapping. */
  readonly size: number;
  /** Where the mapping begins in the file or device, in bytes. */
  readonly fileOffset: number;
  /** The pieces of the file, where there is more than one. */
  readonly extents?: readonly ByteRange[];
  /** Directory of the device in sysfs. */
  readonly device: string | undefined;
  readonly windows: Windows;
  /** Gives the handle back when the last region on it was collected. */
  readonly keeper: object;
  closed: boolean;
}

/**
 * A region as another thread of this process can open it: pass it through `postMessage` or `workerData`, and call
 * {@link Region.attach} there while the region is open here.
 */
export interface RegionToken {
  readonly pmemRegion: number;
  readonly base: number;
  readonly size: number;
  readonly mapping: Omit<Shared, 'handle' | 'windows' | 'keeper' | 'closed'>;
}

/** Options of the asynchronous copies and fills. */
export interface AsyncOptions {
  /** Stops after the piece at work (8 MiB at most); the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called after each piece with the bytes done so far. */
  onProgress?: (bytes: number) => void;
}

/** Options of {@link Region.writeAsync} and {@link Region.fillAsync}. */
export interface AsyncStoreOptions extends AsyncOptions {
  /** How far the bytes are taken before the promise resolves. Default `'store'`. */
  mode?: WriteMode;
}

/** One hop to the pool's threads costs some 20 µs; 8 MiB take a millisecond or more. */
const PIECE = 8 * 2 ** 20;

// Calls of constants are what V8 compiles best.
const { flush, drain, persist, flushRanges, write, writeAgain, read, readAgain, fill, load64, store64, crc32c } =
  native;

function completionOf(mode: WriteMode): number {
  if (mode === 'persist') return Completion.persist;
  if (mode === 'store') return Completion.store;
  if (mode === 'flush') return Completion.flush;
  throw wrongMode(mode);
}

/** As far as it can be told from its looks; whether there is such a region only the addon knows. */
function isToken(token: unknown): token is RegionToken {
  if (typeof token !== 'object' || token === null) return false;
  const { pmemRegion, mapping } = token as Partial<RegionToken>;
  return Number.isSafeInteger(pmemRegion) && typeof mapping === 'object' && typeof mapping?.path === 'string';
}

const OPEN = Symbol('open');

/**
 * Persistent memory mapped into this process. Stores through {@link view}, {@link write}, {@link fill} and {@link store64}
 * become durable by {@link persist}, or {@link flush} and {@link drain}; what that takes on this path is in
 * {@link durability}.
 *
 * Every method throws `ERR_PMEM_CLOSED` after {@link close}, a `TypeError` for arguments of the wrong type, and a
 * `RangeError` (`ERR_OUT_OF_RANGE`) for ranges that are not whole numbers within the region, before a byte is touched.
 * A page that is gone (file truncated, media error) gives `ERR_PMEM_TRUNCATED`, `ERR_PMEM_MEDIA` or `ERR_PMEM_FAULT`.
 */
export class Region implements Memory, Disposable {
  readonly #shared: Shared;
  readonly #handle: number;
  /** Where this region begins in the mapping. */
  readonly #base: number;
  readonly #size: number;
  /** `#size`, and -1 once closed: one comparison then refuses every range. */
  #limit: number;
  readonly #isSlice: boolean;

  /** @internal Use {@link Region.open}. */
  constructor(guard: typeof OPEN, shared: Shared, base: number, size: number, isSlice: boolean) {
    if (guard !== OPEN) throw wrongValue('Region', 'made by Region.open', 'new');
    this.#shared = shared;
    this.#handle = shared.handle;
    this.#base = base;
    this.#size = size;
    this.#limit = size;
    this.#isSlice = isSlice;
  }

  /**
   * Maps a file, `/dev/daxX.Y`, `/dev/mem`, a PCI `resourceN` or a block device. Takes an advisory lock on the bytes,
   * exclusive unless `readOnly`, that other processes' regions respect; threads of this process share it.
   *
   * A device is locked by its node in /dev, whatever other node it was opened by. Different things to a lock are: a device and what
   * a process has of it that cannot see or open that node (a container with nodes of its own); `/dev/mem` or a PCI resource, and a
   * device of the same bytes; a disk and its partitions; a DAX file and the device below.
   *
   * @throws PmemError with the POSIX code of the system call that failed; `ERR_PMEM_LOCKED` when another process has the
   *   bytes open; `ERR_PMEM_GRANULARITY` when the path offers less than `granularity`; `ERR_PMEM_SIZE_MISMATCH`;
   *   `ERR_PMEM_ENVIRONMENT` when PMEM_ASSUME_PERSISTENT is neither 1 nor empty; `ERR_PMEM_UNSUPPORTED_PLATFORM`,
   *   `ERR_PMEM_ADDON_NOT_LOADED`.
   */
  static open(path: string | Buffer | URL, options?: RegionOptions): Region {
    return Region.over(openMapping(checkPath(path), checkOptions(options)));
  }

  /** @internal A region on a mapping that was just made, and that it owns from now on. */
  static over(opened: OpenedMapping): Region {
    const shared: Shared = { ...opened, windows: new Windows(opened.handle, opened.size), closed: false };
    return new Region(OPEN, shared, 0, shared.size, false);
  }

  /**
   * Opens a region that another thread of this process shares by {@link share}: the same mapping, closed independently.
   *
   * @throws PmemError `ERR_PMEM_CLOSED` when the region was closed by every thread meanwhile.
   */
  static attach(token: RegionToken): Region {
    if (!isToken(token)) throw wrongType('token', 'what region.share() returned', token);
    const { mapping, base, size } = token;
    const attached = native.attach(token.pmemRegion);
    if (attached === undefined) throw closedError('attach', mapping.path);
    const { handle, keeper } = attached;
    if (mapping.size !== attached.size || !within(base, size, mapping.size)) {
      native.close(handle);
      throw wrongValue('token', 'what region.share() returned', token);
    }
    const shared: Shared = { ...mapping, handle, keeper, windows: new Windows(handle, mapping.size), closed: false };
    return new Region(OPEN, shared, base, size, false);
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** The path as given. */
  get path(): string {
    return this.#shared.path;
  }

  get kind(): BackingKind {
    return this.#shared.kind;
  }

  /** Where the region begins in the file or device, in bytes. */
  get fileOffset(): number {
    return this.extents[0]?.offset ?? this.#shared.fileOffset + this.#base;
  }

  /** The bytes of the file or device that it is made of, in its order: one piece, but for the device of an instance with several. */
  get extents(): ByteRange[] {
    return piecesOf(this.#pieces, this.#base, this.#size);
  }

  /** Directory in sysfs of the device that the bytes are on; undefined where the kernel does not tell. */
  get device(): string | undefined {
    return this.#shared.device;
  }

  get durability(): Durability {
    return this.#shared.durability;
  }

  get readOnly(): boolean {
    return this.#shared.readOnly;
  }

  get closed(): boolean {
    return this.#limit < 0 || this.#shared.closed;
  }

  /**
   * A zero-copy Buffer on the memory itself. What is stored through it is durable after `persist` of the same range.
   * After {@link close} its length is 0. Stores into a Buffer of a read-only region do not reach the memory, and make
   * every later call throw `ERR_PMEM_READ_ONLY`. On DAX files and device-DAX it can be the source and the target of O_DIRECT
   * I/O; for `/dev/mem` and PCI resources the kernel has no page structures and answers EFAULT.
   *
   * @param offset in bytes, default 0
   * @param length in bytes, default up to the region's end; at most the longest Buffer (4 GiB on Node.js 20)
   */
  view(offset: Size = 0, length?: Size): Buffer {
    const start = typeof offset === 'number' ? offset : parseSize(offset, 'offset');
    const count =
      length === undefined ? this.#size - start : typeof length === 'number' ? length : parseSize(length, 'length');
    if (!within(start, count, this.#limit)) this.#refuse('view', start, count);
    this.#examine('view');
    if (count > MOST_BUFFER_BYTES) {
      throw outOfRange(
        'length',
        `at most ${formatSize(MOST_BUFFER_BYTES)}, the longest Buffer here; take several views`,
        count,
      );
    }
    return this.#shared.windows.buffer(this.#base + start, count);
  }

  /** @inheritdoc */
  read(offset: number, target: Uint8Array): void {
    const known = knownTarget.is(target);
    if (!known && !isUint8Array(target)) throw wrongType('target', 'a Buffer or Uint8Array', target);
    const length = known ? knownTarget.length : lengthOf.call(target);
    this.#aim('read', offset, length);
    if (known) {
      readAgain();
    } else {
      read(target);
      knownTarget.given(target, length);
    }
    if (mailbox[STATUS] !== 0) throw this.#failure('read');
  }

  /**
   * Copies all of `source` in. In mode `'persist'` the bytes are durable on return, which is faster than a write and a
   * persist; in mode `'flush'` after the next {@link drain}; by default after {@link persist}. A range that overlaps
   * `source` is copied as if through a third place. A power cut can tear it at any
   * multiple of 8 bytes if offset and length are multiples of 8, else at any byte, unless it is 1, 2 or 4 bytes aligned to
   * their length.
   */
  write(offset: number, source: Uint8Array, mode: WriteMode = 'store'): void {
    const known = knownSource.is(source);
    if (!known && !isUint8Array(source)) throw wrongType('source', 'a Buffer or Uint8Array', source);
    const length = known ? knownSource.length : lengthOf.call(source);
    this.#aim('write', offset, length);
    mailbox[EXTRA] = completionOf(mode);
    if (known) {
      writeAgain();
    } else {
      write(source);
      knownSource.given(source, length);
    }
    if (mailbox[STATUS] !== 0) throw this.#failure('write');
  }

  /** @inheritdoc */
  fill(offset: number, length: number, byte = 0, mode: WriteMode = 'store'): void {
    if (!within(offset, length, this.#limit)) this.#refuse('fill', offset, length);
    checkByte(byte);
    mailbox[HANDLE] = this.#handle;
    mailbox[OFFSET] = this.#base + offset;
    mailbox[LENGTH] = length;
    mailbox[EXTRA] = completionOf(mode);
    mailbox[RESULT] = byte;
    fill();
    if (mailbox[STATUS] !== 0) throw this.#failure('fill');
  }

  /** @inheritdoc */
  load64(offset: number): bigint {
    this.#aim('load64', offset, 8);
    load64();
    if (mailbox[STATUS] !== 0) throw this.#failure('load64');
    return words[WORD] as bigint;
  }

  /** @inheritdoc */
  store64(offset: number, value: bigint): void {
    checkWord(value);
    this.#aim('store64', offset, 8);
    words[WORD] = value;
    store64();
    if (mailbox[STATUS] !== 0) throw this.#failure('store64');
  }

  /** Starts the write-back of the range; durable after the next {@link drain}. On `page` granularity it only takes note. */
  flush(offset: number, length: number): void {
    this.#aim('flush', offset, length);
    flush();
    if (mailbox[STATUS] !== 0) throw this.#failure('flush');
  }

  /** @inheritdoc */
  drain(): void {
    this.#aim('drain', 0, 0);
    drain();
    if (mailbox[STATUS] !== 0) throw this.#failure('drain');
  }

  /**
   * Makes the range durable before it returns: `flush` and `drain`, or on `page` granularity an msync of the covering
   * pages. Throws if that fails, and from then on, because the kernel forgets such a failure.
   */
  persist(offset: number, length: number): void {
    this.#aim('persist', offset, length);
    persist();
    if (mailbox[STATUS] !== 0) throw this.#failure('persist');
  }

  /** Makes all the ranges durable before it returns, waiting once: faster than a {@link persist} for each. */
  persistAll(ranges: readonly ByteRange[]): void {
    if (!Array.isArray(ranges)) throw wrongType('ranges', 'an array of { offset, length }', ranges);
    const count = ranges.length;
    for (let done = 0; done < count; done += MOST_RANGES) {
      const most = Math.min(count - done, MOST_RANGES);
      for (let i = 0; i < most; i++) {
        const range = ranges[done + i];
        if (typeof range !== 'object' || range === null) {
          throw wrongType(`ranges[${done + i}]`, '{ offset, length }', range);
        }
        const { offset, length } = range;
        if (!within(offset, length, this.#limit)) this.#refuse('persistAll', offset, length);
        mailbox[RANGES + 2 * i] = this.#base + offset;
        mailbox[RANGES + 2 * i + 1] = length;
      }
      mailbox[HANDLE] = this.#handle;
      mailbox[EXTRA] = most;
      flushRanges();
      if (mailbox[STATUS] !== 0) throw this.#failure('persistAll');
    }
    this.#aim('persistAll', 0, 0);
    drain();
    if (mailbox[STATUS] !== 0) throw this.#failure('persistAll');
  }

  /**
   * CRC32C (Castagnoli; RFC 3720, section 12.1) of the range, in hardware where the CPU can.
   *
   * @param crc of the bytes before, to continue it; an unsigned 32-bit integer, 0 to begin with
   */
  crc32c(offset: number, length: number, crc = 0): number {
    if (!(Number.isInteger(crc) && crc >= 0 && crc <= 0xffff_ffff)) {
      throw outOfRange('crc', 'an unsigned 32-bit integer', crc);
    }
    this.#aim('crc32c', offset, length);
    mailbox[EXTRA] = crc;
    crc32c();
    if (mailbox[STATUS] !== 0) throw this.#failure('crc32c');
    return mailbox[RESULT] as number;
  }

  /** {@link write} on another thread. The source must be left alone, and its memory not transferred, until then. */
  async writeAsync(offset: number, source: Uint8Array, options: AsyncStoreOptions = {}): Promise<void> {
    if (!isUint8Array(source)) throw wrongType('source', 'a Buffer or Uint8Array', source);
    const length = lengthOf.call(source);
    checkAsyncOptions(options);
    const completion = completionOf(options.mode ?? 'store');
    await this.#inPieces('writeAsync', offset, length, options, (at, count) => {
      if (lengthOf.call(source) !== length) throw wrongValue('source', 'left alone until the promise settles', source);
      const piece = new Uint8Array(source.buffer, source.byteOffset + at, count);
      return native.writeAsync(this.#handle, this.#base + offset + at, piece, completion);
    });
  }

  /** {@link read} on another thread. The target must be left alone, and its memory not transferred, until then. */
  async readAsync(offset: number, target: Uint8Array, options: AsyncOptions = {}): Promise<void> {
    if (!isUint8Array(target)) throw wrongType('target', 'a Buffer or Uint8Array', target);
    const length = lengthOf.call(target);
    checkAsyncOptions(options);
    await this.#inPieces('readAsync', offset, length, options, (at, count) => {
      if (lengthOf.call(target) !== length) throw wrongValue('target', 'left alone until the promise settles', target);
      const piece = new Uint8Array(target.buffer, target.byteOffset + at, count);
      return native.readAsync(this.#handle, this.#base + offset + at, piece);
    });
  }

  /** {@link fill} on another thread. */
  async fillAsync(offset: number, length: number, byte = 0, options: AsyncStoreOptions = {}): Promise<void> {
    checkByte(byte);
    checkAsyncOptions(options);
    const completion = completionOf(options.mode ?? 'store');
    await this.#inPieces('fillAsync', offset, length, options, (at, count) =>
      native.fillAsync(this.#handle, this.#base + offset + at, count, byte, completion),
    );
  }

  /**
   * {@link persist} on another thread: for ranges so large that write-back or msync takes a while. Durable when the promise
   * resolves.
   */
  async persistAsync(offset: number, length: number, options: AsyncOptions = {}): Promise<void> {
    checkAsyncOptions(options);
    await this.#inPieces('persistAsync', offset, length, options, (at, count) =>
      native.persistAsync(this.#handle, this.#base + offset + at, count),
    );
  }

  /**
   * Brings the pages of the range in on another thread, so that touching them later costs no page faults: several times faster
   * than touching each. Changes no byte; of a sparse file it allocates the blocks.
   */
  async populateAsync(offset: number, length: number, options: AsyncOptions = {}): Promise<void> {
    checkAsyncOptions(options);
    await this.#inPieces('populateAsync', offset, length, options, (at, count) =>
      native.populateAsync(this.#handle, this.#base + offset + at, count, !this.readOnly),
    );
  }

  /**
   * A region on part of this one, sharing its mapping and lock. It ends with this region; closing the slice itself only
   * ends the slice, and leaves its Buffers alone.
   */
  slice(offset: Size, length?: Size): Region {
    const start = parseSize(offset, 'offset');
    const count = length === undefined ? this.#size - start : parseSize(length, 'length');
    if (!within(start, count, this.#limit)) this.#refuse('slice', start, count);
    this.#examine('slice');
    return new Region(OPEN, this.#shared, this.#base + start, count, true);
  }

  /** What another thread of this process needs to {@link attach}. The lock is held until every thread has closed. */
  share(): RegionToken {
    this.#examine('share');
    const { handle, windows, keeper, closed, ...mapping } = this.#shared;
    return { pmemRegion: native.identify(handle), base: this.#base, size: this.#size, mapping };
  }

  /**
   * @internal Keeps others of this process from claiming the same bytes, whichever region, slice or thread they have them by.
   * @returns the claim, or what is in the way: `'exclusive'`, `'shared'`
   */
  claim(operation: string, exclusive: boolean): Claim | 'exclusive' | 'shared' {
    this.#examine(operation);
    return claimed(this.#handle, this.#base, this.#size, exclusive);
  }

  /** @internal The short way to blocks that a table names, where there is one. */
  blockTable(layout: BlockTableLayout): BlockTable | undefined {
    this.#examine('blockTable');
    const fail = (offset: number): Error => this.#failure('store64', lastOutcome(), offset);
    return BlockTable.of(this, this.#handle, this.#base, layout, fail);
  }

  /**
   * Takes what was persisted out of the memory controller's own queues too, which survive a power cut by ADR but not its
   * failure: `done`; `not-needed` where a persist goes to the device anyway (`page`); `unavailable` where the platform has
   * no way to (UEFI NVDIMM Firmware Interface Table, Flush Hint Address Structure).
   *
   * @throws PmemError with the POSIX code when the attempt failed (EACCES: writing `deep_flush` in sysfs needs root).
   */
  deepFlush(): DeepFlush {
    this.#examine('deepFlush');
    const { path, kind, durability, device, handle } = this.#shared;
    return deepFlush({ path, kind, durability, device, handle });
  }

  /**
   * Bytes in the smallest page that maps a part of the region, as /proc tells. Where the kernel maps by pages of one size only
   * (hugetlbfs, device-DAX), it is that size, whether pages were touched or not. Elsewhere it is what is mapped at this moment:
   * undefined while no page is, and where the kernel does not say how large they are (large pages of a file, before Linux 6.7).
   *
   * @throws PmemError with the POSIX code when /proc cannot be read: `EMFILE`, `ENOENT`
   */
  pageSize(): number | undefined {
    this.#examine('pageSize');
    return mappedPageSize(native.addressOf(this.#handle) + this.#base, this.#size);
  }

  /**
   * Ends the region: every Buffer made from it has length 0, and the memory is unmapped when the last user of it is gone. Does
   * not make anything durable. Closing twice is harmless.
   *
   * The lock is given back as soon as the asynchronous calls have ended that are under way on other threads. Memory that was moved
   * to another ArrayBuffer (`buffer.transfer()`, from Node.js 22 on) stays mapped and can be stored into until that one is
   * collected. If it is an instance's of a `DaxRegion`, nobody else gets the bytes before; else the lock does not wait for it.
   * Nor does any lock wait for O_DIRECT reads by node:fs into a Buffer of the region: end those first.
   */
  close(): void {
    if (this.closed) {
      this.#limit = -1;
      return;
    }
    this.#limit = -1;
    if (this.#isSlice) return;
    this.#shared.closed = true;
    knownSource.forget();
    knownTarget.forget();
    this.#shared.windows.detachAll();
    native.close(this.#handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Names the range of the next hot call. */
  #aim(operation: string, offset: number, length: number): void {
    if (!within(offset, length, this.#limit)) this.#refuse(operation, offset, length);
    mailbox[HANDLE] = this.#handle;
    mailbox[OFFSET] = this.#base + offset;
    mailbox[LENGTH] = length;
  }

  /** Throws if the region is closed or damaged, for calls that do not touch the memory themselves. */
  #examine(operation: string): void {
    this.#aim(operation, 0, 0);
    mailbox[EXTRA] = 0;
    crc32c();
    if (mailbox[STATUS] !== 0) throw this.#failure(operation);
  }

  /** Says what is wrong with a range that was found to be wrong. */
  #refuse(operation: string, offset: unknown, length: unknown): never {
    if (this.closed) throw closedError(operation, this.path);
    throw rangeError(offset, length, this.#size, 'region');
  }

  #failure(
    operation: string,
    outcome: Outcome = lastOutcome(),
    offset = (mailbox[OFFSET] as number) - this.#base,
  ): Error {
    return failure({ operation, path: this.path, extents: this.#pieces, base: this.#base, offset }, outcome);
  }

  /** Of the whole mapping. */
  get #pieces(): readonly ByteRange[] {
    const { fileOffset, size, extents = [{ offset: fileOffset, length: size }] } = this.#shared;
    return extents;
  }

  async #inPieces(
    operation: string,
    offset: number,
    length: number,
    { signal, onProgress }: AsyncOptions,
    run: (at: number, count: number) => Promise<Outcome>,
  ): Promise<void> {
    if (!within(offset, length, this.#limit)) this.#refuse(operation, offset, length);
    let at = 0;
    do {
      signal?.throwIfAborted();
      if (this.closed) throw closedError(operation, this.path);
      const count = Math.min(PIECE, length - at);
      const outcome = await run(at, count);
      if (outcome.status !== 0) throw this.#failure(operation, outcome, offset + at);
      at += count;
      onProgress?.(at);
    } while (at < length);
  }
}

/** A mapped region of persistent memory. */

import { isUint8Array } from 'node:util/types';
import {
  AT,
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
} from '../../binding.js';
import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { mappedPageSize } from '../../linux/pages.js';
import { type CheckedJob, checkJob, type JobOptions, readOptions } from '../../options.js';
import { formatSize } from '../../units.js';
import type { BackingKind } from '../backing.js';
import {
  bufferOf,
  checkByte,
  checkEncoding,
  checkRangeList,
  checkSeed,
  checkWord,
  lengthFrom,
  lengthOf,
  rangeError,
  startOf,
  within,
  wrongMode,
} from '../checks.js';
import { type Claim, claimed } from '../claim.js';
import { type DeepFlush, deepFlush } from '../durability/deep-flush.js';
import { piecesOf } from '../extents.js';
import { refuseInUse } from '../lock/in-use.js';
import type { ByteRange, Durability, Memory, WriteMode } from '../memory.js';
import { closedError, failure, lastOutcome } from './failure.js';
import { BlockTable, type BlockTableLayout } from './fast-sector.js';
import type { KnownUse, OpenedMapping } from './map-descriptor.js';
import { openMapping } from './open.js';
import { checkOptions, checkPath, type RegionOptions } from './options.js';
import { knownSource, knownTarget } from './source-cache.js';
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
  readonly extents: readonly ByteRange[] | undefined;
  /** Directory of the device in sysfs. */
  readonly device: string | undefined;
  readonly use: KnownUse;
  readonly windows: Windows;
  /** Gives the handle back when the last region on it was collected. */
  readonly keeper: object;
  closed: boolean;
  /** Nothing of it is left. A close that was interrupted is not done with, and done again by the next one. */
  ended: boolean;
}

/**
 * A region as another thread of this process can open it: pass it through `postMessage` or `workerData`, and call
 * {@link Region.attach} there while the region is open here.
 */
export interface RegionToken {
  readonly pmemRegion: number;
  readonly base: number;
  readonly size: number;
  readonly mapping: Omit<Shared, 'handle' | 'windows' | 'keeper' | 'closed' | 'ended'>;
}

/** One hop to the pool's threads costs some 20 µs; 8 MiB take a millisecond or more. */
const PIECE = 8 * 2 ** 20;

// Calls of constants are what V8 compiles best.
const { flush, drain, persist, flushRanges, write, writePart, read, readPart, fill, load64, store64, crc32c } = native;

/**
 * Where persistAll puts the ranges that it finds, until it has them all: reading one can run a getter, which can do anything with
 * regions. Whoever needs it takes it; who finds none makes another one.
 */
let spareRanges: Float64Array | undefined = new Float64Array(2 * MOST_RANGES);

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
 * A page that is gone (file truncated, media error) gives `ERR_PMEM_TRUNCATED`, `ERR_PMEM_MEDIA` or `ERR_PMEM_FAULT`. Where
 * somebody truncated the file within a page, the CPU still loads from that page and stores into it, past the file's end, and so do
 * {@link read}, {@link load64}, {@link store64} and stores of mode `'store'`. Every call that promises durability throws
 * `ERR_PMEM_TRUNCATED` there, and from then on every call does. A file that was extended again before has zeroes in that place.
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
   * **Block devices** are claimed by who stores (open(2), O_EXCL), as by mkfs and mount, until the last such region of this process
   * is closed: what is mounted, swap space, or claimed by md, device mapper or another program is refused (`EBUSY`), naming who has
   * it, and nobody mounts it meanwhile. So one process at a time stores to a device, whatever the bytes. With `shared` nothing is
   * claimed, and what is mounted, swapped to or held is refused as far as it can be seen when the region is opened. So is a file
   * that a loop device which is used has below it; nothing keeps others from mounting that later. A child of another thread that is
   * between fork and exec holds the claim until it is past that. `readOnly` and `allowInUse` claim and ask nothing.
   *
   * @throws PmemError with the POSIX code of the system call that failed; `EBUSY` when the device is in use; `ERR_PMEM_LOCKED` when
   *   another process has the bytes open; `ENODEV` for what cannot be mapped, which is not opened at all; with `create`, `EEXIST`
   *   (`exclusive`), `EACCES` for a file or link that a stranger can have put there and `ELOOP` for a link that leads nowhere;
   *   `ERR_PMEM_GRANULARITY` when the path offers less than `granularity`; `ERR_PMEM_SIZE_MISMATCH`; `ERR_PMEM_ENVIRONMENT` when
   *   PMEM_ASSUME_PERSISTENT is neither 1 nor empty; `ERR_PMEM_UNSUPPORTED_PLATFORM`, `ERR_PMEM_ADDON_NOT_LOADED`.
   */
  static open(path: string | Buffer | URL, options?: RegionOptions): Region {
    return Region.over(openMapping(checkPath(path), checkOptions(options)));
  }

  /** @internal A region on a mapping that was just made, and that it owns from now on. */
  static over(opened: OpenedMapping): Region {
    const windows = new Windows(opened.handle, opened.size);
    const shared: Shared = { ...opened, windows, closed: false, ended: false };
    return new Region(OPEN, shared, 0, shared.size, false);
  }

  /**
   * Opens a region that another thread of this process shares by {@link share}: the same mapping, closed independently.
   *
   * @throws PmemError `ERR_PMEM_CLOSED` when the region was closed by every thread meanwhile.
   */
  static attach(token: RegionToken): Region {
    if (!isToken(token)) throw wrongType('token', 'what region.share() returned', token);
    const { base, size } = token;
    const mapping = { ...token.mapping };
    const attached = native.attach(token.pmemRegion);
    if (attached === undefined) throw closedError('attach', mapping.path);
    const { handle, keeper } = attached;
    if (mapping.size !== attached.size || !within(base, size, mapping.size)) {
      native.close(handle);
      throw wrongValue('token', 'what region.share() returned', token);
    }
    const windows = new Windows(handle, mapping.size);
    const shared: Shared = { ...mapping, handle, keeper, windows, closed: false, ended: false };
    return new Region(OPEN, shared, base, size, false);
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** @inheritdoc */
  get lineOffset(): number {
    return this.#base % 64;
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
   * every later call throw `ERR_PMEM_READ_ONLY`. Once a region is damaged so, or by a page that was gone, its Buffers can be private
   * copies in part, and show what others store no more. On DAX files and device-DAX it can be the source and the target of O_DIRECT
   * I/O; for `/dev/mem` and PCI resources the kernel has no page structures and answers EFAULT.
   *
   * Where another thread (see {@link share}) or process stores into the same bytes, do not decode text from it: `toString()`, a
   * TextDecoder, `JSON.parse(view)` and their like can crash the process then. {@link readText} decodes from a copy.
   *
   * @param offset in bytes, default 0
   * @param length in bytes, default up to the region's end; at most the longest Buffer (4 GiB on Node.js 20)
   */
  view(offset = 0, length?: number): Buffer {
    const count = lengthFrom(offset, length, this.#size);
    if (!within(offset, count, this.#limit)) this.#refuse('view', offset, count);
    this.#examine('view');
    if (count > MOST_BUFFER_BYTES) {
      throw outOfRange(
        'length',
        `at most ${formatSize(MOST_BUFFER_BYTES)}, the longest Buffer here; take several views`,
        count,
      );
    }
    return this.#shared.windows.buffer(this.#base + offset, count);
  }

  /** @inheritdoc */
  read(offset: number, target: Uint8Array): void {
    const known = knownTarget.placeOf(target);
    if (known !== undefined) {
      this.#aim('read', offset, known.length);
      mailbox[AT] = known.start;
      readPart(known.buffer);
    } else {
      if (!isUint8Array(target)) throw wrongType('target', 'a Buffer or Uint8Array', target);
      const length = lengthOf.call(target);
      knownTarget.asked(target, length);
      this.#aim('read', offset, length);
      read(target);
    }
    if (mailbox[STATUS] !== 0) throw this.#failure('read');
  }

  /**
   * @inheritdoc
   * @throws PmemError as {@link read}: `ERR_PMEM_TRUNCATED`, `ERR_PMEM_MEDIA` or `ERR_PMEM_FAULT` for a page that is gone
   */
  readText(offset: number, length: number, encoding: BufferEncoding = 'utf8'): string {
    if (!within(offset, length, this.#limit)) this.#refuse('readText', offset, length);
    checkEncoding(encoding);
    const copy = Buffer.allocUnsafe(length);
    this.#aim('readText', offset, length);
    read(copy);
    if (mailbox[STATUS] !== 0) throw this.#failure('readText');
    return copy.toString(encoding);
  }

  /**
   * Copies all of `source` in. In mode `'persist'` the bytes are durable on return, which is faster than a write and a
   * persist; in mode `'flush'` after the next {@link drain}; by default after {@link persist}. A range that overlaps
   * `source` is copied as if through a third place. A power cut can tear it at any
   * multiple of 8 bytes if it begins and ends at one ({@link lineOffset}), else at any byte, unless it is 1, 2 or 4 bytes
   * aligned to their length.
   *
   * In mode `'flush'` large copies pass the caches by, and other threads may see them later than stores made afterwards, but
   * for {@link store64}, which waits for them.
   */
  write(offset: number, source: Uint8Array, mode: WriteMode = 'store'): void {
    const known = knownSource.placeOf(source);
    if (known !== undefined) {
      this.#aim('write', offset, known.length);
      mailbox[EXTRA] = completionOf(mode);
      mailbox[AT] = known.start;
      writePart(known.buffer);
    } else {
      if (!isUint8Array(source)) throw wrongType('source', 'a Buffer or Uint8Array', source);
      const length = lengthOf.call(source);
      knownSource.asked(source, length);
      this.#aim('write', offset, length);
      mailbox[EXTRA] = completionOf(mode);
      write(source);
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

  /**
   * Starts the write-back of the range; durable after the next {@link drain} of the same thread. On `page` granularity it only takes
   * note.
   */
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
    checkRangeList(ranges);
    const found = spareRanges ?? new Float64Array(2 * MOST_RANGES);
    spareRanges = undefined;
    const count = ranges.length;
    // Once and not for each range, which would take 20 ns.
    const polluted = 'offset' in Object.prototype || 'length' in Object.prototype;
    for (let done = 0; done < count; done += MOST_RANGES) {
      const most = Math.min(count - done, MOST_RANGES);
      for (let i = 0; i < most; i++) {
        const range = ranges[done + i];
        if (typeof range !== 'object' || range === null) {
          throw wrongType(`ranges[${done + i}]`, '{ offset, length }', range);
        }
        const { offset, length } = polluted ? readOptions(range, ['offset', 'length'], `ranges[${done + i}]`) : range;
        if (!within(offset, length, this.#limit)) this.#refuse('persistAll', offset, length);
        found[2 * i] = this.#base + offset;
        found[2 * i + 1] = length;
      }
      // From here to the call no code runs but this.
      for (let i = 0; i < 2 * most; i++) mailbox[RANGES + i] = found[i] as number;
      mailbox[HANDLE] = this.#handle;
      mailbox[EXTRA] = most;
      flushRanges();
      if (mailbox[STATUS] !== 0) throw this.#failure('persistAll');
    }
    spareRanges = found;
    this.#aim('persistAll', 0, 0);
    drain();
    if (mailbox[STATUS] !== 0) throw this.#failure('persistAll');
  }

  /** {@inheritDoc Memory.crc32c} In hardware where the CPU can. */
  crc32c(offset: number, length: number, seed = 0): number {
    checkSeed(seed);
    this.#aim('crc32c', offset, length);
    mailbox[EXTRA] = seed;
    crc32c();
    if (mailbox[STATUS] !== 0) throw this.#failure('crc32c');
    return mailbox[RESULT] as number;
  }

  /** {@link write} on another thread. The source must be left alone, and its memory not transferred, until then. */
  async writeAsync(
    offset: number,
    source: Uint8Array,
    mode: WriteMode = 'store',
    given: JobOptions = {},
  ): Promise<void> {
    if (!isUint8Array(source)) throw wrongType('source', 'a Buffer or Uint8Array', source);
    const length = lengthOf.call(source);
    const options = checkJob(given);
    const completion = completionOf(mode);
    await this.#inPieces('writeAsync', offset, length, options, (at, count) => {
      if (lengthOf.call(source) !== length) throw wrongValue('source', 'left alone until the promise settles', source);
      const piece = new Uint8Array(bufferOf.call(source), startOf.call(source) + at, count);
      return native.writeAsync(this.#handle, this.#base + offset + at, piece, completion);
    });
  }

  /** {@link read} on another thread. The target must be left alone, and its memory not transferred, until then. */
  async readAsync(offset: number, target: Uint8Array, given: JobOptions = {}): Promise<void> {
    if (!isUint8Array(target)) throw wrongType('target', 'a Buffer or Uint8Array', target);
    const length = lengthOf.call(target);
    const options = checkJob(given);
    await this.#inPieces('readAsync', offset, length, options, (at, count) => {
      if (lengthOf.call(target) !== length) throw wrongValue('target', 'left alone until the promise settles', target);
      const piece = new Uint8Array(bufferOf.call(target), startOf.call(target) + at, count);
      return native.readAsync(this.#handle, this.#base + offset + at, piece);
    });
  }

  /** {@link fill} on another thread. */
  async fillAsync(
    offset: number,
    length: number,
    byte = 0,
    mode: WriteMode = 'store',
    given: JobOptions = {},
  ): Promise<void> {
    checkByte(byte);
    const options = checkJob(given);
    const completion = completionOf(mode);
    await this.#inPieces('fillAsync', offset, length, options, (at, count) =>
      native.fillAsync(this.#handle, this.#base + offset + at, count, byte, completion),
    );
  }

  /**
   * {@link persist} on another thread: for ranges so large that write-back or msync takes a while. Durable when the promise
   * resolves.
   */
  async persistAsync(offset: number, length: number, given: JobOptions = {}): Promise<void> {
    const options = checkJob(given);
    await this.#inPieces('persistAsync', offset, length, options, (at, count) =>
      native.persistAsync(this.#handle, this.#base + offset + at, count),
    );
  }

  /**
   * Brings the pages of the range in on another thread, so that touching them later costs no page faults: several times faster
   * than touching each. Changes no byte; of a sparse file it allocates the blocks.
   */
  async populateAsync(offset: number, length: number, given: JobOptions = {}): Promise<void> {
    const options = checkJob(given);
    await this.#inPieces('populateAsync', offset, length, options, (at, count) =>
      native.populateAsync(this.#handle, this.#base + offset + at, count, !this.readOnly),
    );
  }

  /**
   * A region on part of this one, sharing its mapping and lock. It ends with this region; closing the slice itself only
   * ends the slice, and leaves its Buffers alone.
   */
  slice(offset: number, length?: number): Region {
    const count = lengthFrom(offset, length, this.#size);
    if (!within(offset, count, this.#limit)) this.#refuse('slice', offset, count);
    this.#examine('slice');
    return new Region(OPEN, this.#shared, this.#base + offset, count, true);
  }

  /**
   * What another thread of this process needs to {@link attach}. The lock is held until every thread has closed. From then on
   * bytes can change while they are read: take text from {@link readText}, not from a {@link view}.
   */
  share(): RegionToken {
    this.#examine('share');
    const { handle, windows, keeper, closed, ended, ...mapping } = this.#shared;
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

  /** @internal Refuses what came into use since it was opened, for those who make formats: a file, or a device that nobody claimed. */
  refuseInUse(): void {
    this.#examine('refuseInUse');
    const { path, kind, device, use } = this.#shared;
    const { identity, isClaimed, isAllowed } = use;
    if (!isAllowed) refuseInUse({ path, kind, identity, device: kind === 'block' ? device : undefined }, isClaimed);
  }

  /** @internal The short way to blocks that a table names, where there is one. */
  blockTable(layout: BlockTableLayout): BlockTable | undefined {
    this.#examine('blockTable');
    const fail = (offset: number): Error => this.#failure('store64', lastOutcome(), offset);
    return BlockTable.of(this, this.#handle, this.#base, layout, fail);
  }

  /**
   * @internal Whether it is a region all of whose calls are those of this class, so that none of them runs code of users'. Runs
   * none itself.
   */
  static runsOwnCode(memory: object): boolean {
    if (!(#shared in memory) || Object.getPrototypeOf(memory) !== Region.prototype) return false;
    if (Object.getOwnPropertyNames(memory).length > 0) return false;
    for (const [name, made] of members) {
      const now = Object.getOwnPropertyDescriptor(Region.prototype, name);
      if (now?.value !== made.value || now?.get !== made.get) return false;
    }
    return true;
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
    this.#limit = -1;
    if (this.#isSlice || this.#shared.ended) return;
    this.#shared.closed = true;
    knownSource.forget();
    knownTarget.forget();
    this.#shared.windows.detachAll();
    native.close(this.#handle);
    this.#shared.ended = true;
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
    { signal, onProgress }: CheckedJob,
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
      onProgress?.({ done: at, total: length });
    } while (at < length);
  }
}

/** As they were made. */
const members = Object.entries(Object.getOwnPropertyDescriptors(Region.prototype));

/** A mapped region of persistent memory. */

import { inspect } from 'node:util';
import { native } from '../../binding.js';
import { wrongValue } from '../../errors.js';
import { Jobs } from '../../jobs.js';
import { mappedPageSize } from '../../linux/pages.js';
import type { JobOptions } from '../../options.js';
import { printable } from '../../printable.js';
import { formatSize } from '../../units.js';
import type { BackingKind } from '../backing.js';
import { lengthFrom } from '../checks.js';
import { type Claim, claimed } from '../claim.js';
import { type DeepFlush, deepFlush } from '../durability/deep-flush.js';
import { piecesOf } from '../extents.js';
import { refuseInUse } from '../lock/in-use.js';
import type { ByteRange, Memory, WriteMode } from '../memory.js';
import { lastOutcome } from './failure.js';
import { FastSectors, type SectorTable } from './fast-sector.js';
import { inside, MappedMemory } from './mapped-memory.js';
import { extentsOf, type Mapping, mappingOf, type OpenedMapping } from './mapping.js';
import { openMapping } from './open.js';
import { checkOptions, checkPath, type RegionOptions } from './options.js';
import { asMade, isAsMade } from './own-code.js';
import { sourceCache, targetCache } from './source-cache.js';
import { attach, type RegionToken, tokenOf } from './token.js';
import * as transfer from './transfer.js';

const OPEN = Symbol('open');

/**
 * Persistent memory mapped into this process. Stores through {@link view}, {@link write}, {@link fill} and {@link store64} are
 * durable after {@link persist}, or {@link flush} and {@link drain}. {@link durability} says what that takes on this path.
 *
 * Every method throws `ERR_PMEM_CLOSED` after {@link close}, a `TypeError` for arguments of the wrong type, and a `RangeError`
 * (`ERR_OUT_OF_RANGE`) for ranges that are not whole numbers within the region, before a byte is touched.
 *
 * A page that is gone (file truncated, media error) makes a call throw `ERR_PMEM_TRUNCATED`, `ERR_PMEM_MEDIA` or `ERR_PMEM_FAULT`.
 * If somebody truncates the file within a page, the CPU still loads from the rest of that page and stores into it, and so do
 * {@link read}, {@link load64}, {@link store64} and stores in mode `'store'`. Every call that promises durability throws
 * `ERR_PMEM_TRUNCATED` there, and from then on every call does. If the file is extended again before, that place has zeroes.
 */
export class Region extends MappedMemory implements Memory, Disposable, AsyncDisposable {
  readonly #mapping: Mapping;
  /** Where this region begins in the mapping. */
  readonly #base: number;
  readonly #isSlice: boolean;
  /** Asynchronous calls on this region, whose slices count their own. */
  readonly #jobs = new Jobs();

  private constructor(guard: typeof OPEN, mapping: Mapping, base: number, size: number, isSlice: boolean) {
    if (guard !== OPEN) throw wrongValue('Region', 'made by Region.open', 'new');
    super(mapping, base, size);
    this.#mapping = mapping;
    this.#base = base;
    this.#isSlice = isSlice;
  }

  /**
   * Maps a file, `/dev/daxX.Y`, `/dev/mem`, a PCI `resourceN` or a block device. Takes an advisory lock on the bytes, exclusive unless
   * `readOnly`. Regions of other processes respect the lock; threads of this process share it.
   *
   * A device is locked by its node in /dev, whatever node it was opened by. No lock of a device excludes a process that cannot see or
   * open that node, such as one in a container with nodes of its own; nor do these exclude each other, though they have the same
   * bytes: `/dev/mem` or a PCI resource, and a device; a disk and its partitions; a DAX file and the device below.
   *
   * **Block devices** are claimed by a region that can store (open(2), O_EXCL), as mkfs and mount claim them, until the last such
   * region of this process is closed. A device that is mounted, is swap space, or is claimed by md, device mapper or another program
   * throws `EBUSY` with the holder's name, and nobody can mount the device meanwhile. So one process at a time stores to a device,
   * whatever the bytes. A child of another thread holds the claim, too, between its fork and exec.
   *
   * With `shared` nothing is claimed: a device in use is refused as far as that can be seen when the region is opened. The same holds
   * for a file below a loop device that is in use; nothing keeps others from mounting the loop device later. `readOnly` and
   * `allowInUse` claim nothing and check nothing.
   *
   * @throws PmemError with the POSIX code of the system call that failed; `EBUSY` when the device is in use; `ERR_PMEM_LOCKED` when
   *   another process has the bytes open; `ERR_PMEM_BUSY` when this process has them to itself, such as for an instance of a
   *   `DaxRegion`; `ENODEV` for what cannot be mapped, which is not opened at all; with `create`, `EEXIST`
   *   (`exclusive`), `EACCES` for a file or link that a stranger can have put there and `ELOOP` for a link that leads nowhere;
   *   `ERR_PMEM_GRANULARITY` when the path offers less than `granularity`; `ERR_PMEM_SIZE_MISMATCH`; `ERR_PMEM_ENVIRONMENT` when
   *   PMEM_ASSUME_PERSISTENT is neither 1 nor empty; `ERR_PMEM_UNSUPPORTED_PLATFORM`, `ERR_PMEM_ADDON_NOT_LOADED`.
   */
  static open(path: string | Buffer | URL, options?: RegionOptions): Region {
    return Region.over(openMapping(checkPath(path), checkOptions(options)));
  }

  /** @internal A region on a mapping that was just made, and that it owns from now on. */
  static over(opened: OpenedMapping): Region {
    return new Region(OPEN, mappingOf(opened), 0, opened.size, false);
  }

  /**
   * Opens a region that another thread of this process shares by {@link share}: the same mapping, closed independently.
   *
   * @throws PmemError `ERR_PMEM_CLOSED` when every thread has closed the region meanwhile; TypeError for what is no token
   */
  static attach(token: RegionToken): Region {
    const { mapping, base, size } = attach(token);
    return new Region(OPEN, mapping, base, size, false);
  }

  /** The path as given. */
  get path(): string {
    return this.#mapping.path;
  }

  get kind(): BackingKind {
    return this.#mapping.kind;
  }

  /** Where the region begins in the file or device, in bytes. */
  get fileOffset(): number {
    return this.extents[0]?.offset ?? this.#mapping.fileOffset + this.#base;
  }

  /** The bytes of the file or device that it is made of, in its order: one piece, but for the device of an instance with several. */
  get extents(): ByteRange[] {
    return piecesOf(extentsOf(this.#mapping), this.#base, this.size);
  }

  /** Directory in sysfs of the device that the bytes are on; undefined where the kernel does not tell. */
  get device(): string | undefined {
    return this.#mapping.device;
  }

  get readOnly(): boolean {
    return this.#mapping.readOnly;
  }

  /** {@link read} on another thread, up to 8 MiB at a time. Leave the target and its memory alone until the promise settles. */
  readAsync(offset: number, target: Uint8Array, options: JobOptions = {}): Promise<void> {
    return this.#job((region) => transfer.readAsync(region, offset, target, options));
  }

  /** {@link write} on another thread, up to 8 MiB at a time. Leave the source and its memory alone until the promise settles. */
  writeAsync(offset: number, source: Uint8Array, mode: WriteMode = 'store', options: JobOptions = {}): Promise<void> {
    return this.#job((region) => transfer.writeAsync(region, offset, source, mode, options));
  }

  /** {@link fill} on another thread, up to 8 MiB at a time. */
  fillAsync(
    offset: number,
    length: number,
    byte = 0,
    mode: WriteMode = 'store',
    options: JobOptions = {},
  ): Promise<void> {
    return this.#job((region) => transfer.fillAsync(region, offset, length, byte, mode, options));
  }

  /**
   * {@link persist} on another thread: for ranges so large that write-back or msync takes a while. Durable when the promise is
   * fulfilled.
   */
  persistAsync(offset: number, length: number, options: JobOptions = {}): Promise<void> {
    return this.#job((region) => transfer.persistAsync(region, offset, length, options));
  }

  /**
   * Brings the pages of the range in on another thread, several times faster than to touch each: later touches cost no page fault.
   * Changes no byte; of a sparse file it allocates the blocks.
   */
  populateAsync(offset: number, length: number, options: JobOptions = {}): Promise<void> {
    return this.#job((region) => transfer.populateAsync(region, offset, length, !this.readOnly, options));
  }

  /**
   * A region on part of this one, which shares its mapping and lock and ends when the whole region is closed. Closing the slice ends
   * the slice alone, and leaves its Buffers and slices of it as they are.
   *
   * @param offset in bytes
   * @param length in bytes, default up to the end
   */
  slice(offset: number, length?: number): Region {
    const count = lengthFrom(offset, length, this.size);
    inside.check(this, 'slice', offset, count);
    inside.examine(this, 'slice');
    return new Region(OPEN, this.#mapping, this.#base + offset, count, true);
  }

  /**
   * What another thread of this process needs to {@link attach}. The lock is held until every thread has closed. From then on
   * bytes can change while they are read: take text from {@link readText}, not from a {@link view}.
   */
  share(): RegionToken {
    inside.examine(this, 'share');
    return tokenOf(this.#mapping, this.#base, this.size);
  }

  /**
   * @internal Keeps others of this process from claiming the same bytes, whichever region, slice or thread they have them by.
   * @returns the claim, or what is in the way: `'exclusive'`, `'shared'`
   */
  claim(operation: string, exclusive: boolean): Claim | 'exclusive' | 'shared' {
    inside.examine(this, operation);
    return claimed(this.#mapping.handle, this.#base, this.size, exclusive);
  }

  /** @internal Refuses what came into use since it was opened, before a format is made: a file, or a device that nobody claimed. */
  refuseInUse(): void {
    inside.examine(this, 'refuseInUse');
    const { path, kind, device, use } = this.#mapping;
    const { identity, isClaimed, isAllowed } = use;
    if (!isAllowed) refuseInUse({ path, kind, identity, device: kind === 'block' ? device : undefined }, isClaimed);
  }

  /** @internal The fast path to sectors whose blocks a table names, where there is one. */
  fastSectors(table: SectorTable): FastSectors | undefined {
    inside.examine(this, 'fastSectors');
    const fail = (offset: number): Error => inside.failure(this, 'store64', lastOutcome(), offset);
    return FastSectors.of(this, this.#mapping.handle, this.#base, table, fail);
  }

  /** @internal Whether it is a region all of whose calls are those of this class, so that none runs users' code. Runs none itself. */
  static runsOwnCode(memory: object): boolean {
    if (!(#mapping in memory) || Object.getPrototypeOf(memory) !== Region.prototype) return false;
    return Object.getOwnPropertyNames(memory).length === 0 && CLASSES.every(isAsMade);
  }

  /**
   * Writes back the memory controller's own queues, too. Persisted bytes in them survive a power cut by ADR, but not if ADR fails.
   * (ACPI 6.5, NVDIMM Firmware Interface Table, Flush Hint Address Structure.)
   *
   * @returns `'done'`; `'not-needed'` where a persist goes to the device anyway (`page` granularity); `'unavailable'` where the
   *   platform has no way to
   * @throws PmemError with the POSIX code when the attempt failed (EACCES: writing `deep_flush` in sysfs needs root);
   * `ERR_PMEM_TRUNCATED` when the file does not contain all of the region any more.
   */
  deepFlush(): DeepFlush {
    inside.examine(this, 'deepFlush');
    const outcome = deepFlush(this.#mapping);
    // Afterwards: a truncation in between takes what was flushed.
    inside.confirm(this, 'deepFlush');
    return outcome;
  }

  /**
   * Bytes in the smallest page that maps a part of the region, by /proc. Where the kernel maps pages of one size only (hugetlbfs,
   * device-DAX) it is that size, whether pages were touched or not. Elsewhere it is that of the pages mapped at this moment: undefined
   * while no page is mapped, and where the kernel does not tell their size (large pages of a file, before Linux 6.7).
   *
   * @throws PmemError with the POSIX code when /proc cannot be read: `EMFILE`, `ENOENT`
   */
  pageSize(): number | undefined {
    inside.examine(this, 'pageSize');
    return mappedPageSize(native.addressOf(this.#mapping.handle) + this.#base, this.size);
  }

  /**
   * Ends the region: every Buffer made from it has length 0. The memory is unmapped when its last user is gone. Makes nothing durable.
   * Closing twice is harmless.
   *
   * The lock is released as soon as the asynchronous calls under way have ended, which other threads run. Memory that was moved to
   * another ArrayBuffer (`buffer.transfer()`, from Node.js 22 on) stays mapped, and can be stored into, until that ArrayBuffer is
   * collected. The lock of a `DaxRegion`'s instance waits for that; other locks do not. No lock waits for O_DIRECT reads by node:fs
   * into a Buffer of the region: end those first.
   */
  close(): void {
    const mapping = this.#mapping;
    inside.end(this);
    if (this.#isSlice || mapping.ended) return;
    mapping.closed = true;
    sourceCache.clear();
    targetCache.clear();
    mapping.windows.detachAll();
    native.close(mapping.handle);
    mapping.ended = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * {@link close}, once no asynchronous call on the region is under way, nor on its slices. Of a slice: once none is under way on the
   * slice itself.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#isSlice ? this.#jobs : this.#mapping.jobs).whenIdle(() => this.close());
  }

  [inspect.custom](): string {
    const { path, durability, readOnly } = this.#mapping;
    const facts = [formatSize(this.size), durability.volatile ? 'volatile' : durability.granularity];
    if (readOnly) facts.push('read-only');
    if (this.closed) facts.push('closed');
    return `Region { ${printable(path)} at ${this.fileOffset}: ${facts.join(', ')} }`;
  }

  #job(run: (region: transfer.Transferable) => Promise<void>): Promise<void> {
    const { handle, jobs } = this.#mapping;
    const job = run({
      handle,
      base: this.#base,
      check: (operation, offset, length) => inside.check(this, operation, offset, length),
      failure: (operation, outcome, offset) => inside.failure(this, operation, outcome, offset),
    });
    return this.#jobs.track(jobs.track(job));
  }
}

const CLASSES = [Region.prototype, MappedMemory.prototype].map(asMade);

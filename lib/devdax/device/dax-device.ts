/** Device-DAX, for users: a fixed page size, no private mappings, and mappings that never change. */

import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { inspect, types } from 'node:util';
import { native } from '../../binding.js';
import { PmemError, wrongType, wrongValue } from '../../errors.js';
import { Jobs } from '../../jobs.js';
import { refuseInUse } from '../../memory/lock/in-use.js';
import type { ByteRange } from '../../memory/memory.js';
import type { OpenedMapping } from '../../memory/region/mapping.js';
import { checkPath } from '../../memory/region/options.js';
import { Region } from '../../memory/region/region.js';
import { least } from '../../numbers.js';
import { formatSize } from '../../units.js';
import { type DaxSource, sizeOf } from '../dax-source.js';
import {
  type CheckedMap,
  checkMapOptions,
  checkOpenOptions,
  checkSharedOptions,
  type DaxMapAsyncOptions,
  type DaxMapOptions,
  type DaxOpenOptions,
  type DaxSharedOptions,
} from '../options.js';
import type { FaultGuarantee, Verdict } from './granularity.js';
import { mapRange, prepare, probe } from './mapping.js';
import { checkUnchanged, missingRules, type OpenDevice, openPath, openSource } from './open.js';
import { checkMapping } from './rules.js';

/** What {@link DaxDevice.faults} counted. */
export interface FaultCount<Result> {
  /** Page faults of this thread while the function ran, minor and major ones. */
  readonly faults: number;
  /** What the function returned. */
  readonly result: Result;
}

const { EBADF } = constants.errno;
const OPEN = Symbol('open');

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  if (!('then' in value) || typeof value.then !== 'function') return false;
  // Nobody else gets the promise: its failure must not end the process.
  if (types.isPromise(value)) value.catch(() => {});
  return true;
}

function notCounted(what: string): TypeError {
  const expected = 'a function that has finished when it returns (faults that it takes later would not be counted)';
  return wrongValue('fn', expected, what);
}

/** Closes the descriptors of devices that were collected. */
const collected = new FinalizationRegistry<number>((fd) => closeSync(fd));

/**
 * A DAX device: `/dev/daxX.Y`, or the same contract on a file, hugetlbfs, a memfd or a reserved range. Mappings begin and end at
 * multiples of {@link align} and are shared; each is a {@link Region}.
 *
 * One descriptor is open for the device's life, so that it does not matter when the path is deleted or replaced. Mappings outlive
 * {@link close}, as those of mmap(2) do. After it every method but `close` throws `ERR_PMEM_CLOSED`, with `errno` EBADF.
 */
export class DaxDevice implements Disposable, AsyncDisposable {
  readonly #opened: OpenDevice;
  readonly #size: number;
  readonly #missing: readonly string[];
  readonly #jobs = new Jobs();
  #verdict: Verdict;
  #closed = false;
  #regions: WeakRef<Region>[] = [];

  private constructor(guard: typeof OPEN, opened: OpenDevice, verdict: Verdict) {
    if (guard !== OPEN) throw wrongValue('DaxDevice', 'made by DaxDevice.open', 'new');
    this.#opened = opened;
    this.#size = sizeOf(opened.source.extents);
    // Asked now: the descriptor's number may be another file's after close.
    this.#missing = missingRules(opened);
    this.#verdict = verdict;
    collected.register(this, opened.fd, this);
  }

  /**
   * Opens a device, or emulates one on a file, hugetlbfs, a memfd (`/proc/self/fd/N`), `/dev/mem`, a PCI resource or a block device.
   * Maps one page for a moment to verify what is guaranteed; nothing stays mapped, and no lock is taken.
   *
   * @throws PmemError `EINVAL` for an alignment that the device was not configured for, and for a size or offset off the alignment;
   *   `ENXIO` for a device in mode system-ram; with `create`, `EEXIST`, `EACCES` and `ELOOP` as `Region.open`;
   *   `ERR_PMEM_FAULT_GRANULARITY` for a backing that cannot guarantee the size of faults; `ERR_PMEM_SIZE_MISMATCH`; otherwise the POSIX
   *   code of the system call that failed. TypeError and RangeError for wrong options.
   */
  static open(path: string | Buffer | URL, options?: DaxOpenOptions): DaxDevice {
    const checked = checkOpenOptions(options);
    const where = checkPath(path);
    for (const ways = { unnamed: true, inPlace: false }; ; ) {
      const { opened, made } = openPath(where, checked, ways);
      let device: DaxDevice;
      try {
        device = DaxDevice.#over(opened);
      } catch (error) {
        made?.drop();
        throw error;
      }
      try {
        if (made?.keep() !== false) return device;
      } catch (error) {
        device.close();
        throw error;
      }
      // Another program made a file at the path meanwhile.
      device.close();
    }
  }

  /** @internal Opens what a region has configured: {@link open} for a source of several extents. */
  static ofSource(source: DaxSource, options?: DaxSharedOptions): DaxDevice {
    return DaxDevice.#over(openSource(source, checkSharedOptions(options)));
  }

  /** A device on an open descriptor, which it owns from then on; closed where there is no device. */
  static #over(opened: OpenDevice): DaxDevice {
    try {
      if (!opened.options.readOnly) refuseInUse(opened.backing, opened.source.locked);
      // First: to map a truncated file on hugetlbfs for storing lengthens it.
      checkUnchanged(opened);
      return new DaxDevice(OPEN, opened, probe(opened));
    } catch (error) {
      closeSync(opened.fd);
      throw error;
    }
  }

  /** `dax0.0`, or the file's name. */
  get name(): string {
    return this.#opened.source.name;
  }

  /** The path as given. */
  get path(): string {
    return this.#opened.source.path;
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** Bytes: the unit of offsets, lengths, addresses and faults. */
  get align(): number {
    return this.#opened.source.align;
  }

  /** Physical address of the first byte; undefined for emulated devices, and where the kernel does not tell it: it tells root only. */
  get resource(): number | undefined {
    const { resource } = this.#opened.facts;
    const [first] = this.#opened.source.extents;
    return resource === undefined || first === undefined ? undefined : resource + first.offset;
  }

  /** The NUMA node that the memory is near to. */
  get numaNode(): number | undefined {
    return this.#opened.facts.numaNode;
  }

  /** The node that the memory would become in mode system-ram. */
  get targetNode(): number | undefined {
    return this.#opened.facts.targetNode;
  }

  /** An open device is in this mode: the kernel refuses to open a device in mode system-ram. */
  get mode(): 'devdax' {
    return 'devdax';
  }

  /** The region that the device is part of, as sysfs calls it: `region0`, `hmem.0`, `dax_region0`. */
  get region(): string | undefined {
    return this.#opened.facts.region;
  }

  /** True: this process keeps the rules, for itself; false: the kernel keeps them, for every process. */
  get emulated(): boolean {
    return this.#opened.source.emulated;
  }

  /** What is guaranteed of page faults. With `emulate`, a later mapping may turn out to lack the guarantee; this says so from then on. */
  get guarantee(): FaultGuarantee {
    const { given, reason } = this.#verdict;
    const missing = given ? this.#missing : [`fault granularity: ${reason}`, ...this.#missing];
    return { ...this.#verdict, missing };
  }

  get readOnly(): boolean {
    return this.#opened.options.readOnly;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * How many regions that this device mapped are open. A region that was collected without being closed does not count, although its
   * Buffers keep the memory mapped. While anything is mapped the backing must not be resized; for an instance of a `DaxRegion`,
   * `instance.inUse` is exact.
   */
  get mappings(): number {
    return this.#live().length;
  }

  /**
   * Maps a range of the device.
   *
   * @throws PmemError what mmap(2) would answer, in the same order of checks: `EINVAL`, `ENOMEM`, `EOVERFLOW`, `EOPNOTSUPP`, `EACCES`,
   *   `EEXIST`; `ENXIO` past the end, where the kernel would map and kill by SIGBUS later, and when the device was reconfigured since it
   *   was opened; `ERR_PMEM_LOCKED` when another process has the bytes, `ERR_PMEM_BUSY` when an instance of this process has;
   *   `ERR_PMEM_FAULT_GRANULARITY` when verifying finds faults of another size there. TypeError and RangeError for wrong options.
   */
  map(options?: DaxMapOptions): Region {
    const checked = this.#check(options, 'sync');
    const mapped = mapRange(this.#opened, checked);
    try {
      const steps = prepare(this.#opened, mapped, checked, this.#verdict);
      for (let step = steps.next(0); ; ) {
        if (step.done === true) return this.#finish(mapped, step.value);
        const range = step.value;
        const { handle, readOnly } = mapped;
        step = steps.next(range === undefined ? 0 : native.populate(handle, range.offset, range.length, !readOnly));
      }
    } catch (error) {
      native.close(mapped.handle);
      throw error;
    }
  }

  /**
   * {@link map}, step by step: another thread faults pages in, and the event loop turns between the steps, also while the guarantee is
   * verified.
   *
   * @throws PmemError as {@link map}; the signal's reason when it was aborted, and nothing stays mapped
   */
  async mapAsync(options?: DaxMapAsyncOptions): Promise<Region> {
    const checked = this.#check(options, 'async');
    checked.signal?.throwIfAborted();
    return await this.#jobs.track(this.#mapSteps(checked));
  }

  async #mapSteps(checked: CheckedMap): Promise<Region> {
    const mapped = mapRange(this.#opened, checked);
    try {
      const steps = prepare(this.#opened, mapped, checked, this.#verdict);
      for (let step = steps.next(0); ; ) {
        checked.signal?.throwIfAborted();
        if (step.done === true) return this.#finish(mapped, step.value);
        step = steps.next(await take(mapped, step.value));
      }
    } catch (error) {
      native.close(mapped.handle);
      throw error;
    }
  }

  /**
   * Bytes of the smallest page that maps a part of this device's open regions now, as /proc says ({@link Region.pageSize}). Where
   * {@link guarantee} is given, {@link align} stands for pages that nobody has touched yet. Undefined while no region is open, and
   * without the guarantee while no page is mapped.
   *
   * @throws PmemError as {@link Region.pageSize}
   */
  pageSize(): number | undefined {
    this.#checkOpen('pageSize');
    const sizes = this.#live().flatMap((region) => {
      const found = region.pageSize();
      if (found !== undefined) return [found];
      // No page is mapped yet, or this kernel does not tell their size; what was verified holds.
      return this.#verdict.given ? [this.align] : [];
    });
    return sizes.length === 0 ? undefined : least(sizes);
  }

  /**
   * Counts the page faults that this thread takes while `fn` runs: where {@link guarantee} is given, one for each page of {@link align}
   * bytes that is touched for the first time. Faults of JavaScript's own heap and code count too; there are few if `fn` ran once before,
   * on something else.
   *
   * @throws TypeError for an asynchronous function: its faults after the first `await` would not be counted, and those of other code
   *   would
   */
  faults<Result>(fn: () => Result): FaultCount<Result> {
    this.#checkOpen('faults');
    if (typeof fn !== 'function') throw wrongType('fn', 'a function', fn);
    if (types.isAsyncFunction(fn)) throw notCounted('an async function');
    native.threadFaults();
    const before = native.threadFaults();
    const result = fn();
    const faults = native.threadFaults() - before;
    if (isThenable(result)) throw notCounted('a function that returns a promise');
    return { faults, result };
  }

  /** Closes the descriptor. Regions stay mapped until they are closed themselves. Closing twice is harmless. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    collected.unregister(this);
    closeSync(this.#opened.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** {@link close}, once no {@link mapAsync} is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs.whenIdle(() => this.close());
  }

  /** What `console.log` shows. */
  [inspect.custom](): string {
    const kind = this.emulated ? 'emulated, ' : '';
    return `DaxDevice ${this.name} (${kind}${this.#closed ? 'closed' : formatSize(this.size)})`;
  }

  #live(): Region[] {
    const found = this.#regions.map((reference) => reference.deref()).filter((region) => region?.closed === false);
    this.#regions = this.#regions.filter((reference) => reference.deref()?.closed === false);
    return found as Region[];
  }

  #checkOpen(operation: string): void {
    if (!this.#closed) return;
    const { path } = this.#opened.source;
    const message = `${operation}: the DAX device '${path}' is closed; open it again`;
    throw new PmemError('ERR_PMEM_CLOSED', message, { path, errno: EBADF });
  }

  #check(options: DaxMapAsyncOptions | undefined, kind: 'sync' | 'async'): CheckedMap {
    const checked = checkMapOptions(options, this, kind);
    this.#checkOpen('map');
    checkMapping(checked, this, () => checkUnchanged(this.#opened));
    return checked;
  }

  #finish(mapped: OpenedMapping, verdict: Verdict): Region {
    this.#verdict = verdict;
    const { given, pageSize } = verdict;
    const durability = given ? { ...mapped.durability, pageSize } : mapped.durability;
    const region = Region.over({ ...mapped, durability });
    this.#live();
    this.#regions.push(new WeakRef(region));
    return region;
  }
}

/** One step of an asynchronous mapping; resolves to its status. */
async function take({ handle, readOnly }: OpenedMapping, range: ByteRange | undefined): Promise<number> {
  if (range !== undefined) return (await native.populateAsync(handle, range.offset, range.length, !readOnly)).status;
  await setImmediate();
  return 0;
}

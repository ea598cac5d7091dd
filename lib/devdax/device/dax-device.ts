/** Device-DAX: a page size fixed at configuration, no private mappings, and what was mapped stays what it is. */

import { closeSync, fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { types } from 'node:util';
import { type HeldLock, type Mapped, native, Status } from '../../binding.js';
import { errorName, PmemError, systemError, wrongType, wrongValue } from '../../errors.js';
import { daxDeviceAt } from '../../linux/dax/devices.js';
import { piecesOf } from '../../memory/extents.js';
import { lockRange } from '../../memory/lock/acquire.js';
import { refuseInUse } from '../../memory/lock/in-use.js';
import type { ByteRange } from '../../memory/memory.js';
import { type MapPlan, mapDescriptor, mapPlan, type OpenedMapping } from '../../memory/region/map-descriptor.js';
import { checkPath } from '../../memory/region/options.js';
import { Region } from '../../memory/region/region.js';
import { greatest, least } from '../../numbers.js';
import { own } from '../../options.js';
import { type DaxSource, sizeOf } from '../dax-source.js';
import {
  type CheckedMap,
  type CheckedShared,
  checkMapOptions,
  checkOpenOptions,
  checkSharedOptions,
  type DaxMapAsyncOptions,
  type DaxMapOptions,
  type DaxOpenOptions,
  type DaxSharedOptions,
} from '../options.js';
import { type FaultGuarantee, type FaultKind, hindrance, noGuarantee, type Verdict, verify } from './granularity.js';
import { missingRules, type OpenedDevice, openOpened, openPath } from './open.js';
import { checkMapping } from './rules.js';

/** What {@link DaxDevice.faults} counted. */
export interface FaultCount<Result> {
  /** Page faults of this thread while the function ran, minor and major ones. */
  readonly faults: number;
  /** What the function returned. */
  readonly result: Result;
}

const { EBADF, ENXIO } = constants.errno;
const OPEN = Symbol('open');
/** Bytes faulted in between two reports of progress. */
const PIECE = 64 * 2 ** 20;

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  if (!('then' in value) || typeof value.then !== 'function') return false;
  // Nobody else gets it: its failure must not end the process.
  if (value instanceof Promise) value.catch(() => {});
  return true;
}

function notCounted(what: string): TypeError {
  const expected = 'a function that is done when it returns (the faults of what runs later would not be counted)';
  return wrongValue('fn', expected, what);
}

/** Gives the lock back where what is checked under it throws: no mapping takes it over then. */
function refuseLocked(lock: HeldLock | undefined, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (lock !== undefined) native.unlock(lock);
    throw error;
  }
}

/** Whether larger pages are to be kept out, where the file system could bring them in at once. */
function mapsSmall(how: FaultKind, align: number): boolean {
  return how === 'dax' && align === native.pageSize();
}

/** Closes the descriptors of devices that were forgotten. */
const forgotten = new FinalizationRegistry<number>((fd) => closeSync(fd));

/**
 * A DAX device: `/dev/daxX.Y`, or the same contract on a file, hugetlbfs, a memfd or a reserved range. Mappings begin and end
 * at multiples of {@link align}, are shared, and are a {@link Region} each.
 *
 * One descriptor is open for the device's life: a path that is deleted or replaced does not matter. Mappings outlive
 * {@link close}, as those of mmap(2) do. Everything but closing again throws `ERR_PMEM_CLOSED` after it, whose `errno` is EBADF.
 */
export class DaxDevice implements Disposable {
  readonly #opened: OpenedDevice;
  readonly #source: DaxSource;
  readonly #options: CheckedShared;
  readonly #size: number;
  #verdict: Verdict;
  #fd: number;
  #regions: WeakRef<Region>[] = [];

  /** @internal Use {@link DaxDevice.open}. */
  constructor(guard: typeof OPEN, opened: OpenedDevice, source: DaxSource, options: CheckedShared) {
    if (guard !== OPEN) throw wrongValue('DaxDevice', 'made by DaxDevice.open', 'new');
    this.#opened = opened;
    // What it does not say, Object.prototype does not say for it.
    this.#source = Object.assign(Object.create(null), source);
    this.#options = options;
    this.#size = sizeOf(source.extents);
    this.#fd = opened.fd;
    if (!options.readOnly) refuseInUse(opened.backing, source.locked);
    // First: a mapping for storing makes a file on hugetlbfs longer that was made shorter.
    this.#unchanged();
    this.#verdict = this.#probe();
    if (!this.#verdict.given && !options.emulate) {
      throw noGuarantee(source.path, source.align, this.#verdict.reason);
    }
    forgotten.register(this, opened.fd, this);
  }

  /**
   * Opens a device, or emulates one on a file, hugetlbfs, a memfd (`/proc/self/fd/N`), `/dev/mem`, a PCI resource or a block
   * device. Nothing stays mapped and no lock is taken.
   *
   * @throws PmemError `EINVAL` for an alignment that the device was not configured for, and a size or offset off the alignment;
   *   `ENXIO` for a device in mode system-ram; with `create`, `EEXIST`, `EACCES` and `ELOOP` as `Region.open`; `ERR_PMEM_FAULT_GRANULARITY` for a backing that cannot guarantee the size of
   *   faults; `ERR_PMEM_SIZE_MISMATCH`; otherwise the POSIX code of the system call that failed.
   */
  static open(path: string | Buffer | URL, options?: DaxOpenOptions): DaxDevice {
    const checked = checkOpenOptions(options);
    const where = checkPath(path);
    for (const ways = { unnamed: true, inPlace: false }; ; ) {
      const { opened, source, made } = openPath(where, checked, ways);
      let device: DaxDevice;
      try {
        device = deviceOf(opened, source, checked);
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
      // Something is at the path by now.
      device.close();
    }
  }

  /** `dax0.0`, or the file's name. */
  get name(): string {
    return this.#source.name;
  }

  /** The path as given. */
  get path(): string {
    return this.#source.path;
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** Bytes: the unit of offsets, lengths, addresses and faults. */
  get align(): number {
    return this.#source.align;
  }

  /** Physical address of its first byte; undefined for emulated devices, and where the kernel does not tell (it tells root only). */
  get resource(): number | undefined {
    const { resource } = this.#opened.facts;
    const [first] = this.#source.extents;
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

  /** What can be opened is in this mode: in mode system-ram the kernel lets nobody open it. */
  get mode(): 'devdax' {
    return 'devdax';
  }

  /** What the device was carved from, in sysfs's words: `region0`, `hmem.0`, `dax_region0`. */
  get region(): string | undefined {
    return this.#opened.facts.region;
  }

  /** True: the rules are kept here, by this process; false: by the kernel, against everybody. */
  get emulated(): boolean {
    return this.#source.emulated;
  }

  /** What is guaranteed of faults. If a later mapping turns out not to have it (`emulate`), this says so from then on. */
  get guarantee(): FaultGuarantee {
    const missing = missingRules(this.#opened, this.#source);
    const { given, reason } = this.#verdict;
    return { ...this.#verdict, missing: given ? missing : [`fault granularity: ${reason}`, ...missing] };
  }

  get readOnly(): boolean {
    return this.#options.readOnly;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /**
   * How many regions mapped by this device are open, and not forgotten: of one that was collected without being closed, Buffers
   * that are left keep the memory mapped, and are not counted. While anything is mapped the backing must not be resized; of an
   * instance of a `DaxRegion`, `instance.inUse` tells exactly.
   */
  get mappings(): number {
    return this.#live().length;
  }

  /**
   * Maps a range of the device.
   *
   * @throws PmemError what mmap(2) would answer, in the same order of checks: `EINVAL`, `ENOMEM`, `EOVERFLOW`, `EOPNOTSUPP`,
   *   `EACCES`, `EEXIST`; `ENXIO` past the end, where the kernel would map and then kill by SIGBUS, and when the device was
   *   reconfigured since it was opened; `ERR_PMEM_LOCKED` when another process has the bytes;
   *   `ERR_PMEM_FAULT_GRANULARITY` when verifying finds faults of another size there.
   */
  map(options?: DaxMapOptions): Region {
    const checked = this.#check(options, 'sync');
    const mapped = this.#mapNow(checked);
    return this.#finish(mapped, () => {
      const steps = this.#verifying(checked, mapped);
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done === true) break;
        if (!checked.populate) checked.onProgress?.(step.value);
      }
      if (!checked.populate) return;
      for (let at = 0; at < mapped.size; at += PIECE) {
        const length = Math.min(PIECE, mapped.size - at);
        this.#populated(at, native.populate(mapped.handle, at, length, !mapped.readOnly));
        checked.onProgress?.(at + length);
      }
    });
  }

  /** {@link map}, with the event loop turning while pages are verified and, on another thread, faulted in. */
  async mapAsync(options?: DaxMapAsyncOptions): Promise<Region> {
    const checked = this.#check(options, 'async');
    checked.signal?.throwIfAborted();
    const mapped = this.#mapNow(checked);
    try {
      const steps = this.#verifying(checked, mapped);
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done === true) break;
        if (!checked.populate) checked.onProgress?.(step.value);
        await setImmediate();
        checked.signal?.throwIfAborted();
      }
      for (let at = 0; checked.populate && at < mapped.size; at += PIECE) {
        const length = Math.min(PIECE, mapped.size - at);
        const { status } = await native.populateAsync(mapped.handle, at, length, !mapped.readOnly);
        this.#populated(at, status);
        checked.onProgress?.(at + length);
        checked.signal?.throwIfAborted();
      }
      checked.signal?.throwIfAborted();
    } catch (error) {
      native.close(mapped.handle);
      throw error;
    }
    return this.#finish(mapped, () => {});
  }

  /**
   * Bytes in the smallest page that maps a part of this device's open regions now, by /proc, as {@link Region.pageSize} tells of
   * each; where {@link guarantee} is given, {@link align} for what nobody has touched yet. Undefined while no region is open, and
   * without the guarantee while no page is mapped.
   *
   * @throws PmemError as {@link Region.pageSize}
   */
  pageSize(): number | undefined {
    this.#examine('pageSize');
    const sizes = this.#live().flatMap((region) => {
      const found = region.pageSize();
      if (found !== undefined) return [found];
      // Nothing is there yet, or whole pages that this kernel cannot tell apart; what was verified holds.
      return this.#verdict.given ? [this.align] : [];
    });
    return sizes.length === 0 ? undefined : least(sizes);
  }

  /**
   * Counts the page faults that this thread takes while `fn` runs: one for each page of {@link align} bytes that is touched for
   * the first time, where {@link guarantee} is given. Those that JavaScript's own heap and code take count too; run `fn` once
   * before, on something else, to have few of them.
   *
   * @throws TypeError for a function that is asynchronous: what it does after its first `await` would not be counted, and what
   *   others do meanwhile would
   */
  faults<Result>(fn: () => Result): FaultCount<Result> {
    this.#examine('faults');
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
    if (this.#fd < 0) return;
    forgotten.unregister(this);
    const fd = this.#fd;
    this.#fd = -1;
    closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #live(): Region[] {
    const found = this.#regions.map((reference) => reference.deref()).filter((region) => region?.closed === false);
    this.#regions = this.#regions.filter((reference) => reference.deref()?.closed === false);
    return found as Region[];
  }

  #examine(operation: string): void {
    if (this.#fd >= 0) return;
    const { path } = this.#source;
    const message = `${operation}: the DAX device '${path}' is closed; open it again`;
    throw new PmemError('ERR_PMEM_CLOSED', message, { path, errno: EBADF });
  }

  #check(options: DaxMapAsyncOptions | undefined, kind: 'sync' | 'async'): CheckedMap {
    const checked = checkMapOptions(options, this, kind);
    this.#examine('map');
    checkMapping(checked, this, () => this.#unchanged());
    return checked;
  }

  /** The geometry is fixed for the device's life: one that was given another since is not what was opened. */
  #unchanged(): void {
    const { backing, facts } = this.#opened;
    const { align, whole } = this.#source;
    const opened = { size: backing.size ?? Number.POSITIVE_INFINITY, pageSize: backing.pageSize };
    const { driver, ...now } = this.#now();
    const fits = now.size >= this.#end && align % now.pageSize === 0 && driver === facts.driver;
    const isSame = now.size === opened.size && now.pageSize === opened.pageSize;
    if (fits && (isSame || (backing.kind === 'file' && whole !== true))) return;
    const { path } = this.#source;
    const is = driver === facts.driver ? `has ${now.size} bytes` : `is served by ${driver ?? 'no driver'}`;
    const pages = now.pageSize === opened.pageSize ? '' : ` aligned to ${now.pageSize}`;
    const message = `ENXIO: '${path}' was reconfigured since it was opened, and ${is}${pages}; close it and open it again`;
    throw new PmemError('ENXIO', message, { errno: ENXIO, path });
  }

  /** Where the device's last byte ends, in the file or device that it is made of. */
  get #end(): number {
    return greatest(this.#source.extents.map(({ offset, length }) => offset + length));
  }

  /** Size, alignment and driver as they are now; what the kernel does not tell, as it was. */
  #now(): { size: number; pageSize: number; driver: string | undefined } {
    const { backing, facts } = this.#opened;
    const { kind, device, size = Number.POSITIVE_INFINITY, pageSize } = backing;
    const { driver } = facts;
    if (kind === 'file') return { size: fstatSync(this.#fd).size, pageSize, driver };
    if (kind !== 'devdax' || device === undefined) return { size, pageSize, driver };
    const now = daxDeviceAt(device);
    return { size: now.align === undefined ? size : now.size, pageSize: now.align ?? pageSize, driver: now.driver };
  }

  #mapNow(checked: CheckedMap): OpenedMapping {
    const [offset, length] = [Number(checked.offset), Number(checked.length)];
    const { writable, dontDump } = checked;
    const [readOnly, address] = [!writable, Number(checked.address ?? 0n)];
    const { backing, probed } = this.#opened;
    const { extents, path, locked: held } = this.#source;
    const pieces = piecesOf(extents, offset, length);
    const [first] = pieces;
    let lock = this.#useLock();
    if (!this.#options.shared && !held && first !== undefined) {
      lock = lockRange(this.#fd, backing, first.offset, first.offset + first.length, !readOnly);
    }
    try {
      // Instances hold their bytes since before, and claimed the device then.
      if (!readOnly && !held) refuseLocked(lock, () => refuseInUse(backing, lock !== undefined));
      const plan = { ...this.#plan(pieces, !readOnly), address, dontDump, lock };
      const { assumePersistent } = this.#options;
      return mapDescriptor({ backing, probed, plan }, { assumePersistent, granularity: 'page', allowInUse: false });
    } catch (error) {
      throw systemError(error, path);
    }
  }

  /** What every mapping of the device has in common. */
  #plan(extents: readonly ByteRange[], writable: boolean): MapPlan {
    const { backing, how } = this.#opened;
    const { align } = this.#source;
    return {
      fd: this.#fd,
      extents,
      // Not the alignment: where a page is gone, no more than that one is lost.
      pageSize: backing.pageSize,
      alignment: align,
      mustAlign: true,
      smallPages: mapsSmall(how, align),
      writable,
    };
  }

  /** Of an instance: one more user of the lock on its bytes, which the mapping takes over. */
  #useLock(): HeldLock | undefined {
    const { lock, name, path } = this.#source;
    const held = lock === undefined ? undefined : native.retainLock(lock);
    if (lock === undefined || held !== undefined) return held;
    throw new PmemError('ERR_PMEM_CLOSED', `map: ${name} was destroyed; create another instance`, {
      errno: EBADF,
      path,
    });
  }

  /** Tries the first page of the device, before anybody relies on it. */
  #probe(): Verdict {
    const { backing, how } = this.#opened;
    const { align, emulated } = this.#source;
    const reason = hindrance(backing, how, align);
    if (reason !== undefined) return { given: false, pageSize: backing.pageSize, verifiedBy: undefined, reason };
    const mapped = this.#mapProbe();
    try {
      const examined = { handle: mapped.handle, size: align, readOnly: this.#readsProbe, offset: 0 };
      const steps = verify(examined, backing, how, align);
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done !== true) continue;
        if (emulated || !step.value.given) return step.value;
        return { ...step.value, reason: `device-DAX: ${step.value.reason}` };
      }
    } finally {
      native.close(mapped.handle);
    }
  }

  /** What has pages of its own is not touched by verifying; and mapped for storing, a file on hugetlbfs may become longer. */
  get #readsProbe(): boolean {
    return this.#options.readOnly || this.#opened.how === 'pages of its own';
  }

  /** The first page, without any lock and without huge pages being set aside. */
  #mapProbe(): Mapped {
    const { backing, probed } = this.#opened;
    const { align, extents } = this.#source;
    const [{ offset } = { offset: 0 }] = extents;
    const plan = { ...this.#plan([{ offset, length: align }], !this.#readsProbe), noReserve: true };
    return mapPlan({ backing, probed, plan });
  }

  /** Verifies a mapping; throws where the guarantee is not given and not waived. */
  *#verifying({ offset }: CheckedMap, mapped: OpenedMapping): Generator<number, void, void> {
    const { backing, how } = this.#opened;
    const { align, path } = this.#source;
    if (!this.#verdict.given) return;
    const { handle, size, readOnly } = mapped;
    const verdict = yield* verify({ handle, size, readOnly, offset: Number(offset) }, backing, how, align);
    if (verdict.given) return;
    if (!this.#options.emulate) throw noGuarantee(path, align, verdict.reason);
    this.#verdict = verdict;
  }

  #populated(at: number, status: number): void {
    if (status === 0) return;
    const { path } = this.#source;
    const code = status > 0 ? errorName(status) : status === Status.closed ? 'ERR_PMEM_CLOSED' : 'ERR_PMEM_FAULT';
    const where = `offset ${at} of a mapping of '${path}'`;
    throw new PmemError(code, `${code}: populate: from ${where} on a page cannot be had`, { path, offset: at });
  }

  #finish(mapped: OpenedMapping, prepare: () => void): Region {
    try {
      prepare();
    } catch (error) {
      native.close(mapped.handle);
      throw error;
    }
    const { given, pageSize } = this.#verdict;
    const durability = given ? { ...mapped.durability, pageSize } : mapped.durability;
    const region = Region.over({ ...mapped, durability });
    this.#live();
    this.#regions.push(new WeakRef(region));
    return region;
  }
}

/** Closes the descriptor when the device does not come about. */
function deviceOf(opened: OpenedDevice, source: DaxSource, options: CheckedShared): DaxDevice {
  try {
    return new DaxDevice(OPEN, opened, source, options);
  } catch (error) {
    closeSync(opened.fd);
    throw error;
  }
}

/** @internal Opens what a region has configured: {@link DaxDevice.open} for a source of several extents. */
export function openSource(source: DaxSource, options?: DaxSharedOptions): DaxDevice {
  const checked = checkSharedOptions(options);
  return deviceOf(openOpened(source.path, checked, own(source, 'descriptor')), source, checked);
}

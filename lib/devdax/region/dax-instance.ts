/** An instance of a DAX region, for users: a device that can be opened, resized and destroyed. */

import { inspect } from 'node:util';
import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import type { Jobs } from '../../jobs.js';
import type { WriteMode } from '../../memory/memory.js';
import type { Region } from '../../memory/region/region.js';
import {
  booleanOption,
  type CheckedJob,
  JOB_OPTIONS,
  type JobOptions,
  jobOptions,
  ownOptions,
  signalOption,
} from '../../options.js';
import { formatSize } from '../../units.js';
import { DaxDevice } from '../device/dax-device.js';
import { multipleBelow } from '../nearest.js';
import { checkSharedOptions, type DaxSharedOptions, SHARED_NAMES } from '../options.js';
import type { DaxMapping, InstanceBackend, Waiting } from './backend.js';
import { busy, checkAligned, gone, regionClosed } from './errors.js';

/** What instances know of the region that they were made in. */
export interface Home {
  readonly path: string;
  readonly align: number;
  readonly size: number;
  readonly closed: boolean;
  /** Defaults of the options with which its instances are opened. */
  readonly defaults: DaxSharedOptions;
  /** What is under way in the region. */
  readonly jobs: Jobs;
}

/** A size of an instance: at least one unit, in whole units, not more than the region has. `given` is what the user wrote. */
export function checkInstanceSize(
  bytes: number,
  name: string,
  { align, size: most, path }: Home,
  given: unknown,
): void {
  if (bytes === 0) {
    const least = `at least ${align} bytes, the region's alignment (destroy an instance to be rid of it)`;
    throw outOfRange(name, least, given);
  }
  checkAligned(name, bytes, { align, path, least: align, most: multipleBelow(most, align) });
  if (bytes > most) throw outOfRange(name, `at most ${most}, the size of the region on '${path}'`, given);
}

/** Options of {@link DaxInstance.resizeAsync}. */
export interface DaxWaitOptions {
  /** Ends the wait for other programs; the promise rejects with the signal's reason, and nothing was changed. */
  signal?: AbortSignal;
}

/** Options of {@link DaxInstance.destroy}. */
export interface DaxDestroyOptions {
  /** Overwrite all bytes with zeroes, durably, before anybody else can have them. Default false: they keep their contents. */
  zero?: boolean;
}

/**
 * Options of {@link DaxInstance.destroyAsync}. `onProgress` gets the bytes that are zero so far; it is not called without `zero`. A
 * signal stops between two steps, and the instance is still there.
 */
export interface DaxDestroyAsyncOptions extends DaxDestroyOptions, JobOptions {}

const DESTROY_OPTIONS = ['zero'] as const;

/** On volatile memory nothing can be made durable; the old bytes are overwritten all the same. */
function zeroMode({ durability }: Region): WriteMode {
  return durability.volatile ? 'store' : 'persist';
}

const MAKE = Symbol('make');

/**
 * A device made of bytes of a {@link DaxRegion}, which nobody else has as long as the instance lives. In a region of the kernel it is
 * the kernel's own device, and outlives this object.
 *
 * {@link resize}, {@link destroy} and {@link open} throw `ERR_PMEM_CLOSED` once the instance was destroyed or its region closed.
 */
export class DaxInstance {
  readonly #backend: InstanceBackend;
  readonly #home: Home;
  /** Devices opened here. Weakly: a device that was collected is closed. */
  #opened: WeakRef<DaxDevice>[] = [];
  #destroyed = false;

  private constructor(guard: typeof MAKE, backend: InstanceBackend, home: Home) {
    if (guard !== MAKE) throw wrongValue('DaxInstance', 'made by region.create', 'new');
    this.#backend = backend;
    this.#home = home;
  }

  /** @internal Use `region.create`. */
  static over(backend: InstanceBackend, home: Home): DaxInstance {
    return new DaxInstance(MAKE, backend, home);
  }

  /** `dax0.1`: the region's id, and the lowest number that was free. */
  get name(): string {
    return this.#backend.name;
  }

  /** Bytes; 0 once it was destroyed. */
  get size(): number {
    return this.destroyed ? 0 : this.#backend.size;
  }

  /** Bytes: the unit of its pages and of what can be mapped. */
  get align(): number {
    return this.#backend.align;
  }

  /**
   * Its pieces in its own order, as `mapping0`, `mapping1`, … of the kernel's devices. Empty where only root may know the addresses, and
   * once it was destroyed.
   */
  get mappings(): DaxMapping[] {
    return this.destroyed ? [] : this.#backend.mappings;
  }

  /** It was destroyed, here or by another program, or its region was closed. */
  get destroyed(): boolean {
    return this.#destroyed || !this.#backend.exists;
  }

  /** It is open in this process, or something mapped from it is left. */
  get inUse(): boolean {
    this.#opened = this.#opened.filter((reference) => reference.deref()?.closed === false);
    return this.#opened.length > 0 || this.#backend.inUse;
  }

  /**
   * Makes it larger or smaller. The bytes that stay keep their place and their contents. Growing takes the lowest free bytes; those right
   * after its last piece extend that piece. Shrinking gives the last bytes back. Whatever fails, the instance is as it was.
   *
   * In a region of the kernel the device is unbound, resized and bound again, while no other program of this package changes that region:
   * where one does, {@link resizeAsync} waits for it.
   *
   * @param size in bytes; a multiple of the region's alignment, at least one unit
   * @throws PmemError `EBUSY` while it is open or mapped, in whatever process or thread: a mapping never changes; `EINVAL` for a size off
   *   the alignment, with the nearest; `ENOSPC` with what is free; `ERR_PMEM_LOCKED` when another process has the bytes, or is
   *   changing the region, `ERR_PMEM_BUSY` when this process does; `EOPNOTSUPP` in a static region of the kernel; `EACCES`: not root. TypeError and RangeError for a wrong size.
   */
  resize(size: number): void {
    this.#checkResize(size);
    this.#backend.resize(size);
  }

  /**
   * {@link resize}, which waits up to 10 seconds for other programs of this package that change the same region of the kernel.
   *
   * @throws PmemError as {@link resize}; the signal's reason
   */
  async resizeAsync(size: number, options: DaxWaitOptions = {}): Promise<void> {
    const signal = signalOption(ownOptions(options, ['signal']).signal);
    signal?.throwIfAborted();
    this.#checkResize(size);
    const waiting = { signal, check: () => this.#checkResize(size) };
    await this.#home.jobs.track(this.#backend.resizeAsync(size, waiting));
  }

  #checkResize(size: number): void {
    this.#check('resize');
    if (typeof size !== 'number') throw wrongType('size', 'a number of bytes', size);
    if (!Number.isSafeInteger(size) || size < 0) throw outOfRange('size', 'a whole number of bytes', size);
    checkInstanceSize(size, 'size', this.#home, size);
    this.#refuseBusy('resized');
  }

  /**
   * Gives all its bytes back. Without `zero: true` they keep their contents, which the next owner can read. With it they are
   * overwritten, and the zeroes durable, before the bytes are given back: interrupted or failed at any moment, the instance is still
   * there, with some of its bytes zero.
   *
   * In a region of the kernel the device is unbound, made empty and deleted. The kernel keeps the first device, `daxN.0`, empty; the next
   * device that is made takes its place.
   *
   * @throws PmemError `EBUSY`, `ERR_PMEM_LOCKED`, `ERR_PMEM_BUSY`, `EOPNOTSUPP` and `EACCES` as {@link resize}; with `zero` what mapping and storing
   *   throw, as `ERR_PMEM_MEDIA`, and nothing is given back
   */
  destroy(options: DaxDestroyOptions = {}): void {
    const zero = booleanOption(ownOptions(options, DESTROY_OPTIONS).zero, 'zero', false);
    this.#checkDestroy();
    if (zero) {
      this.#backend.checkDestroy();
      using device = this.#openToZero();
      using memory = device.map();
      memory.fill(0, memory.size, 0, zeroMode(memory));
    }
    this.#checkDestroy();
    this.#backend.destroy();
    this.#destroyed = true;
  }

  /**
   * {@link destroy}: another thread stores the zeroes, step by step, and meanwhile the instance is in use; and it waits for other programs
   * as {@link resizeAsync} does.
   *
   * @throws PmemError as {@link destroy}; the signal's reason
   */
  async destroyAsync(given: DaxDestroyAsyncOptions = {}): Promise<void> {
    const options = ownOptions(given, [...DESTROY_OPTIONS, ...JOB_OPTIONS]);
    const zero = booleanOption(options.zero, 'zero', false);
    const job = jobOptions(options);
    job.signal?.throwIfAborted();
    this.#checkDestroy();
    await this.#home.jobs.track(this.#destroyStep(zero, job));
  }

  async #destroyStep(zero: boolean, job: CheckedJob): Promise<void> {
    if (zero) {
      this.#backend.checkDestroy();
      await this.#zero(job);
      job.signal?.throwIfAborted();
      this.#checkDestroy();
    }
    const waiting: Waiting = { signal: job.signal, check: () => this.#checkDestroy() };
    await this.#backend.destroyAsync(waiting);
    this.#destroyed = true;
  }

  async #zero({ signal, onProgress }: CheckedJob): Promise<void> {
    using device = this.#openToZero();
    using memory = device.map();
    await memory.fillAsync(0, memory.size, 0, zeroMode(memory), {
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
  }

  /** In use as if a user had opened it: nobody resizes or destroys it meanwhile. */
  #openToZero(): DaxDevice {
    return this.#note(DaxDevice.ofSource(this.#backend.source(), { emulate: true }));
  }

  #note(device: DaxDevice): DaxDevice {
    this.#opened.push(new WeakRef(device));
    return device;
  }

  /**
   * Opens it as `DaxDevice.open` opens a device: the same rules, the same mappings, all its pieces in one range of addresses.
   *
   * @throws PmemError as `DaxDevice.open`; `ESTALE` when the region's path names another file now, or none
   */
  open(given: DaxSharedOptions = {}): DaxDevice {
    this.#check('open');
    const options = ownOptions(given, SHARED_NAMES);
    const checked = checkSharedOptions(options);
    // An option that is undefined is not given.
    const emulate = options.emulate ?? this.#home.defaults.emulate ?? false;
    return this.#note(DaxDevice.ofSource(this.#backend.source(), { ...checked, emulate }));
  }

  #check(operation: string): void {
    if (this.#home.closed) throw regionClosed(this.#home.path, operation);
    if (this.destroyed) throw gone(this.name, this.#home.path, operation);
  }

  #checkDestroy(): void {
    this.#check('destroy');
    this.#refuseBusy('destroyed');
  }

  #refuseBusy(verb: string): void {
    if (!this.inUse) return;
    const reason = `is open or mapped, and cannot be ${verb}; close the device and its mappings first`;
    throw busy(this.name, this.#home.path, reason);
  }

  /** What `console.log` shows. */
  [inspect.custom](): string {
    const state = this.destroyed ? 'destroyed' : formatSize(this.size);
    return `DaxInstance ${this.name} (${state}${this.inUse ? ', in use' : ''})`;
  }
}

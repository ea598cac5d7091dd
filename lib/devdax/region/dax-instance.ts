/** An instance of a DAX region, for users: a device that can be opened, resized and destroyed. */

import { inspect } from 'node:util';
import { outOfRange, wrongValue } from '../../errors.js';
import type { WriteMode } from '../../memory/memory.js';
import { checkAsyncOptions } from '../../memory/region/options.js';
import type { Region } from '../../memory/region/region.js';
import { booleanOption, ownOptions } from '../../options.js';
import { formatSize, parseSize, type Size } from '../../units.js';
import { DaxDevice } from '../device/dax-device.js';
import { multipleBelow } from '../nearest.js';
import { checkSharedOptions, type DaxSharedOptions, SHARED_NAMES } from '../options.js';
import type { DaxMapping, InstanceBackend } from './backend.js';
import { busy, checkAligned, gone, regionClosed } from './errors.js';

/** What instances know of the region that they were made in. */
export interface Home {
  readonly path: string;
  readonly align: number;
  readonly size: number;
  readonly closed: boolean;
  /** Defaults of the options with which its instances are opened. */
  readonly defaults: DaxSharedOptions;
}

/** A size of an instance: at least one unit, in whole units, not more than the region has. */
export function checkSize(size: Size, name: string, { align, size: most, path }: Home): number {
  const bytes = parseSize(size, name);
  if (bytes === 0) {
    throw outOfRange(
      name,
      `at least ${align} bytes, the region's alignment (destroy an instance to be rid of it)`,
      size,
    );
  }
  checkAligned(name, bytes, { align, path, least: align, most: multipleBelow(most, align) });
  if (bytes > most) throw outOfRange(name, `at most ${most}, the size of the region on '${path}'`, size);
  return bytes;
}

/** Options of {@link DaxInstance.destroy}. */
export interface DaxDestroyOptions {
  /** Overwrite all its bytes with zeroes, durably, before anybody else can have them. Default false: they keep what they hold. */
  zero?: boolean;
}

/** Options of {@link DaxInstance.destroyAsync}. */
export interface DaxDestroyAsyncOptions extends DaxDestroyOptions {
  /** Stops between two pieces; the promise rejects with the signal's reason, and the instance is still there. */
  signal?: AbortSignal;
  /** Called after each piece with the bytes that are zero so far. */
  onProgress?: (bytes: number) => void;
}

const DESTROY_OPTIONS = ['zero'] as const;

/** Of memory that forgets nothing can be durable; what was there is overwritten all the same. */
function wipeMode({ durability }: Region): WriteMode {
  return durability.volatile ? 'store' : 'persist';
}

export const MAKE = Symbol('make');

/**
 * A device made of bytes of a {@link DaxRegion}, which are nobody else's as long as it lives. Of a region of the kernel it is the
 * kernel's own device, and outlives this object.
 *
 * What {@link resize}, {@link destroy} and {@link open} refuse once it was destroyed, or its region closed, they refuse with
 * `ERR_PMEM_CLOSED`.
 */
export class DaxInstance {
  readonly #backend: InstanceBackend;
  readonly #home: Home;
  /** Opened here. Weakly: who forgets a device has closed it. */
  #opened: WeakRef<DaxDevice>[] = [];
  #destroyed = false;

  /** @internal Use `region.create`. */
  constructor(guard: typeof MAKE, backend: InstanceBackend, home: Home) {
    if (guard !== MAKE) throw wrongValue('DaxInstance', 'made by region.create', 'new');
    this.#backend = backend;
    this.#home = home;
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
   * Its pieces in its own order, as `mapping0`, `mapping1`, … of the kernel's devices: one that is free no longer is followed by
   * the next one that was. Empty where only root may know the addresses.
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
   * Makes it longer or shorter. What stays keeps its place and its bytes. Growing takes the lowest free bytes, first those right
   * behind its last piece if they are the lowest; shrinking gives back the last ones. Whatever fails, it is as it was.
   *
   * Of a region of the kernel the device is unbound for that, given the size, and bound again.
   *
   * @param size in bytes; a multiple of the region's alignment, at least one
   * @throws PmemError `EBUSY` while it is open or mapped, in whatever process and thread: mapped once, it behaves the same as long
   *   as it is mapped; `EINVAL` for a size off the alignment, with the nearest; `ENOSPC` with what is free; `ERR_PMEM_LOCKED` when
   *   somebody else has the bytes; `EOPNOTSUPP` in a static region of the kernel; EACCES: not root.
   */
  resize(size: Size): void {
    this.#check('resize');
    const bytes = checkSize(size, 'size', this.#home);
    this.#refuseBusy('resized');
    this.#backend.resize(bytes);
  }

  /**
   * Gives all its bytes back. Without `zero: true` they keep their contents, which whoever gets them next can read. With it they are
   * overwritten, and the zeroes durable, before the bytes are given back: interrupted or failed at any moment, it is still there,
   * with some of its bytes zero.
   *
   * Of a region of the kernel the device is unbound, made empty and deleted; the kernel keeps the first one, `daxN.0`, empty, and
   * the next one that is made takes its place.
   *
   * @throws PmemError `EBUSY`, `EOPNOTSUPP` and `EACCES` as {@link resize}; with `zero` what mapping and storing throw, as
   *   `ERR_PMEM_MEDIA`, and nothing is given back.
   */
  destroy(options: DaxDestroyOptions = {}): void {
    const { zero } = ownOptions(options, DESTROY_OPTIONS);
    const isZeroed = booleanOption(zero, 'zero', false);
    this.#check('destroy');
    this.#refuseBusy('destroyed');
    if (isZeroed) {
      this.#backend.checkDestroy();
      using device = this.#openToWipe();
      using memory = device.map();
      memory.fill(0, memory.size, 0, wipeMode(memory));
    }
    this.#destroyNow();
  }

  /** {@link destroy}, with the zeroes stored in pieces, on another thread. Meanwhile the instance is in use. */
  async destroyAsync(options: DaxDestroyAsyncOptions = {}): Promise<void> {
    const { zero, ...given } = ownOptions(options, [...DESTROY_OPTIONS, 'signal', 'onProgress']);
    const followed = checkAsyncOptions(given);
    const isZeroed = booleanOption(zero, 'zero', false);
    followed.signal?.throwIfAborted();
    this.#check('destroy');
    this.#refuseBusy('destroyed');
    if (isZeroed) {
      this.#backend.checkDestroy();
      using device = this.#openToWipe();
      using memory = device.map();
      const { signal, onProgress } = followed;
      await memory.fillAsync(0, memory.size, 0, wipeMode(memory), {
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress: ({ done }) => onProgress(done) }),
      });
      followed.signal?.throwIfAborted();
    }
    this.#check('destroy');
    this.#destroyNow();
  }

  /** As in use as if somebody had opened it: nothing resizes or destroys it meanwhile. */
  #openToWipe(): DaxDevice {
    const device = DaxDevice.ofSource(this.#backend.source(), { emulate: true });
    this.#opened.push(new WeakRef(device));
    return device;
  }

  #destroyNow(): void {
    this.#refuseBusy('destroyed');
    this.#backend.destroy();
    this.#destroyed = true;
  }

  /**
   * Opens it as `DaxDevice.open` opens a device: the same rules, the same mappings, all its pieces in one range of addresses.
   *
   * @throws PmemError as `DaxDevice.open`; `ESTALE` when the region's path names another file now, or none
   */
  open(given: DaxSharedOptions = {}): DaxDevice {
    this.#check('open');
    const options = ownOptions(given, SHARED_NAMES);
    // An option that is given as undefined is not given.
    const checked = checkSharedOptions(options);
    const emulate = options.emulate ?? this.#home.defaults.emulate ?? false;
    const device = DaxDevice.ofSource(this.#backend.source(), { ...checked, emulate });
    this.#opened.push(new WeakRef(device));
    return device;
  }

  #check(operation: string): void {
    if (this.#home.closed) throw regionClosed(this.#home.path, operation);
    if (this.destroyed) throw gone(this.name, this.#home.path, operation);
  }

  #refuseBusy(verb: string): void {
    if (!this.inUse) return;
    throw busy(
      this.name,
      this.#home.path,
      `is open or mapped, and can't be ${verb}; close the device and its mappings first`,
    );
  }

  /** What `console.log` shows. */
  [inspect.custom](): string {
    const state = this.destroyed ? 'destroyed' : formatSize(this.size);
    return `DaxInstance ${this.name} (${state}${this.inUse ? ', in use' : ''})`;
  }
}

/** A DAX region, for users: a range of memory, and the devices made of it. */

import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { outOfRange, PmemError, wrongType, wrongValue } from '../../errors.js';
import { type DaxBusRegion, daxBusRegions } from '../../linux/dax/regions.js';
import { HOST, type Host } from '../../linux/host.js';
import type { ByteRange } from '../../memory/memory.js';
import { checkPath } from '../../memory/region/options.js';
import { booleanOption, ownOptions, readOptions } from '../../options.js';
import { parseSize, type Size } from '../../units.js';
import { sizeOf } from '../dax-source.js';
import { KERNEL } from '../drivers.js';
import type { DaxSharedOptions } from '../options.js';
import type { InstanceBackend, RegionBackend } from './backend.js';
import { checkSize, DaxInstance, type Home, MAKE } from './dax-instance.js';
import { EmulatedRegion } from './emulated.js';
import { busy, checkAligned, noSpace, outsideRegion, regionClosed } from './errors.js';
import { KernelRegion } from './kernel.js';

/** Options of {@link DaxRegion.open}. */
export interface DaxRegionOptions {
  /**
   * Bytes: 4 KiB, 2 MiB or 1 GiB. The unit of its instances' sizes and of their pages. Default: of a device its own, elsewhere
   * 2 MiB, or the page size of hugetlbfs.
   */
  align?: Size;
  /** Where the region begins in the file or device, in bytes; a multiple of `align`. Default 0. */
  offset?: Size;
  /** Bytes; a multiple of `align`. Default: up to the end. `/dev/mem` has none. */
  size?: Size;
  /**
   * The number in its instances' names, which then may be those of another region's. Default: the lowest that neither the kernel nor
   * another region of this thread has.
   */
  id?: number;
  /** Default of the option of that name of `instance.open`: go without the guarantee that each fault brings in a page of `align`. */
  emulate?: boolean;
}

/** What is asked for of {@link DaxRegion.create}. */
export interface DaxCreateOptions {
  /** Bytes; a multiple of the region's alignment. Default: all that is free, or the sum of `ranges`. */
  size?: Size;
  /** In one piece: the first free one that is large enough, rather than the lowest bytes. Default false. */
  contiguous?: boolean;
  /** These very bytes, in this order, as `instance.mappings` tells them: a layout that was written down is made again so. */
  ranges?: readonly { readonly start: number; readonly end: number }[];
}

/** Which regions of the kernel are wanted; what is left out does not matter. */
export interface DaxRegionFilter {
  /** The number in its devices' names. */
  id?: number;
  /** The node that the memory is near to. */
  numaNode?: number;
  /** The node that the memory is, or would become as ordinary memory: memory of one performance class. */
  targetNode?: number;
}

const ALIGNMENTS = [4096, 2 ** 21, 2 ** 30];
const { ENODEV } = constants.errno;
/** Ids of the regions that are open in this thread, and how many have each; one that was forgotten gives its id back. */
const used = new Map<number, number>();
const forgotten = new FinalizationRegistry(giveBack);

function giveBack(id: number): void {
  const others = (used.get(id) ?? 1) - 1;
  if (others === 0) used.delete(id);
  else used.set(id, others);
}

function isUsedByKernel(host: Host): (id: number) => boolean {
  let names: string[] = [];
  try {
    names = readdirSync(`${host.sys}/bus/dax/devices`);
  } catch {
    // The kernel has no such bus.
  }
  return (id) => names.some((name) => name.startsWith(`dax${id}.`));
}

function unusedId(host: Host): number {
  const isKernels = isUsedByKernel(host);
  let id = 0;
  while (used.has(id) || isKernels(id)) id++;
  return id;
}

function number(value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (!Number.isInteger(value) || value < 0 || value > 2 ** 31 - 1) {
    throw outOfRange(name, 'a whole number from 0 to 2^31 - 1', value);
  }
  return value;
}

function checkFilter(given: DaxRegionFilter): DaxRegionFilter {
  const filter = ownOptions(given, ['id', 'numaNode', 'targetNode']);
  number(filter.id, 'filter.id');
  number(filter.numaNode, 'filter.numaNode');
  number(filter.targetNode, 'filter.targetNode');
  return filter;
}

function alignment(align: Size | undefined): number | undefined {
  if (align === undefined) return undefined;
  const bytes = parseSize(align, 'options.align');
  if (!ALIGNMENTS.includes(bytes)) throw outOfRange('options.align', "'4KiB', '2MiB' or '1GiB'", align);
  return bytes;
}

const OPEN = Symbol('open');

/**
 * A range of memory from which exclusive devices are made, as the DAX bus of Linux has them: `dax0.0`, `dax0.1`, …, created,
 * resized and destroyed in units of the alignment, each of one piece or several.
 *
 * {@link DaxRegion.open} makes one of any bytes that can be mapped: a file, also on hugetlbfs, tmpfs or a DAX file system, a
 * range of `/dev/mem`, or a device `/dev/daxX.Y`. Its layout lives as long as the object, and is recorded nowhere: what was
 * `dax0.1` must be made again, by `ranges` or by the same calls, to be the same bytes (NVDIMM labels will record it).
 * {@link DaxRegion.find} and {@link DaxRegion.list} give the kernel's own, whose devices are the kernel's, and stay.
 *
 * Every method throws `ERR_PMEM_CLOSED` after {@link close}.
 */
export class DaxRegion implements Disposable {
  readonly #backend: RegionBackend;
  readonly #defaults: DaxSharedOptions;
  readonly #known = new Map<string, DaxInstance>();
  #closed = false;

  /** @internal Use {@link DaxRegion.open} or {@link DaxRegion.find}. */
  constructor(guard: typeof OPEN, backend: RegionBackend, defaults: DaxSharedOptions = {}) {
    if (guard !== OPEN) throw wrongValue('DaxRegion', 'made by DaxRegion.open or DaxRegion.find', 'new');
    this.#backend = backend;
    this.#defaults = defaults;
  }

  /**
   * A region on bytes of a file or device. Takes no lock itself: several may lie on the same bytes, and only instances exclude
   * each other.
   *
   * @throws PmemError `EINVAL` for an offset or a size off the alignment, with the nearest, for an alignment less than the pages
   *   that the path is mapped in, and for a path without an end and no `size`; otherwise the POSIX code with which the path cannot
   *   be opened for reading and writing. RangeError for what lies behind the end.
   */
  static open(path: string | Buffer | URL, given: DaxRegionOptions = {}): DaxRegion {
    const checked = checkPath(path);
    const options = ownOptions(given, ['align', 'offset', 'size', 'id', 'emulate']);
    const align = alignment(options.align);
    const offset = parseSize(options.offset ?? 0, 'options.offset');
    const size = options.size === undefined ? undefined : parseSize(options.size, 'options.size');
    const id = number(options.id, 'options.id') ?? unusedId(HOST);
    const emulate = booleanOption(options.emulate, 'emulate');
    const backend = new EmulatedRegion(checked, { align, offset, size }, id);
    used.set(id, (used.get(id) ?? 0) + 1);
    const region = new DaxRegion(OPEN, backend, emulate === undefined ? {} : { emulate });
    forgotten.register(region, id, region);
    return region;
  }

  /** The kernel's regions that fit, by their ids. None where the kernel has no DAX bus. */
  static list(filter: DaxRegionFilter = {}, host: Host = HOST): DaxRegion[] {
    const wanted = checkFilter(filter);
    const fits = (region: DaxBusRegion) =>
      (wanted.id ?? region.id) === region.id &&
      (wanted.numaNode ?? region.numaNode) === region.numaNode &&
      (wanted.targetNode ?? region.targetNode) === region.targetNode;
    return daxBusRegions(host)
      .filter(fits)
      .map((region) => new DaxRegion(OPEN, new KernelRegion(region, { ...KERNEL, host })));
  }

  /**
   * The first of the kernel's regions that fits: memory of the node that is wanted.
   *
   * @throws PmemError `ENODEV` when there is none, with those that there are.
   */
  static find(filter: DaxRegionFilter = {}, host: Host = HOST): DaxRegion {
    const [found] = DaxRegion.list(filter, host);
    if (found !== undefined) return found;
    const all = DaxRegion.list({}, host).map(
      ({ id, numaNode, targetNode }) =>
        `${id} (NUMA node ${numaNode ?? 'unknown'}, target node ${targetNode ?? 'unknown'})`,
    );
    const wanted = Object.keys(filter).length === 0 ? '' : ` with ${JSON.stringify(filter)}`;
    const there = all.length === 0 ? '' : `; it has ${all.join(', ')}`;
    const message = `ENODEV: the kernel has no DAX region${wanted}${there}`;
    throw new PmemError('ENODEV', message, { errno: ENODEV });
  }

  /** The number in its devices' names. */
  get id(): number {
    return this.#backend.id;
  }

  /** The path as given; of a region of the kernel its directory in sysfs. */
  get path(): string {
    return this.#backend.path;
  }

  /** Bytes. */
  get size(): number {
    return this.#backend.size;
  }

  /** Bytes: sizes of instances are multiples of it. The kernel's own want 2 MiB at least, whatever their pages are. */
  get align(): number {
    return this.#backend.align;
  }

  /** Bytes that no instance has; 0 in a static region of the kernel. */
  get availableSize(): number {
    return this.#backend.availableSize;
  }

  /** Of the kernel: its devices are the kernel's, and every program's. */
  get real(): boolean {
    return this.#backend.real;
  }

  /** The node that the memory is near to, as far as the kernel tells. */
  get numaNode(): number | undefined {
    return this.#backend.numaNode;
  }

  /** The node that the memory is, or would become as ordinary memory, as far as the kernel tells. */
  get targetNode(): number | undefined {
    return this.#backend.targetNode;
  }

  /** Physical address of its first byte; undefined for files, and where only root may know. */
  get resource(): number | undefined {
    return this.#backend.resource;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Its instances by their numbers; of the kernel those with a size, whoever made them. */
  get instances(): DaxInstance[] {
    return this.#closed ? [] : this.#backend.instances.map((backend) => this.#instance(backend));
  }

  /**
   * Makes an instance of the lowest free bytes, in several pieces where they do not lie together, as the kernel does; its name has
   * the lowest number that is free. From now on its bytes are nobody else's: another process, thread or region that wants one of
   * them, and a plain `Region.open` of them, is refused with `ERR_PMEM_LOCKED`, until it is destroyed, the region is closed or
   * collected, or the thread or process ends. Whatever fails, nothing is left of it.
   *
   * Of a region of the kernel the device is created, given its size and bound to the driver `device_dax` through sysfs (as root);
   * it is every program's, stays when this process ends, and is locked as any device when it is mapped. Programs of this package
   * that create, resize or destroy in the same region wait for each other, up to 10 seconds each; others, such as daxctl, do not.
   *
   * @throws PmemError `EINVAL` for a size off the alignment, with the nearest; `ENOSPC` with what is free; `ERR_PMEM_LOCKED` when
   *   somebody else has the bytes, with the bytes and, as far as it is known, who; `EOPNOTSUPP` in a static region of the kernel
   *   (NVDIMM); `EBUSY` when another program took the same device of the kernel meanwhile; `EACCES`: not root. RangeError for a size of 0 or larger than the region.
   */
  create(given: DaxCreateOptions = {}): DaxInstance {
    if (this.#closed) throw regionClosed(this.path, 'create');
    const options = ownOptions(given, ['size', 'contiguous', 'ranges']);
    const contiguous = booleanOption(options.contiguous, 'contiguous', false);
    const ranges = options.ranges === undefined ? undefined : this.#ranges(options.ranges);
    const size = this.#wanted(options.size, ranges);
    return this.#instance(this.#backend.create({ size, contiguous, ranges }));
  }

  #wanted(size: Size | undefined, ranges: readonly ByteRange[] | undefined): number {
    const sum = ranges === undefined ? undefined : sizeOf(ranges);
    if (size !== undefined) {
      const bytes = checkSize(size, 'options.size', this.#home);
      if (sum !== undefined && sum !== bytes) throw wrongValue('options.size', `the sum of the ranges, ${sum}`, size);
      return bytes;
    }
    const available = sum ?? this.availableSize;
    // Of a static region create itself says what it is.
    if (available === 0 && !this.real) throw noSpace(this.path, this.align, 0);
    return available;
  }

  #ranges(ranges: readonly { readonly start: number; readonly end: number }[]): ByteRange[] {
    if (!Array.isArray(ranges)) throw wrongType('options.ranges', 'an array of { start, end }', ranges);
    if (ranges.length === 0) throw wrongValue('options.ranges', 'at least one { start, end }', '[]');
    const { start: first = 0, size, align, path } = this.#backend;
    const last = this.#backend.start === undefined ? Number.MAX_SAFE_INTEGER : first + size - 1;
    return ranges.map((range: unknown, i) => {
      const name = `options.ranges[${i}]`;
      if (typeof range !== 'object' || range === null) throw wrongType(name, '{ start, end }', range);
      const { start, end } = readOptions(range as { start: number; end: number }, ['start', 'end'], name);
      for (const [what, value] of [
        [`${name}.start`, start],
        [`${name}.end`, end],
      ] as const) {
        if (typeof value !== 'number') throw wrongType(what, 'a number of bytes', value);
        if (!Number.isSafeInteger(value) || value < first || value > last)
          throw outsideRegion(what, first, last, value);
      }
      if (end < start) throw outOfRange(`${name}.end`, `the last byte, from ${start} on`, end);
      const behind = Math.floor((last + 1) / align) * align;
      checkAligned(`${name}.start`, start, { align, path, least: first, most: behind - align });
      checkAligned(`${name}.end + 1`, end + 1, { align, path, least: first + align, most: behind });
      return { offset: start, length: end + 1 - start };
    });
  }

  /** The same object as long as the instance lives: it knows who has it open. */
  #instance(backend: InstanceBackend): DaxInstance {
    const known = this.#known.get(backend.name);
    if (known !== undefined && !known.destroyed) return known;
    const made = new DaxInstance(MAKE, backend, this.#home);
    this.#known.set(backend.name, made);
    return made;
  }

  get #home(): Home {
    const region = this;
    return {
      path: this.path,
      align: this.align,
      size: this.size,
      defaults: this.#defaults,
      get closed() {
        return region.#closed;
      },
    };
  }

  /**
   * Destroys the instances, and with them the layout; those of the kernel's regions stay. Closing twice is harmless.
   *
   * @throws PmemError `EBUSY` while an instance is open or mapped; then nothing is closed.
   */
  close(): void {
    if (this.#closed) return;
    const open = this.real ? undefined : this.instances.find(({ inUse }) => inUse);
    if (open !== undefined) {
      throw busy(open.name, this.path, 'is open or mapped; close the device and its mappings before the region');
    }
    this.#backend.close();
    this.#closed = true;
    if (this.real) return;
    giveBack(this.id);
    forgotten.unregister(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

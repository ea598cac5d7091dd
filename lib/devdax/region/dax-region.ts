/** A DAX region, for users: a range of memory, and the devices made of it. */

import { inspect } from 'node:util';
import { outOfRange, posixError, wrongType, wrongValue } from '../../errors.js';
import { Jobs } from '../../jobs.js';
import { daxEntries } from '../../linux/dax/devices.js';
import { type DaxBusRegion, daxBusRegions } from '../../linux/dax/regions.js';
import { HOST, type Host } from '../../linux/host.js';
import type { ByteRange } from '../../memory/memory.js';
import { checkPath } from '../../memory/region/options.js';
import { booleanOption, integerOption, ownOptions, readOptions, signalOption, sizeOption } from '../../options.js';
import { formatSize, parseSize, type Size } from '../../units.js';
import { sizeOf } from '../dax-source.js';
import { KERNEL } from '../drivers.js';
import type { DaxSharedOptions } from '../options.js';
import type { InstanceBackend, RegionBackend, Wanted } from './backend.js';
import { checkInstanceSize, DaxInstance, type DaxWaitOptions, type Home } from './dax-instance.js';
import { EmulatedRegion } from './emulated.js';
import { busy, checkAligned, outsideRegion, regionClosed } from './errors.js';
import { KernelRegion } from './kernel.js';

/** Options of {@link DaxRegion.open}. */
export interface DaxRegionOptions {
  /**
   * Bytes: 4 KiB, 2 MiB or 1 GiB. The unit of its instances' sizes and of their pages. Default: of a device its own, elsewhere 2 MiB, or
   * the page size of hugetlbfs.
   */
  align?: Size;
  /** Where the region begins in the file or device, in bytes; a multiple of `align`. Default 0. */
  offset?: Size;
  /** Bytes; a multiple of `align`. Default: up to the end. `/dev/mem` has no end, and needs it. */
  size?: Size;
  /**
   * The number in its instances' names, from 0 to 2^31 - 1; regions may share one. Default: the lowest that neither the kernel nor another
   * region of this thread has.
   */
  id?: number;
  /** Default of the option `emulate` of `instance.open`: go without the guarantee that each fault brings in a page of `align` bytes. */
  emulate?: boolean;
}

/** What is asked of {@link DaxRegion.create}. */
export interface DaxCreateOptions {
  /** Bytes; a multiple of the region's alignment. Default: all that is free, or the sum of `ranges`. */
  size?: Size;
  /** In one piece: the first free range that is long enough, instead of the lowest bytes. Default false. */
  contiguous?: boolean;
  /**
   * These very bytes, in this order, as `instance.mappings` tells them: so a layout that was written down can be made again. Offset and
   * length are multiples of the region's alignment.
   */
  ranges?: readonly { readonly offset: Size; readonly length: Size }[];
}

/** Options of {@link DaxRegion.createAsync}. */
export interface DaxCreateAsyncOptions extends DaxCreateOptions, DaxWaitOptions {}

/** Which regions of the kernel are wanted; what is left out does not matter. */
export interface DaxRegionFilter {
  /** The number in its devices' names. */
  id?: number;
  /** The node that the memory is near to. */
  numaNode?: number;
  /** The node that the memory is, or would become as ordinary memory: memory of one performance class. */
  targetNode?: number;
}

const ALIGNMENTS: readonly number[] = [4096, 2 ** 21, 2 ** 30];
const CREATE_OPTIONS = ['size', 'contiguous', 'ranges'] as const;
const MOST_NUMBER = 2 ** 31 - 1;
/** Ids of the regions that are open in this thread, and how many regions have each. */
const used = new Map<number, number>();
/** Gives the ids of collected regions back. */
const collected = new FinalizationRegistry(giveBack);

function giveBack(id: number): void {
  const others = (used.get(id) ?? 1) - 1;
  if (others === 0) used.delete(id);
  else used.set(id, others);
}

function isUsedByKernel(host: Host): (id: number) => boolean {
  const names = daxEntries(host).map(({ name }) => name);
  return (id) => names.some((name) => name.startsWith(`dax${id}.`));
}

function unusedId(host: Host): number {
  const isKernels = isUsedByKernel(host);
  let id = 0;
  while (used.has(id) || isKernels(id)) id++;
  return id;
}

function checkFilter(given: DaxRegionFilter): DaxRegionFilter {
  const filter = ownOptions(given, ['id', 'numaNode', 'targetNode'], 'filter');
  for (const [name, value] of Object.entries(filter)) integerOption(value, name, 0, MOST_NUMBER);
  return filter;
}

function alignOption(align: Size | undefined): number | undefined {
  const bytes = sizeOption(align, 'align');
  if (bytes !== undefined && !ALIGNMENTS.includes(bytes)) {
    throw outOfRange('options.align', "'4KiB', '2MiB' or '1GiB'", align);
  }
  return bytes;
}

const OPEN = Symbol('open');

/**
 * A range of memory from which exclusive devices are made, as the DAX bus of Linux has them: `dax0.0`, `dax0.1`, …, created, resized and
 * destroyed in units of the alignment, each of one piece or several.
 *
 * {@link DaxRegion.open} makes one of any bytes that can be mapped: a file, also on hugetlbfs, tmpfs or a DAX file system, a range of
 * `/dev/mem`, or a device `/dev/daxX.Y`. Its layout lives as long as the object and is recorded nowhere: `dax0.1` must be made again, by
 * `ranges` or by the same calls, to be the same bytes (NVDIMM labels will record it). {@link DaxRegion.find} and {@link DaxRegion.list}
 * give the kernel's own regions, whose devices are the kernel's and stay.
 *
 * Every method throws `ERR_PMEM_CLOSED` after {@link close}.
 */
export class DaxRegion implements Disposable, AsyncDisposable {
  readonly #backend: RegionBackend;
  readonly #defaults: DaxSharedOptions;
  readonly #known = new Map<string, DaxInstance>();
  readonly #jobs = new Jobs();
  #closed = false;

  private constructor(guard: typeof OPEN, backend: RegionBackend, defaults: DaxSharedOptions = {}) {
    if (guard !== OPEN) throw wrongValue('DaxRegion', 'made by DaxRegion.open or DaxRegion.find', 'new');
    this.#backend = backend;
    this.#defaults = defaults;
  }

  /**
   * A region on bytes of a file or device. It takes no lock itself: several regions may lie on the same bytes, and only instances exclude
   * each other.
   *
   * @throws PmemError `EINVAL` for an offset or a size off the alignment, with the nearest; for an alignment smaller than the pages that
   *   the path is mapped in; and for a path without an end and no `size`. Otherwise the POSIX code with which the path cannot be opened for
   *   reading and writing. TypeError for wrong options; RangeError `ERR_OUT_OF_RANGE` for bytes past the end.
   */
  static open(path: string | Buffer | URL, given: DaxRegionOptions = {}): DaxRegion {
    const checked = checkPath(path);
    const options = ownOptions(given, ['align', 'offset', 'size', 'id', 'emulate']);
    const align = alignOption(options.align);
    const offset = sizeOption(options.offset, 'offset') ?? 0;
    const size = sizeOption(options.size, 'size');
    const id = integerOption(options.id, 'id', 0, MOST_NUMBER) ?? unusedId(HOST);
    const emulate = booleanOption(options.emulate, 'emulate');
    const backend = new EmulatedRegion(checked, { align, offset, size }, id);
    used.set(id, (used.get(id) ?? 0) + 1);
    const region = new DaxRegion(OPEN, backend, emulate === undefined ? {} : { emulate });
    collected.register(region, id, region);
    return region;
  }

  /**
   * The kernel's regions that fit the filter, by id; none where the kernel has no DAX bus.
   *
   * @throws TypeError, RangeError for a wrong filter
   */
  static list(filter?: DaxRegionFilter): DaxRegion[];
  /** @internal Those of another host. */
  static list(filter: DaxRegionFilter, host: Host): DaxRegion[];
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
   * The first of the kernel's regions that fits the filter.
   *
   * @throws PmemError `ENODEV` when there is none, with the regions that there are; TypeError, RangeError for a wrong filter
   */
  static find(filter?: DaxRegionFilter): DaxRegion;
  /** @internal Of another host. */
  static find(filter: DaxRegionFilter, host: Host): DaxRegion;
  static find(filter: DaxRegionFilter = {}, host: Host = HOST): DaxRegion {
    const [found] = DaxRegion.list(filter, host);
    if (found !== undefined) return found;
    const all = DaxRegion.list({}, host).map(
      ({ id, numaNode, targetNode }) =>
        `${id} (NUMA node ${numaNode ?? 'unknown'}, target node ${targetNode ?? 'unknown'})`,
    );
    const asked = Object.entries(filter).map(([name, value]) => `${name} ${value}`);
    const wanted = asked.length === 0 ? '' : ` with ${asked.join(' and ')}`;
    const there = all.length === 0 ? '' : `; it has ${all.join(', ')}`;
    throw posixError('ENODEV', `the kernel has no DAX region${wanted}${there}`);
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

  /** Its instances by number; in a region of the kernel all devices with a size, of every program. None after {@link close}. */
  get instances(): DaxInstance[] {
    return this.#closed ? [] : this.#backend.instances.map((backend) => this.#instance(backend));
  }

  /**
   * Makes an instance of the lowest free bytes, in several pieces where these are not adjacent, as the kernel does. Its name has the lowest
   * free number. From now on nobody else has its bytes: another process, thread or region that wants one of them, and a plain
   * `Region.open` of them, is refused with `ERR_PMEM_LOCKED` (in this process `ERR_PMEM_BUSY`), until the instance is destroyed, the region
   * is closed or collected, or the thread or process ends. Whatever fails, nothing is left of the instance.
   *
   * In a region of the kernel the device is created, resized and bound to the driver `device_dax` through sysfs (as root). It is every
   * program's, stays when this process ends, and is locked as any device when it is mapped. Programs of this package exclude each other
   * while they create, resize or destroy in the same region; others, such as daxctl, do not. {@link createAsync} waits for them.
   *
   * @throws PmemError `EINVAL` for a size or range off the alignment, with the nearest; `ENOSPC` with what is free; `ERR_PMEM_LOCKED`
   *   when another process has the bytes or is changing the region, with the bytes and the process, as far as it is known;
   *   `ERR_PMEM_BUSY` when this process does; `EOPNOTSUPP` in a static region of the kernel (NVDIMM); `EBUSY` when another program took the same device of the kernel meanwhile; `EACCES`: not root.
   *   TypeError for wrong options; RangeError for a size of 0 or larger than the region, and for ranges outside of it.
   */
  create(options: DaxCreateOptions = {}): DaxInstance {
    this.#check('create');
    return this.#instance(this.#backend.create(this.#wanted(ownOptions(options, CREATE_OPTIONS))));
  }

  /**
   * {@link create}, which waits up to 10 seconds for other programs of this package that change the same region of the kernel.
   *
   * @throws PmemError as {@link create}; the signal's reason, and nothing is left of the instance
   */
  async createAsync(given: DaxCreateAsyncOptions = {}): Promise<DaxInstance> {
    this.#check('create');
    const options = ownOptions(given, [...CREATE_OPTIONS, 'signal']);
    const signal = signalOption(options.signal);
    signal?.throwIfAborted();
    const waiting = { signal, check: () => this.#check('create') };
    const made = this.#backend.createAsync(this.#wanted(options), waiting);
    return this.#instance(await this.#jobs.track(made));
  }

  #check(operation: string): void {
    if (this.#closed) throw regionClosed(this.path, operation);
  }

  #wanted({ size, contiguous, ranges: given }: DaxCreateOptions): Wanted {
    const isContiguous = booleanOption(contiguous, 'contiguous', false);
    const ranges = given === undefined ? undefined : this.#checkRanges(given);
    const sum = ranges === undefined ? undefined : sizeOf(ranges);
    const bytes = sizeOption(size, 'size');
    if (bytes !== undefined) {
      checkInstanceSize(bytes, 'options.size', this.#home, size);
      if (sum !== undefined && sum !== bytes) throw wrongValue('options.size', `the sum of the ranges, ${sum}`, size);
    }
    return { size: bytes ?? sum, contiguous: isContiguous, ranges };
  }

  #checkRanges(ranges: NonNullable<DaxCreateOptions['ranges']>): ByteRange[] {
    if (!Array.isArray(ranges)) throw wrongType('options.ranges', 'an array of { offset, length }', ranges);
    if (ranges.length === 0) throw wrongValue('options.ranges', 'at least one { offset, length }', '[]');
    const { start: first = 0, size, align, path } = this.#backend;
    const end = this.#backend.start === undefined ? Number.MAX_SAFE_INTEGER : first + size;
    const lastEnd = Math.floor(end / align) * align;
    return ranges.map((range, i) => {
      const name = `options.ranges[${i}]`;
      // Of `instance.mappings` they have a pageOffset too.
      const given = readOptions<{ offset: Size; length: Size }>(range, ['offset', 'length'], name);
      const offset = parseSize(given.offset, `${name}.offset`);
      const length = parseSize(given.length, `${name}.length`);
      if (offset < first || offset >= end) throw outsideRegion(`${name}.offset`, first, end - 1, given.offset);
      if (length === 0 || length > end - offset) {
        const limit = `from ${align} to ${end - offset}, what is left of the region at ${offset},`;
        throw outOfRange(`${name}.length`, limit, given.length);
      }
      checkAligned(`${name}.offset`, offset, { align, path, least: first, most: lastEnd - align });
      checkAligned(`${name}.length`, length, { align, path, least: align, most: lastEnd - offset });
      return { offset, length };
    });
  }

  /** The same object as long as the instance lives: it knows who has it open. */
  #instance(backend: InstanceBackend): DaxInstance {
    const known = this.#known.get(backend.name);
    if (known !== undefined && !known.destroyed) return known;
    const made = DaxInstance.over(backend, this.#home);
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
      jobs: this.#jobs,
      get closed() {
        return region.#closed;
      },
    };
  }

  /**
   * Destroys the instances, and with them the layout; those of the kernel's regions stay. Closing twice is harmless.
   *
   * @throws PmemError `EBUSY` while an instance is open or mapped; then nothing is closed
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
    collected.unregister(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** {@link close}, once no asynchronous call of the region or of its instances is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs.whenIdle(() => this.close());
  }

  /** What `console.log` shows. */
  [inspect.custom](): string {
    const state = this.#closed ? 'closed' : `${formatSize(this.availableSize)} of ${formatSize(this.size)} free`;
    return `DaxRegion ${this.id} (${state})`;
  }
}

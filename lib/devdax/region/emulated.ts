/** A region on any bytes that can be mapped. Only this process knows its layout; the bytes of its instances are locked. */

import { type BigIntStats, closeSync, statSync } from 'node:fs';
import { type HeldLock, native } from '../../binding.js';
import { type PmemError, posixError, systemError } from '../../errors.js';
import { type DaxBusDevice, daxDeviceAt } from '../../linux/dax/devices.js';
import { type Backing, inspect, numaNode, openDescriptor } from '../../memory/backing.js';
import { isClaimed, isLocked, lockedError } from '../../memory/lock/error.js';
import { claimedError, refuseInUse } from '../../memory/lock/in-use.js';
import type { ByteRange } from '../../memory/memory.js';
import { type DaxSource, sizeOf } from '../dax-source.js';
import { multipleBelow } from '../nearest.js';
import { Layout } from './allocations.js';
import { type DaxMapping, type InstanceBackend, mappingsOf, type RegionBackend, type Wanted } from './backend.js';
import { checkAligned, empty, noSpace, notFree, outsideRegion } from './errors.js';

const MIB = 2 ** 20;
/** The path of a descriptor, of a memfd for example: the descriptor's number may be another file's by now. */
const NAME_OF_DESCRIPTOR = /^\/(proc\/(self|thread-self|\d+)|dev)\/fd\/\d+$/;

/** Closes the descriptors of regions that were collected. */
const collected = new FinalizationRegistry<number>((fd) => closeSync(fd));

function statusOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    throw systemError(error, path);
  }
}

/** Which bytes the region has; undefined: as the path offers it. */
export interface EmulatedOptions {
  readonly align: number | undefined;
  readonly offset: number;
  readonly size: number | undefined;
}

function bordersOf(extents: readonly ByteRange[]): number[] {
  return extents.flatMap(({ offset, length }) => [offset, offset + length]);
}

/** 2 MiB, as the kernel's default is, or larger pages where there are no smaller ones. */
function defaultAlign({ kind, pageSize }: Backing): number {
  return kind === 'devdax' ? pageSize : Math.max(pageSize, 2 * MIB);
}

function invalid(path: string, rule: string): PmemError {
  return posixError('EINVAL', rule, { path });
}

function checkAlign(align: number, { path, pageSize }: Backing): void {
  if (align % pageSize === 0) return;
  throw invalid(path, `an alignment of ${align} is smaller than the pages of '${path}', ${pageSize}`);
}

/** Where the region lies, in multiples of its alignment. */
function extentOf(backing: Backing, align: number, { offset, size }: EmulatedOptions): ByteRange {
  const { path, size: present } = backing;
  if (present === 0) throw invalid(path, `'${path}' is empty; give it a size first`);
  const end = multipleBelow(present ?? Number.MAX_SAFE_INTEGER, align);
  checkAligned('offset', offset, { align, path, least: 0, most: end - align });
  if (size === undefined && present === undefined) {
    throw invalid(path, `'${path}' has no end; say which bytes with offset and size`);
  }
  if (present !== undefined && (offset >= present || (size ?? 0) > present - offset)) {
    throw outsideRegion('options.offset + options.size', 0, present, offset + (size ?? 0));
  }
  const length = size ?? (present as number) - offset;
  // Without options.size, another size of the file is the way out.
  const most = size === undefined ? Number.POSITIVE_INFINITY : end - offset;
  checkAligned('size', length, { align, path, least: align, most });
  if (length === 0) throw invalid(path, `a region on '${path}' of no bytes; the least size is its alignment, ${align}`);
  return { offset, length };
}

/** What the kernel tells of a device; undefined of anything else that a region is made of. */
function daxBusDevice({ kind, device }: Backing): DaxBusDevice | undefined {
  return kind === 'devdax' && device !== undefined ? daxDeviceAt(device) : undefined;
}

/** The physical address of the bytes at the offset. */
function resource(backing: Backing, offset: number): number | undefined {
  if (backing.kind === 'devmem') return offset;
  const start = daxBusDevice(backing)?.resource;
  return start === undefined ? undefined : start + offset;
}

class EmulatedInstance implements InstanceBackend {
  readonly name: string;
  readonly #region: EmulatedRegion;
  readonly #number: number;
  /** The lock on its bytes. It ends with this object where nobody destroys the instance. */
  readonly #lock: HeldLock;
  #extents: readonly ByteRange[];
  #exists = true;

  constructor(region: EmulatedRegion, number: number, extents: readonly ByteRange[], lock: HeldLock) {
    this.name = `dax${region.id}.${number}`;
    this.#region = region;
    this.#number = number;
    this.#extents = extents;
    this.#lock = lock;
  }

  get exists(): boolean {
    return this.#exists;
  }

  get number(): number {
    return this.#number;
  }

  get size(): number {
    return sizeOf(this.#extents);
  }

  get align(): number {
    return this.#region.align;
  }

  get mappings(): DaxMapping[] {
    return mappingsOf(this.#extents);
  }

  get inUse(): boolean {
    // Users beside this object are mappings.
    return native.lockUsers(this.#lock) > 1;
  }

  resize(size: number): void {
    const planned = this.#region.plan(this.#number, size);
    const before = this.#extents;
    // Wherever this is ended, all of its extents are locked: they shrink before the lock does, and grow after it.
    if (size < this.size) this.#extents = planned;
    try {
      this.#region.locking(() => native.changeLock(this.#lock, bordersOf(planned)));
    } catch (error) {
      this.#extents = before;
      throw error;
    }
    this.#extents = planned;
    this.#region.layout.commit(this.#number, planned);
  }

  /** No other program changes the layout. */
  async resizeAsync(size: number): Promise<void> {
    this.resize(size);
  }

  checkDestroy(): void {} // this instance alone has its bytes

  async destroyAsync(): Promise<void> {
    this.destroy();
  }

  /** Gives the bytes back, as far as no mapping holds them. Ended half-way, the instance is gone, and the rest is done by the next call. */
  destroy(): void {
    this.#exists = false;
    this.#extents = [];
    native.unlock(this.#lock);
    this.#region.forget(this);
  }

  source(): DaxSource {
    const { path } = this.#region;
    if (this.#extents.length === 0) throw empty(this.name, path);
    return {
      name: this.name,
      path,
      descriptor: this.#region.checked(),
      extents: this.#extents,
      align: this.align,
      whole: false,
      emulated: this.#region.kind !== 'devdax',
      locked: true,
      lock: this.#lock,
      keeper: this,
    };
  }
}

export class EmulatedRegion implements RegionBackend {
  readonly id: number;
  readonly path: string;
  readonly size: number;
  readonly align: number;
  readonly real = false;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
  readonly resource: number | undefined;
  readonly start: number;
  readonly kind: Backing['kind'];
  /** What a record on the media would hold; {@link Layout.describe}. */
  readonly layout: Layout;
  readonly #identity: Backing['identity'];
  readonly #device: Backing['device'];
  /** Open for the region's life: meanwhile no other file gets the number of the inode. */
  #fd: number;
  readonly #instances: EmulatedInstance[] = [];

  constructor(path: string, options: EmulatedOptions, id: number) {
    const fd = openDescriptor(path, true, 'A region makes no file: make it first, with its size');
    try {
      const backing = inspect(fd, path);
      const align = options.align ?? defaultAlign(backing);
      checkAlign(align, backing);
      const { offset, length } = extentOf(backing, align, options);
      this.id = id;
      this.path = path;
      this.size = length;
      this.align = align;
      this.start = offset;
      this.kind = backing.kind;
      this.numaNode = numaNode(backing);
      this.targetNode = daxBusDevice(backing)?.targetNode;
      this.resource = resource(backing, offset);
      this.layout = new Layout(offset, length);
      this.#identity = backing.identity;
      this.#device = backing.device;
      this.#fd = fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    collected.register(this, fd, this);
  }

  get availableSize(): number {
    this.#tidy();
    return this.layout.free.available;
  }

  get instances(): InstanceBackend[] {
    this.#tidy();
    return [...this.#instances].sort((a, b) => a.number - b.number);
  }

  create(wanted: Wanted): InstanceBackend {
    this.#tidy();
    const number = this.layout.unused();
    const planned = this.#place(number, wanted);
    const fd = this.checked();
    const lock = this.locking(() => native.lockAlone(fd, bordersOf(planned)));
    try {
      refuseInUse(this.#backing, true);
    } catch (error) {
      native.unlock(lock);
      throw error;
    }
    const made = new EmulatedInstance(this, number, planned, lock);
    this.#instances.push(made);
    this.layout.commit(number, planned);
    return made;
  }

  /** No other program changes the layout. */
  async createAsync(wanted: Wanted): Promise<InstanceBackend> {
    return this.create(wanted);
  }

  /** Ends instances whose end was interrupted. */
  #tidy(): void {
    for (const gone of this.#instances.filter(({ exists }) => !exists)) gone.destroy();
  }

  /**
   * The descriptor, for new work. The path must still name that file: nobody would find again what is stored in a file without a
   * name.
   */
  checked(): number {
    const { path } = this;
    if (NAME_OF_DESCRIPTOR.test(path)) return this.#fd;
    const there = statusOf(path);
    const { dev, ino } = this.#identity;
    if (there?.dev === dev && there.ino === ino) return this.#fd;
    const now = there === undefined ? 'was deleted' : 'is another file than the region was opened on';
    throw posixError('ESTALE', `'${path}' ${now}; open a region on what is there`, { path });
  }

  /** The extents that the instance would have with that size. */
  plan(number: number, size: number): readonly ByteRange[] {
    const planned = this.layout.plan(number, size);
    if (planned !== undefined) return planned;
    const held = this.layout.describe().find((one) => one.number === number)?.extents ?? [];
    throw noSpace(this.path, size - sizeOf(held), this.availableSize);
  }

  #place(number: number, { size: asked, contiguous, ranges }: Wanted): readonly ByteRange[] {
    const { free } = this.layout;
    const size = asked ?? free.available;
    if (size === 0) throw noSpace(this.path, this.align, 0);
    if (ranges !== undefined) {
      for (const range of ranges) {
        if (!free.has([range])) throw notFree(this.path, range);
      }
      if (!free.has(ranges)) throw invalid(this.path, 'options.ranges name the same bytes twice');
      return ranges;
    }
    if (!contiguous) return this.plan(number, size);
    const found = free.contiguous(size);
    if (found === undefined) throw noSpace(this.path, size, free.available, free.largest);
    return found;
  }

  get #backing(): Pick<Backing, 'path' | 'kind' | 'device' | 'identity'> {
    return { path: this.path, kind: this.kind, device: this.#device, identity: this.#identity };
  }

  /** Runs what locks bytes; the error tells who has them. */
  locking<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (isClaimed(error)) throw claimedError(this.#backing, error);
      if (!isLocked(error)) throw systemError(error, this.path);
      throw lockedError(error, this.path, this.#identity, {
        here: 'Close the region or the device there, or take other bytes with ranges',
        there: 'Close it there, or take other bytes with ranges',
      });
    }
  }

  forget(instance: EmulatedInstance): void {
    const place = this.#instances.indexOf(instance);
    if (place < 0) return;
    this.layout.remove(instance.number);
    this.#instances.splice(place, 1);
  }

  close(): void {
    for (const instance of [...this.#instances]) instance.destroy();
    collected.unregister(this);
    // Closed only once: the number can be another file's right after.
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) closeSync(fd);
  }
}

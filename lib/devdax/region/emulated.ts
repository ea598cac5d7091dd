/** A region on any bytes that can be mapped. Its layout is in this process only; its instances' bytes are locked. */

import { type BigIntStats, closeSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { type HeldLock, native } from '../../binding.js';
import { PmemError, systemError } from '../../errors.js';
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

const { EINVAL, ESTALE } = constants.errno;
const MIB = 2 ** 20;
/** A memfd, or whatever else the caller had open: its number may be another file's by now, and says nothing. */
const NAME_OF_DESCRIPTOR = /^\/(proc\/(self|thread-self|\d+)|dev)\/fd\/\d+$/;

/** Closes the descriptors of regions that were forgotten. */
const forgotten = new FinalizationRegistry<number>((fd) => closeSync(fd));

function statusOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    throw systemError(error, path);
  }
}

/** What to make a region of; undefined: as the path offers it. */
export interface EmulatedOptions {
  readonly align: number | undefined;
  readonly offset: number;
  readonly size: number | undefined;
}

function bordersOf(extents: readonly ByteRange[]): number[] {
  return extents.flatMap(({ offset, length }) => [offset, offset + length]);
}

/** As the kernel has it for memory that it knows nothing else of: 2 MiB, or larger pages where there are no smaller ones. */
function defaultAlign({ kind, pageSize }: Backing): number {
  return kind === 'devdax' ? pageSize : Math.max(pageSize, 2 * MIB);
}

function invalid(path: string, rule: string): PmemError {
  return new PmemError('EINVAL', `EINVAL: ${rule}`, { errno: EINVAL, path });
}

function checkAlign(align: number, { path, pageSize }: Backing): void {
  if (align % pageSize === 0) return;
  throw invalid(path, `an alignment of ${align} is less than '${path}' is mapped in, pages of ${pageSize}`);
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
  // Without a size it is the file that can be given another one.
  const most = size === undefined ? Number.POSITIVE_INFINITY : end - offset;
  checkAligned('size', length, { align, path, least: align, most });
  if (length === 0) throw invalid(path, `a region of no bytes on '${path}'; the least size is its alignment, ${align}`);
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
  /** On its bytes. It goes with this object where nobody destroys the instance. */
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
    // More users than this object: mappings under it.
    return native.lockUsers(this.#lock) > 1;
  }

  resize(size: number): void {
    const planned = this.#region.plan(this.#number, size);
    const before = this.#extents;
    // What it has is locked at each moment, wherever this is ended: fewer bytes before, more bytes afterwards.
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

  checkDestroy(): void {} // its bytes are locked, and nobody else's

  async destroyAsync(): Promise<void> {
    this.destroy();
  }

  /** Gives the bytes back, as far as no mapping holds them. Ended half-way it is gone, and done again with the next thing asked. */
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
  /** Open for the region's life: as long as it is, no other file gets the inode's number. */
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
    forgotten.register(this, fd, this);
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
   * The descriptor, for new work. What its path names must still be that file: what would be stored in another one, or in one
   * that has no name any more, nobody would find again.
   */
  checked(): number {
    const { path } = this;
    if (NAME_OF_DESCRIPTOR.test(path)) return this.#fd;
    const there = statusOf(path);
    const { dev, ino } = this.#identity;
    if (there?.dev === dev && there.ino === ino) return this.#fd;
    const now = there === undefined ? 'was deleted' : 'is another file than the region was opened on';
    const message = `ESTALE: '${path}' ${now}; open a region on what is there`;
    throw new PmemError('ESTALE', message, { errno: ESTALE, path });
  }

  /** What the instance would have with that size. */
  plan(number: number, size: number): readonly ByteRange[] {
    const planned = this.layout.plan(number, size);
    if (planned !== undefined) return planned;
    const held = this.layout.describe().find((one) => one.number === number)?.extents ?? [];
    throw noSpace(this.path, size - sizeOf(held), this.availableSize);
  }

  #place(number: number, { size, contiguous, ranges }: Wanted): readonly ByteRange[] {
    const { free } = this.layout;
    if (ranges !== undefined) {
      for (const range of ranges) {
        if (!free.has([range])) throw notFree(this.path, range.offset, range.offset + range.length - 1);
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

  /** Runs what locks bytes; who has them is in the error. */
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
    forgotten.unregister(this);
    // Closed once only: the number can be another file's as soon as it is.
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) closeSync(fd);
  }
}

/**
 * A region of the kernel's DAX bus, and its devices, driven through sysfs (Documentation/ABI/testing/sysfs-bus-dax) in the
 * order in which daxctl does it: create, size, bind; unbind, size 0, delete.
 */

import { join } from 'node:path';
import { PmemError, posixError } from '../../errors.js';
import {
  type DaxBusDevice,
  type DaxBusMapping,
  daxBusMappings,
  daxDeviceAt,
  daxDriver,
} from '../../linux/dax/devices.js';
import {
  availableSize,
  type DaxBusRegion,
  daxBusDevices,
  daxBusResource,
  lastCreated,
} from '../../linux/dax/regions.js';
import type { ByteRange } from '../../memory/memory.js';
import { type DaxSource, plainSource } from '../dax-source.js';
import { withUnused } from '../device-users.js';
import { bind, type Kernel, needDriver, unbind } from '../drivers.js';
import { FreeExtents } from './allocations.js';
import {
  type DaxMapping,
  type InstanceBackend,
  mappingsOf,
  type RegionBackend,
  type Waiting,
  type Wanted,
} from './backend.js';
import { busy, empty, gone, isStatic, noSpace } from './errors.js';
import { withRegion, withRegionAsync } from './lock.js';
import { NewDevice, rangeText } from './new-device.js';

const MIB = 2 ** 20;
/** The driver of devices that can be mapped, and of those that are ordinary memory. */
const DEVDAX = 'device_dax';
const KMEM = 'kmem';

/** A failed resize that could not be undone: both reasons, and the state of the device. */
function neither(error: unknown, second: unknown, { name, directory }: DaxBusDevice): PmemError {
  const { code = 'ERR_PMEM_RECONFIGURE', message, errno, syscall } = error as PmemError;
  const { driver, size } = daxDeviceAt(directory);
  const unserved = driver === undefined ? ' and has no driver now' : '';
  return new PmemError(
    code,
    `${message}. ${name} cannot be put back as it was either: it has ${size} bytes${unserved} (${(second as Error).message})`,
    { errno, syscall, path: directory, cause: error },
  );
}

/** The bytes after the first `present`, in the device's order, as the attribute `mapping` takes them. */
function missing(mappings: readonly DaxBusMapping[], present: number): string[] {
  return mappings.flatMap(({ pageOffset, start, end }) => {
    const first = start + Math.max(present - 4096 * pageOffset, 0);
    return first > end ? [] : [rangeText(first, end)];
  });
}

class KernelInstance implements InstanceBackend {
  readonly name: string;
  readonly #number: number;
  readonly #region: KernelRegion;

  constructor(region: KernelRegion, { name, number }: DaxBusDevice) {
    this.name = name;
    this.#number = number;
    this.#region = region;
  }

  /** As it is now: daxctl may have changed it. */
  get #device(): DaxBusDevice | undefined {
    return this.#region.devices().find(({ number }) => number === this.#number);
  }

  #there(operation: string): DaxBusDevice {
    const device = this.#device;
    if (device === undefined) throw gone(this.name, this.#node, operation);
    return device;
  }

  get #node(): string {
    return join(this.#region.kernel.nodes, this.name);
  }

  get exists(): boolean {
    return this.#device !== undefined;
  }

  get size(): number {
    return this.#device?.size ?? 0;
  }

  get align(): number {
    return this.#device?.align ?? this.#region.align;
  }

  get mappings(): DaxMapping[] {
    const device = this.#device;
    return device === undefined ? [] : this.#region.mappings(device);
  }

  get inUse(): boolean {
    return false; // withUnused finds out, with the processes that use it
  }

  resize(size: number): void {
    this.#region.checkDynamic('resize');
    this.#region.alone(() => this.#resize(size));
  }

  async resizeAsync(size: number, waiting: Waiting): Promise<void> {
    this.#region.checkDynamic('resize');
    await this.#region.aloneAsync(waiting, () => this.#resize(size));
  }

  /** With the region locked. */
  #resize(size: number): void {
    const region = this.#region;
    const device = this.#there('resize');
    const more = size - device.size;
    if (more === 0) return;
    if (more > region.availableSize) throw noSpace(region.path, more, region.availableSize);
    const before = daxBusMappings(device);
    this.#takeAway(device, 'resized');
    try {
      region.kernel.write(device.directory, 'size', String(size));
      if (device.driver !== undefined) region.bind(device);
    } catch (error) {
      const failure = this.#putBack(device, before);
      throw failure === undefined ? error : neither(error, failure, device);
    }
  }

  /** After a failed resize, gives the device its bytes and its driver again. Returns the failure of that. */
  #putBack(device: DaxBusDevice, before: readonly DaxBusMapping[]): unknown {
    const { kernel } = this.#region;
    try {
      const now = this.#there('resize');
      if (now.driver !== undefined && now.size !== device.size) unbind(kernel, now.directory);
      if (now.size > device.size) kernel.write(device.directory, 'size', String(device.size));
      // Its very bytes: by the size alone it would get the lowest free ones.
      for (const range of missing(before, now.size)) kernel.write(device.directory, 'mapping', range);
      if (this.size < device.size) kernel.write(device.directory, 'size', String(device.size));
      if (device.driver !== undefined && device.size > 0) this.#region.bind(device);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  checkDestroy(): void {
    this.#region.checkDynamic('destroy');
    const device = this.#there('destroy');
    this.#refuseMemory(device, 'destroyed');
    const unused = () => {};
    if (device.driver !== undefined) withUnused(this.#node, 'destroyed', this.#region.kernel, unused);
  }

  destroy(): void {
    this.#region.checkDynamic('destroy');
    this.#region.alone(() => this.#destroy());
  }

  async destroyAsync(waiting: Waiting): Promise<void> {
    this.#region.checkDynamic('destroy');
    await this.#region.aloneAsync(waiting, () => this.#destroy());
  }

  /** With the region locked. */
  #destroy(): void {
    const device = this.#there('destroy');
    this.#takeAway(device, 'destroyed');
    this.#region.kernel.write(device.directory, 'size', '0');
    this.#region.remove(device);
  }

  #refuseMemory({ driver }: DaxBusDevice, verb: string): void {
    if (driver !== KMEM) return;
    throw busy(this.name, this.#node, `is in use as ordinary memory; reconfigure it to devdax before it is ${verb}`);
  }

  /** Takes the device from its driver. */
  #takeAway(device: DaxBusDevice, verb: string): void {
    this.#refuseMemory(device, verb);
    const { kernel } = this.#region;
    if (device.driver !== undefined) withUnused(this.#node, verb, kernel, () => unbind(kernel, device.directory));
  }

  source(): DaxSource {
    const { size, align } = this.#there('open');
    if (size === 0) throw empty(this.name, this.#node);
    return plainSource({
      name: this.name,
      path: this.#node,
      extents: [{ offset: 0, length: size }],
      align: align ?? this.#region.align,
      whole: false,
      emulated: false,
    });
  }
}

export class KernelRegion implements RegionBackend {
  readonly real = true;
  readonly kernel: Kernel;
  readonly #facts: DaxBusRegion;

  constructor(facts: DaxBusRegion, kernel: Kernel) {
    this.#facts = facts;
    this.kernel = kernel;
  }

  get id(): number {
    return this.#facts.id;
  }

  get path(): string {
    return this.#facts.directory;
  }

  get size(): number {
    return this.#facts.size;
  }

  /** The kernel wants whole subsections of memory, 2 MiB, whatever pages it maps (alloc_is_aligned in drivers/dax/bus.c). */
  get align(): number {
    const { align = 2 * MIB, dynamic } = this.#facts;
    return dynamic ? Math.max(align, 2 * MIB) : align;
  }

  get numaNode(): number | undefined {
    return this.#facts.numaNode;
  }

  get targetNode(): number | undefined {
    return this.#facts.targetNode;
  }

  get resource(): number | undefined {
    return daxBusResource(this.kernel.host, this.#facts);
  }

  get start(): number | undefined {
    return this.resource;
  }

  get availableSize(): number {
    return this.#facts.dynamic ? availableSize(this.#facts) : 0;
  }

  /** Those with a size: the kernel and daxctl make new devices of the empty ones. */
  get instances(): InstanceBackend[] {
    return this.devices()
      .filter(({ size }) => size > 0)
      .map((device) => new KernelInstance(this, device));
  }

  devices(): DaxBusDevice[] {
    return daxBusDevices(this.kernel.host, this.#facts);
  }

  mappings(device: DaxBusDevice): DaxMapping[] {
    const found = daxBusMappings(device).map(({ pageOffset, start, end }) => {
      return { pageOffset, offset: start, length: end + 1 - start };
    });
    if (found.length > 0 || this.#facts.dynamic || device.resource === undefined) return found;
    // Older kernels list none for a static region.
    return mappingsOf([{ offset: device.resource, length: device.size }]);
  }

  checkDynamic(operation: string): void {
    if (!this.#facts.dynamic) throw isStatic(this.path, operation);
  }

  create(wanted: Wanted): InstanceBackend {
    this.checkDynamic('create');
    needDriver(this.kernel, DEVDAX);
    return this.alone(() => this.#create(wanted));
  }

  async createAsync(wanted: Wanted, waiting: Waiting): Promise<InstanceBackend> {
    this.checkDynamic('create');
    needDriver(this.kernel, DEVDAX);
    return await this.aloneAsync(waiting, () => this.#create(wanted));
  }

  /** With the region locked. */
  #create({ size: asked, contiguous, ranges }: Wanted): InstanceBackend {
    const available = this.availableSize;
    const size = asked ?? available;
    if (size > available || available === 0) throw noSpace(this.path, size || this.align, available);
    const extents = ranges ?? (contiguous ? this.#contiguous(size) : undefined);
    const { device, created } = this.#idleDevice();
    const made = new NewDevice(this, device, created);
    try {
      if (extents === undefined) made.resize(size);
      else for (const extent of extents) made.take(extent);
      made.bind();
    } catch (error) {
      made.undo();
      throw error;
    }
    return new KernelInstance(this, device);
  }

  /** Runs what changes devices of the region, while no other program of this package does. */
  alone<T>(run: () => T): T {
    return withRegion(this.path, run);
  }

  /** {@link alone}, which waits for the other program. */
  async aloneAsync<T>(waiting: Waiting, run: () => T): Promise<T> {
    return await withRegionAsync(this.path, this.kernel.patience, waiting, run);
  }

  /** Binds it here: without udev, or with another policy of it, nothing else does. */
  bind({ directory }: DaxBusDevice): void {
    // Another program may have done so: daxctl's new_id makes the driver take whatever is idle.
    if (daxDriver(directory) !== DEVDAX) bind(this.kernel, directory, DEVDAX);
  }

  /** Deletes the device, except the first one of a region: the kernel keeps that, empty. */
  remove({ name, number }: DaxBusDevice): void {
    if (number > 0) this.kernel.write(join(this.path, 'dax_region'), 'delete', name);
  }

  /** The lowest empty device without a driver; or a new one, which gets the lowest free number. */
  #idleDevice(): { device: DaxBusDevice; created: boolean } {
    const there = this.devices().find(({ size, driver }) => size === 0 && driver === undefined);
    if (there !== undefined) return { device: there, created: false };
    const before = new Set(this.devices().map(({ name }) => name));
    this.kernel.write(join(this.path, 'dax_region'), 'create', '1');
    const youngest = lastCreated(this.#facts);
    const made = this.devices().find(({ name }) => name === youngest);
    if (made !== undefined && !before.has(made.name)) return { device: made, created: true };
    throw posixError('ENODEV', `the kernel made a device in '${this.path}', but another program took it; try again`, {
      path: this.path,
    });
  }

  #contiguous(size: number): readonly ByteRange[] {
    const { start } = this;
    if (start === undefined) {
      const why = `the kernel tells only root which addresses are free in '${this.path}'`;
      throw posixError('EACCES', `${why}; run as root, or without contiguous`, { path: this.path });
    }
    const free = new FreeExtents(start, this.size);
    for (const device of this.devices()) {
      const held = daxBusMappings(device).map((one) => ({ offset: one.start, length: one.end - one.start + 1 }));
      free.replace([], held);
    }
    const found = free.contiguous(size);
    if (found === undefined) throw noSpace(this.path, size, free.available, free.largest);
    return found;
  }

  close(): void {}
}

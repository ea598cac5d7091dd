/**
 * A region of the kernel's DAX bus, and its devices, driven through sysfs (Documentation/ABI/testing/sysfs-bus-dax) in the
 * order in which daxctl does it: create, size, bind; unbind, size 0, delete.
 */

import { join } from 'node:path';
import { PmemError } from '../errors.js';
import {
  availableSize,
  type DaxBusDevice,
  type DaxBusRegion,
  daxBusDevices,
  daxBusMappings,
  daxBusResource,
} from '../memory/dax-regions.js';
import { attribute } from '../memory/sysfs.js';
import type { DaxSource, Extent } from './dax-source.js';
import { useOf } from './device-users.js';
import { bind, driverOf, type Kernel, needDriver, unbind } from './drivers.js';
import { FreeExtents } from './extents.js';
import {
  type DaxMapping,
  type InstanceBackend,
  mappingsOf,
  type RegionBackend,
  type Wanted,
} from './region-backend.js';
import { busy, empty, gone, isStatic, noSpace, notFree } from './region-errors.js';

const MIB = 2 ** 20;
/** The driver of devices that can be mapped, and of those that are ordinary memory. */
const DEVDAX = 'device_dax';
const KMEM = 'kmem';

class KernelInstance implements InstanceBackend {
  readonly name: string;
  readonly #number: number;
  readonly #region: KernelRegion;

  constructor(region: KernelRegion, { name, number }: DaxBusDevice) {
    this.name = name;
    this.#number = number;
    this.#region = region;
  }

  /** As it stands now: daxctl may have been here. */
  get #device(): DaxBusDevice | undefined {
    return this.#region.devices().find(({ number }) => number === this.#number);
  }

  #there(operation: string): DaxBusDevice {
    const device = this.#device;
    if (device === undefined) throw gone(this.name, this.#node, operation);
    return device;
  }

  get #node(): string {
    return `/dev/${this.name}`;
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
    return false; // found out in #idle, with the names of those who use it
  }

  resize(size: number): void {
    const device = this.#there('resize');
    this.#region.checkDynamic('resize');
    const more = size - device.size;
    if (more === 0) return;
    if (more > this.#region.availableSize) throw noSpace(this.#region.path, more, this.#region.availableSize);
    this.#idle(device, 'resized', () => {
      try {
        this.#region.kernel.write(device.directory, 'size', String(size));
      } finally {
        // Also where the kernel refused: then as before.
        if (device.driver === DEVDAX && this.size > 0) this.#region.bind(device);
      }
    });
  }

  destroy(): void {
    const device = this.#there('destroy');
    this.#region.checkDynamic('destroy');
    this.#idle(device, 'destroyed', () => {
      this.#region.kernel.write(device.directory, 'size', '0');
      this.#region.remove(device);
    });
  }

  /** Runs it while the device has no driver. */
  #idle(device: DaxBusDevice, verb: string, run: () => void): void {
    if (device.driver === KMEM) {
      throw busy(this.name, this.#node, `is in use as ordinary memory; reconfigure it to devdax before it is ${verb}`);
    }
    if (device.driver !== undefined) {
      this.#refuseUsed(verb);
      unbind(this.#region.kernel, device.directory);
    }
    run();
  }

  /** Refuses a device that anybody has open or mapped. The kernel would not. */
  #refuseUsed(verb: string): void {
    const use = useOf(this.#node, this.#region.kernel.host);
    if (use === undefined) return;
    const reason = `${use}, which would get SIGBUS, and can't be ${verb}; close it there, in every thread`;
    throw busy(this.name, this.#node, reason);
  }

  source(): DaxSource {
    const { size, align } = this.#there('open');
    if (size === 0) throw empty(this.name, this.#node);
    return {
      name: this.name,
      path: this.#node,
      extents: [{ offset: 0, length: size }],
      align: align ?? this.#region.align,
      emulated: false,
      locked: false,
    };
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

  /** Those with a size: the others are what the kernel and daxctl make devices of. */
  get instances(): InstanceBackend[] {
    return this.devices()
      .filter(({ size }) => size > 0)
      .map((device) => new KernelInstance(this, device));
  }

  devices(): DaxBusDevice[] {
    return daxBusDevices(this.kernel.host, this.#facts);
  }

  mappings(device: DaxBusDevice): DaxMapping[] {
    const found = daxBusMappings(device);
    if (found.length > 0 || this.#facts.dynamic || device.resource === undefined) return found;
    // Of a static one older kernels list none.
    return mappingsOf([{ offset: device.resource, length: device.size }]);
  }

  checkDynamic(operation: string): void {
    if (!this.#facts.dynamic) throw isStatic(this.path, operation);
  }

  create({ size, contiguous, ranges }: Wanted): InstanceBackend {
    this.checkDynamic('create');
    const available = this.availableSize;
    if (size > available || available === 0) throw noSpace(this.path, size, available);
    const pieces = ranges ?? (contiguous ? this.#contiguous(size) : undefined);
    needDriver(this.kernel, DEVDAX);
    const device = this.#idleDevice();
    try {
      if (pieces === undefined) this.kernel.write(device.directory, 'size', String(size));
      else for (const piece of pieces) this.#take(device, piece);
      this.bind(device);
    } catch (error) {
      this.#undo(device);
      throw error;
    }
    return new KernelInstance(this, device);
  }

  /** Without udev, or where its policy differs, nobody else would bind it. */
  bind({ directory }: DaxBusDevice): void {
    // Somebody else may have been quicker: daxctl's new_id makes the driver take whatever is idle.
    if (driverOf(directory) !== DEVDAX) bind(this.kernel, directory, DEVDAX);
  }

  /** The first device of a region stays, empty: the kernel deletes all but that one. */
  remove({ name, number }: DaxBusDevice): void {
    if (number > 0) this.kernel.write(join(this.path, 'dax_region'), 'delete', name);
  }

  /** An empty device that nobody serves, the lowest one; or a new one, which gets the lowest number that is free. */
  #idleDevice(): DaxBusDevice {
    const idle = () => this.devices().find(({ size, driver }) => size === 0 && driver === undefined);
    const there = idle();
    if (there !== undefined) return there;
    this.kernel.write(join(this.path, 'dax_region'), 'create', '1');
    const youngest = attribute(join(this.path, 'dax_region'), 'create');
    const made = this.devices().find(({ name }) => name === youngest) ?? idle();
    if (made !== undefined) return made;
    throw new PmemError(
      'ENODEV',
      `ENODEV: the kernel made a device in '${this.path}', but somebody took it; try again`,
    );
  }

  #contiguous(size: number): readonly Extent[] {
    const { start } = this;
    if (start === undefined) {
      const message = `EACCES: which addresses are free in '${this.path}' the kernel tells to root only; run as root, or without contiguous`;
      throw new PmemError('EACCES', message, { path: this.path });
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

  /** Writes `mapping`: these very bytes. The kernel's answer to bytes that are not free is ENOMEM. */
  #take(device: DaxBusDevice, { offset, length }: Extent): void {
    const last = offset + length - 1;
    try {
      this.kernel.write(device.directory, 'mapping', `${offset.toString(16)}-${last.toString(16)}`);
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOMEM') throw notFree(this.path, offset, last);
      throw error;
    }
  }

  #undo(device: DaxBusDevice): void {
    try {
      const now = this.devices().find(({ name }) => name === device.name);
      if (now?.driver !== undefined) unbind(this.kernel, now.directory);
      if (now !== undefined && now.size > 0) this.kernel.write(device.directory, 'size', '0');
      this.remove(device);
    } catch {
      // What went wrong before is what the user needs to know.
    }
  }

  close(): void {}
}

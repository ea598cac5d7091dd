/**
 * A device of a region of the kernel while it is made. Each step is read back, because programs without our lock (daxctl) may have chosen
 * the same empty device; and only what these steps are known to have done is undone.
 */

import { join } from 'node:path';
import { posixError } from '../../errors.js';
import { type DaxBusDevice, type DaxBusMapping, daxBusMappings, daxDriver } from '../../linux/dax/devices.js';
import type { ByteRange } from '../../memory/memory.js';
import { type Kernel, unbind } from '../drivers.js';
import { notFree } from './errors.js';

/** What it needs of its region. */
interface Region {
  readonly path: string;
  readonly kernel: Kernel;
  devices(): DaxBusDevice[];
  bind(device: DaxBusDevice): void;
  remove(device: DaxBusDevice): void;
}

/** First and last byte, as the attribute `mapping` takes them. */
export function rangeText(first: number, last: number): string {
  return `${first.toString(16)}-${last.toString(16)}`;
}

/** Equal for the same bytes in the same order. */
function key(mappings: readonly DaxBusMapping[]): string {
  return mappings.map(({ start, end }) => rangeText(start, end)).join();
}

export class NewDevice {
  readonly #region: Region;
  readonly #device: DaxBusDevice;
  /** The device did not exist before. */
  readonly #created: boolean;
  /** Bytes that were written, and where the kernel put them. */
  #size = 0;
  #places = '';
  #bound = false;

  constructor(region: Region, device: DaxBusDevice, created: boolean) {
    this.#region = region;
    this.#device = device;
    this.#created = created;
  }

  /** The lowest bytes that are free, as the kernel chooses them. */
  resize(size: number): void {
    this.#region.kernel.write(this.#device.directory, 'size', String(size));
    this.#wrote(size);
  }

  /** Writes `mapping`: these very bytes. The kernel's answer to bytes that are not free is ENOMEM. */
  take({ offset, length }: ByteRange): void {
    const last = offset + length - 1;
    try {
      this.#region.kernel.write(this.#device.directory, 'mapping', rangeText(offset, last));
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOMEM') throw notFree(this.#region.path, { offset, length });
      throw error;
    }
    this.#wrote(this.#size + length);
  }

  /** From then on the kernel refuses every other size. */
  bind(): void {
    this.#bound = daxDriver(this.#device.directory) === undefined;
    this.#region.bind(this.#device);
    this.#expectOurs();
  }

  #now(): DaxBusDevice | undefined {
    return this.#region.devices().find(({ name }) => name === this.#device.name);
  }

  #wrote(size: number): void {
    this.#size = size;
    const now = this.#now();
    this.#places = now === undefined ? '' : key(daxBusMappings(now));
    this.#expectOurs();
  }

  /** Whether it has the bytes that were written, and no others. */
  #isOurs(now: DaxBusDevice | undefined): boolean {
    return now !== undefined && now.size === this.#size && key(daxBusMappings(now)) === this.#places;
  }

  #expectOurs(): void {
    const now = this.#now();
    if (this.#isOurs(now)) return;
    const { name } = this.#device;
    const has = now === undefined ? 'is gone' : `has ${now.size} bytes, where ${this.#size} were written`;
    const sentence = `${name} ${has}: another program took the empty device at the same time, and keeps it; try again`;
    throw posixError('EBUSY', sentence, { path: join('/dev', name) });
  }

  /** Undoes these steps, but nothing that another program has changed since. */
  undo(): void {
    const { kernel } = this.#region;
    try {
      const before = this.#now();
      if (before === undefined || !this.#isOurs(before)) return;
      if (before.driver !== undefined) {
        if (!this.#bound) return;
        unbind(kernel, before.directory);
      }
      if (this.#size > 0) kernel.write(before.directory, 'size', '0');
      if (this.#created) this.#region.remove(before);
    } catch {
      // The user needs to know the first failure.
    }
  }
}

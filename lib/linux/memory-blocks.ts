/**
 * Blocks of ordinary memory that the kernel made of a DAX device: Documentation/ABI/testing/sysfs-devices-memory and
 * admin-guide/mm/memory-hotplug.rst.
 */

import { join } from 'node:path';
import { type DaxBusDevice, daxBusMappings } from './dax/devices.js';
import type { Host } from './host.js';
import { children } from './sysfs/nodes.js';
import { attribute } from './sysfs/read.js';

/** The unit in which the kernel adds and removes memory. */
export interface MemoryBlock {
  /** `memory40` */
  readonly name: string;
  readonly directory: string;
  readonly online: boolean;
  /** The zone of an online block: `Movable`, `Normal`. */
  readonly zone: string | undefined;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function memoryDirectory(host: Host): string {
  return join(host.sys, 'devices', 'system', 'memory');
}

function hexadecimal(text: string | undefined): number | undefined {
  return text !== undefined && /^(0x)?[0-9a-f]+$/i.test(text) ? Number.parseInt(text, 16) : undefined;
}

/** Bytes of a block; undefined where the kernel cannot add memory. */
export function blockSize(host: Host): number | undefined {
  return hexadecimal(attribute(memoryDirectory(host), 'block_size_bytes'));
}

/** What the kernel does with new blocks: `offline`, `online`, `online_kernel` or `online_movable`. */
export function autoOnline(host: Host): string | undefined {
  return attribute(memoryDirectory(host), 'auto_online_blocks');
}

/** Physical addresses of the device's pieces. Older kernels list no pieces of a device that has one. */
function ranges(device: DaxBusDevice): Range[] {
  const { resource, size } = device;
  const mappings = daxBusMappings(device).map(({ start, end }) => ({ start, end: end + 1 }));
  if (mappings.length > 0) return mappings;
  return resource === undefined || size === 0 ? [] : [{ start: resource, end: resource + size }];
}

/** Whether the physical addresses of the device's memory are known; the kernel tells them to root only. */
export function hasAddress(device: DaxBusDevice): boolean {
  return ranges(device).length > 0;
}

/** How many whole blocks the device's memory contains; drivers/dax/kmem.c leaves the rest unused. */
export function wholeBlocks(device: DaxBusDevice, unit: number): number {
  return ranges(device).reduce((sum, { start, end }) => {
    return sum + Math.max(0, Math.floor(end / unit) - Math.ceil(start / unit));
  }, 0);
}

/**
 * The blocks of the device's memory, by address. A block that lies in the memory only in part is left out: its other part belongs
 * to another owner.
 */
export function memoryBlocks(device: DaxBusDevice, host: Host): MemoryBlock[] {
  const unit = blockSize(host);
  if (unit === undefined || device.targetNode === undefined) return [];
  const where = ranges(device);
  const node = join(host.sys, 'devices', 'system', 'node', `node${device.targetNode}`);
  return children(node, /^memory\d+$/)
    .map(({ name, directory }) => ({
      name,
      directory,
      start: (hexadecimal(attribute(directory, 'phys_index')) ?? -1) * unit,
    }))
    .filter(({ start }) => where.some((range) => start >= range.start && start + unit <= range.end))
    .sort((a, b) => a.start - b.start)
    .map(({ name, directory }) => {
      const online = attribute(directory, 'state') === 'online';
      return { name, directory, online, zone: online ? attribute(directory, 'valid_zones') : undefined };
    });
}

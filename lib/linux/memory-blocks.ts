/**
 * The blocks of ordinary memory that a device became: Documentation/ABI/testing/sysfs-devices-memory and
 * admin-guide/mm/memory-hotplug.rst.
 */

import { join } from 'node:path';
import type { DaxDevice } from './dax/devices.js';
import type { Host } from './host.js';
import { children } from './sysfs/nodes.js';
import { attribute, numericAttribute } from './sysfs/read.js';

/** One block, as the kernel takes memory in and out. */
export interface MemoryBlock {
  /** `memory40` */
  readonly name: string;
  readonly directory: string;
  readonly online: boolean;
  /** `Movable`, `Normal`: the zone that it is in, of a block that is online. */
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

/** Bytes of a block. */
export function blockSize(host: Host): number | undefined {
  return hexadecimal(attribute(memoryDirectory(host), 'block_size_bytes'));
}

/** What the kernel does with blocks that appear: `offline`, or one of `online`, `online_kernel`, `online_movable`. */
export function autoOnline(host: Host): string | undefined {
  return attribute(memoryDirectory(host), 'auto_online_blocks');
}

/** Physical addresses of the device; devices made of several pieces have a directory for each. */
function ranges({ directory, resource, size }: DaxDevice): Range[] {
  const mappings = children(directory, /^mapping\d+$/).flatMap((mapping) => {
    const start = numericAttribute(mapping.directory, 'start');
    const end = numericAttribute(mapping.directory, 'end');
    return start === undefined || end === undefined ? [] : [{ start, end: end + 1 }];
  });
  if (mappings.length > 0) return mappings;
  return resource === undefined || size === undefined ? [] : [{ start: resource, end: resource + size }];
}

/** Whether it is known where the device's memory is; the kernel tells root only. */
export function hasAddress(device: DaxDevice): boolean {
  return ranges(device).length > 0;
}

/** How many whole blocks the device's memory has; drivers/dax/kmem.c leaves the rest unused. */
export function wholeBlocks(device: DaxDevice, unit: number): number {
  return ranges(device).reduce((sum, { start, end }) => {
    return sum + Math.max(0, Math.floor(end / unit) - Math.ceil(start / unit));
  }, 0);
}

/**
 * The blocks on the device's node that lie in its memory, by address. A block where it only begins or ends is not one: the rest
 * of it is somebody else's.
 */
export function memoryBlocks(device: DaxDevice, host: Host): MemoryBlock[] {
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

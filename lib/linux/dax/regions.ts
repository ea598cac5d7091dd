/** Regions of the DAX bus: the directory `dax_region` beside the devices (Documentation/ABI/testing/sysfs-bus-dax). */

import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Host } from '../host.js';
import { children, type Entry, node } from '../sysfs/nodes.js';
import { numericAttribute, resolve } from '../sysfs/read.js';

/** A range of memory that the kernel makes devices of. */
export interface DaxBusRegion {
  readonly id: number;
  /** Below /sys/devices; the devices are in it. */
  readonly directory: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes; undefined where this user may not read it, and no device tells. */
  readonly align: number | undefined;
  /** Devices can be created in it and resized; else its owner (libnvdimm) has decided. */
  readonly dynamic: boolean;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
}

/** A device of a region, as it stands. */
export interface DaxBusDevice extends Entry {
  /** Behind the point. */
  readonly number: number;
  readonly driver: string | undefined;
  readonly size: number;
  readonly align: number | undefined;
  readonly resource: number | undefined;
}

/** Where a device's memory is: mapping0, mapping1, … */
export interface DaxBusMapping {
  /** In pages of 4 KiB, in the device. */
  readonly pageOffset: number;
  /** Physical address of the first byte, and of the last one. */
  readonly start: number;
  readonly end: number;
}

const NAME = /^dax(\d+)\.(\d+)$/;

function all(host: Host): Entry[] {
  return children(join(host.sys, 'bus', 'dax', 'devices'), NAME);
}

function regionOf(directory: string, device: Entry): DaxBusRegion | undefined {
  const attributes = join(directory, 'dax_region');
  const size = numericAttribute(attributes, 'size');
  const id = numericAttribute(attributes, 'id') ?? Number(NAME.exec(device.name)?.[1]);
  if (size === undefined) return undefined;
  return {
    id,
    directory,
    size,
    align: numericAttribute(attributes, 'align') ?? numericAttribute(device.directory, 'align'),
    dynamic: numericAttribute(attributes, 'available_size') !== undefined,
    numaNode: node(device.directory, 'numa_node'),
    targetNode: node(device.directory, 'target_node'),
  };
}

/** By their ids. A region has one device at least: the kernel keeps the first, even when it is empty. */
export function daxBusRegions(host: Host): DaxBusRegion[] {
  const found = new Map<string, DaxBusRegion>();
  for (const device of all(host)) {
    const directory = dirname(device.directory);
    const region = found.has(directory) ? undefined : regionOf(directory, device);
    if (region !== undefined) found.set(directory, region);
  }
  return [...found.values()].sort((a, b) => a.id - b.id);
}

/** What is free in a dynamic region, in bytes. */
export function availableSize({ directory }: DaxBusRegion): number {
  return numericAttribute(join(directory, 'dax_region'), 'available_size') ?? 0;
}

/** All its devices by their numbers, those without any size too. */
export function daxBusDevices(host: Host, { directory }: DaxBusRegion): DaxBusDevice[] {
  return all(host)
    .filter((device) => dirname(device.directory) === directory)
    .map((device) => {
      const driver = resolve(join(device.directory, 'driver'));
      return {
        ...device,
        number: Number(NAME.exec(device.name)?.[2]),
        driver: driver === undefined ? undefined : basename(driver),
        size: numericAttribute(device.directory, 'size') ?? 0,
        align: numericAttribute(device.directory, 'align'),
        resource: numericAttribute(device.directory, 'resource'),
      };
    })
    .sort((a, b) => a.number - b.number);
}

/** In the device's order. None where this user may not read them: the kernel tells addresses to root only. */
export function daxBusMappings({ directory }: Pick<DaxBusDevice, 'directory'>): DaxBusMapping[] {
  const found: DaxBusMapping[] = [];
  for (const mapping of children(directory, /^mapping\d+$/)) {
    const pageOffset = numericAttribute(mapping.directory, 'page_offset');
    const start = numericAttribute(mapping.directory, 'start');
    const end = numericAttribute(mapping.directory, 'end');
    if (pageOffset !== undefined && start !== undefined && end !== undefined) found.push({ pageOffset, start, end });
  }
  return found.sort((a, b) => a.pageOffset - b.pageOffset);
}

/**
 * Where a region begins in physical memory: what /proc/iomem reserves for its parent (`hmem.0`, `dax_region0`); else what an
 * empty device says, which is the region's; undefined where neither may be read.
 */
export function daxBusResource(host: Host, region: DaxBusRegion): number | undefined {
  const empty = daxBusDevices(host, region).find((device) => !region.dynamic || device.size === 0);
  if (empty?.resource !== undefined) return empty.resource;
  let text: string;
  try {
    text = readFileSync(join(host.proc, 'iomem'), 'utf8');
  } catch {
    return undefined;
  }
  for (const [, first, last, name] of text.matchAll(/^ *([0-9a-f]+)-([0-9a-f]+) : (.*)$/gm)) {
    const [start, end] = [Number.parseInt(first ?? '', 16), Number.parseInt(last ?? '', 16)];
    if (name === basename(region.directory) && end - start + 1 === region.size) return start;
  }
  return undefined;
}

/** Regions of the DAX bus: the directory `dax_region` beside the devices (Documentation/ABI/testing/sysfs-bus-dax). */

import { basename, dirname, join } from 'node:path';
import type { Host } from '../host.js';
import { textAt } from '../look.js';
import type { Entry } from '../sysfs/nodes.js';
import { attribute, numericAttribute } from '../sysfs/read.js';
import { DAX_NAME, type DaxBusDevice, daxDeviceAt, daxEntries } from './devices.js';

/** A range of memory that the kernel makes devices of. */
export interface DaxBusRegion {
  readonly id: number;
  /** Below /sys/devices; the devices' directories are in it. */
  readonly directory: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes; undefined where this user may not read it and no device tells it. */
  readonly align: number | undefined;
  /** Devices can be created in the region and resized; else the owner of the region (libnvdimm) decides. */
  readonly dynamic: boolean;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
}

function regionOf(directory: string, entry: Entry): DaxBusRegion | undefined {
  const attributes = join(directory, 'dax_region');
  const size = numericAttribute(attributes, 'size');
  if (size === undefined) return undefined;
  const { align, numaNode, targetNode } = daxDeviceAt(entry.directory);
  return {
    id: numericAttribute(attributes, 'id') ?? Number(DAX_NAME.exec(entry.name)?.[1]),
    directory,
    size,
    align: numericAttribute(attributes, 'align') ?? align,
    dynamic: numericAttribute(attributes, 'available_size') !== undefined,
    numaNode,
    targetNode,
  };
}

/** All regions, by id. A region has at least one device: the kernel keeps the first, even an empty one. */
export function daxBusRegions(host: Host): DaxBusRegion[] {
  const found = new Map<string, DaxBusRegion>();
  for (const entry of daxEntries(host)) {
    const directory = dirname(entry.directory);
    const region = found.has(directory) ? undefined : regionOf(directory, entry);
    if (region !== undefined) found.set(directory, region);
  }
  return [...found.values()].sort((a, b) => a.id - b.id);
}

/** Free bytes of a dynamic region. */
export function availableSize({ directory }: DaxBusRegion): number {
  return numericAttribute(join(directory, 'dax_region'), 'available_size') ?? 0;
}

/** Name of the device that the kernel created last in the region. */
export function lastCreated({ directory }: Pick<DaxBusRegion, 'directory'>): string | undefined {
  return attribute(join(directory, 'dax_region'), 'create');
}

/** All devices of the region by number, empty ones included. */
export function daxBusDevices(host: Host, { directory }: DaxBusRegion): DaxBusDevice[] {
  return daxEntries(host)
    .filter((entry) => dirname(entry.directory) === directory)
    .map((entry) => daxDeviceAt(entry.directory))
    .sort((a, b) => a.number - b.number);
}

/**
 * The physical address of the region's first byte. An empty device has it as its `resource`; else /proc/iomem reserves the region
 * under the name of its parent (`hmem.0`, `dax_region0`). Undefined where neither may be read.
 */
export function daxBusResource(host: Host, region: DaxBusRegion): number | undefined {
  const empty = daxBusDevices(host, region).find((device) => !region.dynamic || device.size === 0);
  if (empty?.resource !== undefined) return empty.resource;
  const text = textAt(join(host.proc, 'iomem')) ?? '';
  for (const [, first, last, name] of text.matchAll(/^ *([0-9a-f]+)-([0-9a-f]+) : (.*)$/gm)) {
    const [start, end] = [Number.parseInt(first ?? '', 16), Number.parseInt(last ?? '', 16)];
    if (name === basename(region.directory) && end - start + 1 === region.size) return start;
  }
  return undefined;
}

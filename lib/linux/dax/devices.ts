/** Devices of the DAX bus: Documentation/ABI/testing/sysfs-bus-dax. */

import { basename, dirname, join } from 'node:path';
import type { Host } from '../host.js';
import { children, type Entry, node } from '../sysfs/nodes.js';
import { numericAttribute, resolve } from '../sysfs/read.js';

/** One `daxX.Y` as sysfs shows it, whoever owns the memory. */
export interface DaxBusDevice extends Entry {
  /** Y of `daxX.Y`. */
  readonly number: number;
  /** `device_dax` or `kmem`; undefined while no driver serves the device. */
  readonly driver: string | undefined;
  /** Bytes; 0 of an empty device, and of one that is gone. */
  readonly size: number;
  /** Bytes. */
  readonly align: number | undefined;
  readonly numaNode: number | undefined;
  /** The node that the memory becomes as ordinary memory. */
  readonly targetNode: number | undefined;
  /** Physical address; the kernel tells it to root only. */
  readonly resource: number | undefined;
  /** `hmem` or `CXL`, where the path tells. */
  readonly provider: string | undefined;
}

/** Where a piece of a device's memory is: its directory `mapping0`, `mapping1`, … */
export interface DaxBusMapping {
  /** Where the piece begins in the device, in pages of 4 KiB. */
  readonly pageOffset: number;
  /** Physical address of the first byte. */
  readonly start: number;
  /** Physical address of the last byte. */
  readonly end: number;
}

/** Names of devices: `dax0.1`. */
export const DAX_NAME = /^dax(\d+)\.(\d+)$/;

/** Firmware's specific-purpose memory is below hmem.N; CXL regions have a DAX region of their own. */
function providerOf(directory: string): string | undefined {
  if (/\/dax_region\d+\//.test(directory)) return 'CXL';
  return /^hmem(\.\d+)?$/.test(basename(dirname(directory))) ? 'hmem' : undefined;
}

/** The driver that serves the device now. */
export function daxDriver(directory: string): string | undefined {
  const target = resolve(join(directory, 'driver'));
  return target === undefined ? undefined : basename(target);
}

/** The device with this directory. */
export function daxDeviceAt(directory: string): DaxBusDevice {
  const name = basename(directory);
  return {
    name,
    directory,
    number: Number(DAX_NAME.exec(name)?.[2]),
    driver: daxDriver(directory),
    size: numericAttribute(directory, 'size') ?? 0,
    align: numericAttribute(directory, 'align'),
    numaNode: node(directory, 'numa_node'),
    targetNode: node(directory, 'target_node'),
    resource: numericAttribute(directory, 'resource'),
    provider: providerOf(directory),
  };
}

/** All entries of the bus, empty devices included. */
export function daxEntries(host: Host): Entry[] {
  return children(join(host.sys, 'bus', 'dax', 'devices'), DAX_NAME);
}

/** The devices of the bus that have memory. The kernel and daxctl make new devices of the empty ones. */
export function daxDevices(host: Host): DaxBusDevice[] {
  return daxEntries(host)
    .map(({ directory }) => daxDeviceAt(directory))
    .filter(({ size }) => size > 0);
}

/** The pieces of a device, in the device's order. None where this user may not read them: the kernel tells addresses to root only. */
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

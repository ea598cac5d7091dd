/** Devices of the DAX bus: Documentation/ABI/testing/sysfs-bus-dax. */

import { basename, dirname, join } from 'node:path';
import type { Host } from '../host.js';
import { children, node } from '../sysfs/nodes.js';
import { numericAttribute, resolve } from '../sysfs/read.js';

/** One `daxX.Y`, whoever owns the memory. */
export interface DaxDevice {
  readonly name: string;
  /** Below /sys/devices. */
  readonly directory: string;
  /** `device_dax`, `kmem`, or none: then it is disabled. */
  readonly driver: string | undefined;
  readonly size: number | undefined;
  readonly alignment: number | undefined;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
  readonly resource: number | undefined;
  /** `hmem` or `CXL`, where the path tells. */
  readonly provider: string | undefined;
}

/** Firmware's specific-purpose memory hangs below hmem.N; CXL regions have a DAX region of their own. */
function providerOf(directory: string): string | undefined {
  if (/\/dax_region\d+\//.test(directory)) return 'CXL';
  return /^hmem(\.\d+)?$/.test(basename(dirname(directory))) ? 'hmem' : undefined;
}

/** What sysfs says in the directory of a device. */
export function daxDeviceAt(directory: string): DaxDevice {
  const driver = resolve(join(directory, 'driver'));
  return {
    name: basename(directory),
    directory,
    driver: driver === undefined ? undefined : basename(driver),
    size: numericAttribute(directory, 'size'),
    alignment: numericAttribute(directory, 'align'),
    numaNode: node(directory, 'numa_node'),
    targetNode: node(directory, 'target_node'),
    resource: numericAttribute(directory, 'resource'),
    provider: providerOf(directory),
  };
}

/** The devices of the bus. Those without any size are placeholders from which daxctl makes new ones. */
export function daxDevices(host: Host): DaxDevice[] {
  return children(join(host.sys, 'bus', 'dax', 'devices'), /^dax\d+\.\d+$/)
    .map(({ directory }) => daxDeviceAt(directory))
    .filter((device) => device.size !== 0);
}

/** Lists of bad sectors: the attribute `badblocks` (Documentation/ABI/testing/sysfs-block, sysfs-bus-nd). */

import { dirname } from 'node:path';
import { ndRegion } from './nvdimm/regions.js';
import { attribute, numericAttribute } from './sysfs/read.js';

/** The kernel's sectors, bytes. */
const SECTOR = 512;

/** A list that covers a device. */
export interface BadBlockList {
  /** Lines `START COUNT`, in sectors of 512 bytes. */
  readonly text: string;
  /** Where the device begins in the list, in bytes. */
  readonly origin: number;
}

/** The list of a block device. A partition is a part of its disk's list. */
export function badBlocksOfBlockDevice(directory: string): BadBlockList | undefined {
  const own = attribute(directory, 'badblocks');
  if (own !== undefined) return { text: own, origin: 0 };
  const start = numericAttribute(directory, 'start');
  const text = attribute(dirname(directory), 'badblocks');
  return text === undefined || start === undefined ? undefined : { text, origin: start * SECTOR };
}

/** The list of a DAX device: its region's. Only root can know where in the region the device begins. */
export function badBlocksOfDaxDevice(directory: string): BadBlockList | undefined {
  const region = ndRegion(directory);
  if (region === undefined) return undefined;
  const text = attribute(region, 'badblocks');
  const [begin, base] = [numericAttribute(directory, 'resource'), numericAttribute(region, 'resource')];
  if (text === undefined) return undefined;
  if (text === '') return { text, origin: 0 };
  return begin === undefined || base === undefined ? undefined : { text, origin: begin - base };
}

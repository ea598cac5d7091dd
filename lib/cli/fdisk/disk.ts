/** A path as a disk to be listed. */

import { dirname, join } from 'node:path';
import { PmemDisk } from '../../block/pmem-disk.js';
import { PmemError } from '../../errors.js';
import { attribute, numericAttribute } from '../../linux/sysfs/read.js';
import { Region } from '../../memory/region/region.js';

/** What the kernel says of a device's sectors, in bytes; of a file it says nothing, and all are the same. */
export interface Topology {
  readonly logical: number;
  readonly physical: number;
  readonly leastIo: number;
  readonly bestIo: number;
  readonly model: string | undefined;
}

export interface ListedDisk {
  readonly disk: PmemDisk;
  readonly topology: Topology;
  close(): void;
}

function uniform(size: number): Topology {
  return { logical: size, physical: size, leastIo: size, bestIo: size, model: undefined };
}

/** From sysfs; a partition has its disk's queue. */
function topologyOf(device: string): Topology {
  const home = attribute(join(device, 'queue'), 'logical_block_size') === undefined ? dirname(device) : device;
  const queue = join(home, 'queue');
  const logical = numericAttribute(queue, 'logical_block_size') ?? 512;
  const leastIo = numericAttribute(queue, 'minimum_io_size') || logical;
  return {
    logical,
    physical: numericAttribute(queue, 'physical_block_size') ?? logical,
    leastIo,
    bestIo: numericAttribute(queue, 'optimal_io_size') || leastIo,
    model: attribute(join(home, 'device'), 'model'),
  };
}

function isSupported(sectorSize: number): sectorSize is 512 | 4096 {
  return sectorSize === 512 || sectorSize === 4096;
}

/**
 * Maps the path for reading, beside whoever else has it open.
 *
 * @throws PmemError with a POSIX code: EINVAL where there is not even one sector.
 */
export function openDisk(path: string, sectorSize: 512 | 4096 | undefined): ListedDisk {
  const region = Region.open(path, { readOnly: true, shared: true });
  try {
    const { kind, device } = region;
    const known = kind === 'block' && device !== undefined ? topologyOf(device) : uniform(512);
    const topology = sectorSize === undefined ? known : { ...uniform(sectorSize), model: known.model };
    const { logical } = topology;
    if (!isSupported(logical) || region.size < logical) {
      throw new PmemError('EINVAL', `EINVAL: '${path}' has no sectors of ${logical} bytes`, { path });
    }
    return { disk: PmemDisk.open(region, { sectorSize: logical }), topology, close: () => region.close() };
  } catch (error) {
    region.close();
    throw error;
  }
}

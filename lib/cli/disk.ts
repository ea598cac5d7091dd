/** A path, opened as a disk whose partitions are shown. */

import { PmemDisk } from '../block/pmem-disk.js';
import { posixError } from '../errors.js';
import { type Topology, topologyOf } from '../linux/blockdev/topology.js';
import { Region } from '../memory/region/region.js';
import { withExisting } from './existing.js';

export interface OpenedDisk {
  readonly disk: PmemDisk;
  readonly region: Region;
  readonly topology: Topology;
  [Symbol.dispose](): void;
}

/** Sizes of sectors that a user can ask for. */
export const SECTOR_SIZES = [512, 4096] as const;
type SectorSize = (typeof SECTOR_SIZES)[number];

/** The topology of a file. */
function uniform(size: number): Topology {
  return { logical: size, physical: size, leastIo: size, bestIo: size, model: undefined };
}

function isSupported(sectorSize: number): sectorSize is SectorSize {
  return (SECTOR_SIZES as readonly number[]).includes(sectorSize);
}

/**
 * Maps the path for reading, beside other processes that have it open.
 *
 * @throws PmemError with a POSIX code: EINVAL where there is not even one sector
 */
export function openDisk(path: string, sectorSize: SectorSize | undefined): OpenedDisk {
  const region = withExisting(path, () => Region.open(path, { readOnly: true, shared: true }));
  try {
    const { kind, device } = region;
    const known = kind === 'block' && device !== undefined ? topologyOf(device) : uniform(512);
    const topology = sectorSize === undefined ? known : { ...uniform(sectorSize), model: known.model };
    const { logical } = topology;
    if (!isSupported(logical) || region.size < logical) {
      throw posixError('EINVAL', `'${path}' has no sectors of ${logical} bytes`, { path });
    }
    const disk = PmemDisk.open(region, { sectorSize: logical });
    return { disk, region, topology, [Symbol.dispose]: () => region.close() };
  } catch (error) {
    region.close();
    throw error;
  }
}

/** The name of a disk's partition: `sda1`, `pmem0p1`. */
export function partitionName(path: string, number: number): string {
  if (/^\/dev\/disk\/by-(id|path|uuid|partuuid)\//.test(path)) return `${path}-part${number}`;
  return `${path}${/\d$/.test(path) ? 'p' : ''}${number}`;
}

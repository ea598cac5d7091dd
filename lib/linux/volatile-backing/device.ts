/** The media of block devices and of DAX devices. */

import { basename, dirname, join } from 'node:path';
import { isPartition } from '../blockdev/stack.js';
import type { Host } from '../host.js';
import { legacyCaveat } from '../nvdimm/legacy-memory.js';
import { nvdimmRegionOf } from '../nvdimm/regions.js';
import { children } from '../sysfs/nodes.js';
import { attribute } from '../sysfs/read.js';
import { belowLoop } from './loop.js';
import { type Media, persistentMedia, unknownMedia, volatileMedia, worst } from './media.js';
import type { Walk } from './walk.js';

/** Memory of libnvdimm, in any mode of its namespace; undefined of other devices. */
function nvdimmMedia(host: Host, directory: string): Media | undefined {
  const region = nvdimmRegionOf(directory);
  if (region === undefined) return undefined;
  if (region.volatile) return volatileMedia(`${region.name} is volatile memory, as the platform says`, [directory]);
  const caveat = legacyCaveat(host, region);
  return caveat === undefined ? persistentMedia(directory) : unknownMedia(caveat, [directory]);
}

/** The media of a DAX device, by its directory below /sys/devices. Only libnvdimm's memory is persistent. */
export function belowDax(host: Host, directory: string): Media {
  return (
    nvdimmMedia(host, directory) ??
    volatileMedia(`${basename(directory)} is memory that is not persistent`, [directory])
  );
}

/** An NVMe device with several paths has a virtual head. */
function isMultipath(directory: string): boolean {
  return /\/nvme-subsys\d+\//.test(directory);
}

/** A clause about a block device that another machine or program serves; undefined of other devices. */
function remote(directory: string): string | undefined {
  const name = basename(directory);
  const served = `${name} is served by another machine or program, and the kernel does not tell what that keeps at power-off`;
  if (/^(nbd|rbd|drbd|ublkb|zd|rnbd|nvmesh)\d+$/.test(name) || /\/session\d+\/target/.test(directory)) return served;
  if (/\/tcm_loop_\d+\//.test(directory)) return served;
  const parent = dirname(directory);
  const paths = isMultipath(directory) ? children(parent, /^nvme\d+$/).map((path) => path.directory) : [parent];
  const transports = paths.map((path) => attribute(path, 'transport')).filter((one) => one !== undefined);
  return transports.some((transport) => transport !== 'pcie') && /^nvme/.test(name) ? served : undefined;
}

/** A block device, by its directory. */
export function belowBlockDevice(walk: Walk, directory: string): Media {
  const name = basename(directory);
  const memory = nvdimmMedia(walk.host, directory);
  if (memory !== undefined) return memory;
  if (isPartition(directory)) return walk.device(dirname(directory));
  if (/^(ram|zram|nullb)\d+$/.test(name)) return volatileMedia(`${name} is a RAM disk`, [directory]);
  if (/^loop\d+$/.test(name)) return belowLoop(walk, directory);
  const parts = children(join(directory, 'slaves'), /./);
  if (parts.length > 0) return worst(parts.map((part) => walk.device(part.directory)));
  if (/\/pseudo_\d+\/adapter\d+\//.test(directory)) {
    return volatileMedia(`${name} is scsi_debug, a RAM disk`, [directory]);
  }
  const served = remote(directory);
  if (served !== undefined) return unknownMedia(served, [directory]);
  if (/^mtdblock\d+$/.test(name) && attribute(join(directory, 'device'), 'type') === 'ram') {
    return volatileMedia(`${name} is memory`, [directory]);
  }
  if (directory.includes('/virtual/') && !isMultipath(directory)) {
    return unknownMedia(`the kernel does not tell what is below ${name}`, [directory]);
  }
  return persistentMedia(directory);
}

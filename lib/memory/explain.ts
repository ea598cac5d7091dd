/** What one would get at a path, and why not better. */

import { closeSync } from 'node:fs';
import { native } from '../binding.js';
import { PmemError } from '../errors.js';
import {
  type Backing,
  type BackingKind,
  deviceOf,
  type FileSystem,
  inspect,
  numaNode,
  openDescriptor,
} from './backing.js';
import { assumedByEnvironment, decideDurability } from './durability.js';
import type { Durability } from './memory.js';
import { type Obstacle, obstacles } from './obstacles.js';
import { attribute, ndRegion } from './sysfs.js';

/** The answer of {@link explain}. */
export interface Explanation {
  readonly path: string;
  readonly kind: BackingKind;
  /** Bytes; undefined for physical memory. */
  readonly size: number | undefined;
  /** Offsets must be multiples of this many bytes, and on device-DAX lengths too. */
  readonly alignment: number;
  readonly fileSystem: FileSystem | undefined;
  /** Directory below /sys/devices of the device that holds the bytes. */
  readonly device: string | undefined;
  readonly numaNode: number | undefined;
  /** `cpu_cache`, `memory_controller` or what else the kernel says of the libnvdimm region; undefined outside of one. */
  readonly persistenceDomain: string | undefined;
  /** What `Region.open` would find, without and with `assumePersistent` in the environment. */
  readonly durability: Durability;
  /** What stands in the way of a granularity finer than `page`; empty when nothing does. */
  readonly obstacles: readonly Obstacle[];
}

/** Whether MAP_SYNC can be tried at all on this kind. */
export function knowsMapSync(backing: Backing): boolean {
  return backing.kind === 'file' || backing.kind === 'devdax';
}

/** Asks the kernel for MAP_SYNC on the first page: 0, or the errno of its refusal. */
export function probeSync(fd: number, backing: Backing): number {
  if (!knowsMapSync(backing)) return 95;
  return native.probeSync(fd, 0, backing.pageSize);
}

/**
 * What is at a path, which durability a region on it would have, and what stands in the way of a better one, each cause
 * with its way out. Opens the path for reading and maps one page of it for a moment; changes nothing.
 *
 * @throws PmemError with the POSIX code when the path cannot be opened or is nothing that can be mapped.
 */
export function explain(path: string): Explanation {
  const fd = openDescriptor(path, false);
  try {
    const backing = inspect(fd, path);
    const syncErrno = probeSync(fd, backing);
    const durability = decideDurability({ backing, syncErrno, assumePersistent: assumedByEnvironment() });
    const device = deviceOf(backing);
    const region = device === undefined ? undefined : ndRegion(device);
    const coarse = durability.assumed || durability.granularity === 'page';
    const named = backing.kind === 'devmem' || backing.kind === 'pci' || backing.kind === 'devdax';
    return {
      path,
      kind: backing.kind,
      size: backing.size,
      alignment: backing.pageSize,
      fileSystem: backing.fileSystem,
      device,
      numaNode: numaNode(backing),
      persistenceDomain: region === undefined ? undefined : attribute(region, 'persistence_domain'),
      durability,
      obstacles: coarse && !named ? obstacles(backing, syncErrno) : [],
    };
  } finally {
    closeSync(fd);
  }
}

/** The refusal of a region that is weaker than what was asked for. */
export function tooCoarse(backing: Backing, syncErrno: number, durability: Durability, wanted: string): PmemError {
  const causes = backing.kind === 'devdax' ? [] : obstacles(backing, syncErrno);
  const why = causes.map((one) => `${one.cause}. Way out: ${one.remedy}`).join('. ');
  const found = durability.volatile ? 'no durability' : `granularity '${durability.granularity}'`;
  return new PmemError(
    'ERR_PMEM_GRANULARITY',
    `'${backing.path}' offers ${found}, and '${wanted}' was asked for: ${why === '' ? durability.reason : why}`,
    { path: backing.path },
  );
}

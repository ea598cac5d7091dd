/** What one would get at a path, and why not better. */

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { native } from '../../binding.js';
import { PmemError, systemError } from '../../errors.js';
import {
  type Backing,
  type BackingKind,
  deviceOf,
  type FileSystem,
  inspect,
  inspectDirectory,
  numaNode,
  openDescriptor,
} from '../backing.js';
import type { Durability } from '../memory.js';
import { checkPath } from '../region/options.js';
import { assumedByEnvironment, decideDurability, persistenceDomain } from './durability.js';
import { isUnflushable, isVolatile, type Obstacle, obstacles } from './obstacles.js';

const { EOPNOTSUPP } = osConstants.errno;

/** The answer of {@link explain}. */
export interface Explanation {
  readonly path: string;
  readonly kind: BackingKind | 'directory';
  /** Bytes; undefined for physical memory and directories. */
  readonly size: number | undefined;
  /** Offsets must be multiples of this many bytes, and on device-DAX lengths too. */
  readonly alignment: number;
  readonly fileSystem: FileSystem | undefined;
  /** Directory below /sys/devices of the device that holds the bytes. */
  readonly device: string | undefined;
  readonly numaNode: number | undefined;
  /** `cpu_cache`, `memory_controller` or what else the kernel says of the libnvdimm region; undefined outside of one. */
  readonly persistenceDomain: string | undefined;
  /** What `Region.open` would find now, `PMEM_ASSUME_PERSISTENT` in the environment included. */
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
  if (!knowsMapSync(backing)) return EOPNOTSUPP;
  return native.probeSync(fd, 0, backing.pageSize);
}

/** A file in the directory that is not there yet: what its file system is decides all. */
function imagine(fd: number, path: string): { backing: Backing; syncErrno: number } {
  const backing = inspectDirectory(fd, path);
  const hindered = obstacles(backing, EOPNOTSUPP).some((obstacle) => obstacle.code !== 'refused');
  return { backing, syncErrno: hindered ? EOPNOTSUPP : 0 };
}

function probe(fd: number, path: string): { backing: Backing; syncErrno: number } {
  const backing = inspect(fd, path);
  return { backing, syncErrno: probeSync(fd, backing) };
}

/** Opening a directory starts nothing, and what is none cannot be opened as one. */
function openToLook(path: string): number {
  try {
    return openDescriptor(path, false);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EISDIR') throw error;
  }
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw systemError(error, path);
  }
}

/**
 * What is at a path, which durability a region on it would have, and what stands in the way of a better one, each cause
 * with its way out. Of a directory: what a file in it would have. Opens the path for reading and maps one page of it for a
 * moment; changes nothing. What cannot be mapped is not opened: no driver and no FIFO's writer hears of it.
 *
 * @throws PmemError with the POSIX code when the path cannot be opened or is nothing that can be mapped;
 *   `ERR_PMEM_ENVIRONMENT` when PMEM_ASSUME_PERSISTENT is neither 1 nor empty.
 */
export function explain(where: string | Buffer | URL): Explanation {
  const path = checkPath(where);
  const fd = openToLook(path);
  try {
    const isDirectory = fstatSync(fd).isDirectory();
    const { backing, syncErrno } = isDirectory ? imagine(fd, path) : probe(fd, path);
    const found = decideDurability({ backing, syncErrno, assumePersistent: assumedByEnvironment() });
    const durability = isDirectory ? { ...found, reason: `of a file in it: ${found.reason}` } : found;
    const device = deviceOf(backing);
    const coarse = durability.assumed || durability.granularity === 'page';
    return {
      path,
      kind: isDirectory ? 'directory' : backing.kind,
      size: backing.size,
      alignment: backing.pageSize,
      fileSystem: backing.fileSystem,
      device,
      numaNode: numaNode(backing),
      persistenceDomain: persistenceDomain(backing),
      durability,
      obstacles: coarse && hasObstacles(backing) ? obstacles(backing, syncErrno) : [],
    };
  } finally {
    closeSync(fd);
  }
}

/** Devices that are memory are what they are, but for those that cannot be flushed. */
function hasObstacles(backing: Backing): boolean {
  return backing.kind === 'file' || backing.kind === 'block' || (isUnflushable(backing) && !isVolatile(backing));
}

/** The way out in a line. */
function wayOut({ remedy, commands }: Obstacle): string {
  return commands.length === 0 ? remedy : `${remedy}: ${commands.join(' && ')}`;
}

/** The refusal of a region that is weaker than what was asked for. */
export function tooCoarse(backing: Backing, syncErrno: number, durability: Durability, wanted: string): PmemError {
  const { path } = backing;
  const coarse = durability.granularity === 'page' && hasObstacles(backing);
  const causes = coarse ? obstacles(backing, syncErrno) : [];
  const ways = causes.map((one) => `${one.cause}. Way out: ${wayOut(one)}`).join('. ');
  const platform = `${durability.reason}. Whether the platform flushes CPU caches on power failure cannot be changed; 'cache-line' is what it offers`;
  const found = durability.volatile ? 'no durability' : `granularity '${durability.granularity}'`;
  const why = ways !== '' ? ways : wanted === 'byte' && !durability.volatile ? platform : durability.reason;
  return new PmemError('ERR_PMEM_GRANULARITY', `'${path}' offers ${found}, and '${wanted}' was asked for: ${why}`, {
    path,
  });
}

/** The durability that a region at a path would have, and the obstacles to a better one. */

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { systemError } from '../../errors.js';
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
import { hasObstacles, type Obstacle, obstacles } from './obstacles.js';
import { probeSync } from './probe.js';

const { EOPNOTSUPP } = osConstants.errno;

/** What {@link explain} finds. */
export interface Explanation {
  readonly path: string;
  readonly kind: BackingKind | 'directory';
  /** Bytes; undefined of physical memory and directories. */
  readonly size: number | undefined;
  /** Bytes. Offsets must be multiples of it, and lengths too on device-DAX. */
  readonly alignment: number;
  readonly fileSystem: FileSystem | undefined;
  /** Directory below /sys/devices of the device that holds the bytes. */
  readonly device: string | undefined;
  readonly numaNode: number | undefined;
  /** The persistence domain of the libnvdimm regions: `cpu_cache` (eADR) or `memory_controller` (ADR); undefined where none tells one. */
  readonly persistenceDomain: string | undefined;
  /** The durability that `Region.open` would find now, with `PMEM_ASSUME_PERSISTENT` in the environment. */
  readonly durability: Durability;
  /** The obstacles to a granularity finer than `page`; empty where there are none. */
  readonly obstacles: readonly Obstacle[];
}

/** A file that is yet to be made in the directory: its file system decides. */
function probeNewFile(fd: number, path: string): { backing: Backing; syncErrno: number } {
  const backing = inspectDirectory(fd, path);
  const isHindered = obstacles(backing, EOPNOTSUPP).some((obstacle) => obstacle.code !== 'refused');
  return { backing, syncErrno: isHindered ? EOPNOTSUPP : 0 };
}

function probe(fd: number, path: string): { backing: Backing; syncErrno: number } {
  const backing = inspect(fd, path);
  return { backing, syncErrno: probeSync(fd, backing) };
}

/** Opening a directory has no effects, and O_DIRECTORY opens nothing else. */
function openToLook(path: string): number {
  try {
    return openDescriptor(path, false, 'Name a file, a device, or the directory of a file to come');
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
 * What is at a path, the durability that a region there would have, and the obstacles to a better one, each with its way out. For a
 * directory: the durability that a file in it would have. Opens the path for reading and maps one page for a moment; changes
 * nothing. Files that cannot be mapped are not opened, so that no driver and no FIFO's writer notices.
 *
 * @throws PmemError with the POSIX code where the path cannot be opened or cannot be mapped; `ERR_PMEM_ENVIRONMENT` where
 *   PMEM_ASSUME_PERSISTENT is neither 1 nor empty
 */
export function explain(where: string | Buffer | URL): Explanation {
  const path = checkPath(where);
  const fd = openToLook(path);
  try {
    const isDirectory = fstatSync(fd).isDirectory();
    const { backing, syncErrno } = isDirectory ? probeNewFile(fd, path) : probe(fd, path);
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

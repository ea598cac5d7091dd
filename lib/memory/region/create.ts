/** Makes the file of a region, or takes one that is there: allocated, and durable before anything is promised. */

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname } from 'node:path';
import { native } from '../../binding.js';
import { PmemError, systemError } from '../../errors.js';
import { fileSystemStatus, linkTo } from '../../linux/open.js';
import { formatSize } from '../../units.js';
import { openMappable } from '../backing.js';
import { taken } from './new-file.js';
import { danglingLink, isTaken, refusePlanted } from './strangers.js';

/** The path of what was seen, without links; without /proc, of what is there now. */
function realPath(seen: number, path: string): string {
  try {
    return readlinkSync(linkTo(seen));
  } catch {
    return realpathSync(path);
  }
}

/**
 * Opens for writing what is there, where a file would be made if nothing were: a file that a stranger can have put there is refused,
 * and so is a link. Undefined: nothing is there.
 *
 * @param exclusive whatever is there is refused
 */
export function takeExisting(path: string, flags: number, exclusive = false): number | undefined {
  if (!taking(path)) return undefined;
  if (exclusive) throw taken(path);
  try {
    return openMappable(path, flags, {
      check: (seen) => refusePlanted(seen, path, realPath(seen, path)),
      links: 'create',
    });
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    // Deleted meanwhile, unless it is a link.
    if (taking(path)) throw danglingLink(path);
    return undefined;
  }
}

function taking(path: string): boolean {
  try {
    return isTaken(path);
  } catch (error) {
    throw systemError(error, path);
  }
}

/** Whether the path still names the open file. */
export function isStillThere(fd: number, path: string): boolean {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  return there?.dev === dev && there.ino === ino;
}

const { ENOSPC, ENOSYS, EOPNOTSUPP } = osConstants.errno;
const ZEROES = Buffer.alloc(1 << 20);

/** For file systems without fallocate: only an empty file may be written over. */
function writeZeroes(fd: number, size: number): void {
  for (let at = 0; at < size; ) at += writeSync(fd, ZEROES, 0, Math.min(ZEROES.length, size - at), at);
}

function openDirectory(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw systemError(error, path, 'A new name is made durable through its directory, which must be readable');
  }
}

/** Makes the names in it durable. */
export function syncDirectory(path: string): void {
  const fd = openDirectory(path);
  try {
    fsyncSync(fd);
  } catch (error) {
    // Some file systems cannot sync a directory, and say so.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    closeSync(fd);
  }
}

/** Runs what can fill the disk. */
function advised<Result>(path: string, size: number, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    const advice = `Its ${formatSize(size)} are allocated at once; free space, or pass sparse: true`;
    // node:fs has them negative.
    const isFull = Math.abs((error as { errno?: number }).errno ?? 0) === ENOSPC;
    throw systemError(error, path, isFull ? advice : undefined);
  }
}

/**
 * Gives a new file, which nobody else has, its blocks and its size. Durable on return, but for its name, of which it is found out
 * whether {@link settle} will be able to.
 */
export function fillNew(fd: number, path: string, size: number, sparse: boolean): void {
  closeSync(openDirectory(dirname(path)));
  advised(path, size, () => {
    if (!sparse) allocate(fd, path, size, true);
    ftruncateSync(fd, size);
    fsyncSync(fd);
  });
}

/**
 * Allocates what a file that was there lacks, and leaves its bytes. An empty one stays empty: it is to have its size last, by
 * {@link grow}. Durable on return. The range lock is held, unless nobody wants one.
 *
 * Nothing here is taken back when it fails: somebody else may have opened the file, and count on what it has.
 */
export function giveBlocks(fd: number, path: string, size: number, sparse: boolean): void {
  const { size: present, blocks } = fstatSync(fd);
  if (present !== 0 && present !== size) throw sizeMismatch(path, present, size);
  closeSync(openDirectory(dirname(path)));
  advised(path, size, () => {
    if (!sparse) {
      // What was allocated before the disk was full would stay.
      if (present === 0) refuseTooLarge(fd, path, size - 512 * blocks);
      allocate(fd, path, size, present === 0);
    }
    // Also when somebody else made the file, and perhaps died before this.
    if (present !== 0) settle(fd, path);
  });
}

/** Gives an empty file its size, at once: a file that has it has its blocks. It is never truncated, whoever else uses it. */
export function grow(fd: number, path: string, size: number): void {
  advised(path, size, () => {
    try {
      native.allocate(fd, size - 1, 1, true);
    } catch {
      // Without fallocate, or without the one block that a sparse file needs for it.
      if (fstatSync(fd).size < size) ftruncateSync(fd, size);
    }
    const { size: present } = fstatSync(fd);
    if (present !== size) throw sizeMismatch(path, present, size);
    settle(fd, path);
  });
}

/** Makes the file and its name durable. */
export function settle(fd: number, path: string): void {
  fsyncSync(fd);
  syncDirectory(dirname(path));
}

function refuseTooLarge(fd: number, path: string, wanted: number): void {
  const free = fileSystemStatus(fd, path);
  // Some have no limit, and say 0.
  if (free.blocks === 0 || free.bfree * free.bsize >= wanted) return;
  throw Object.assign(new Error('no space left on device'), { errno: ENOSPC, syscall: 'fallocate' });
}

function isUnsupported(error: unknown): boolean {
  const { errno } = error as { errno?: number };
  return errno === EOPNOTSUPP || errno === ENOSYS;
}

function allocate(fd: number, path: string, size: number, empty: boolean): void {
  // NFS can allocate, but not past the end.
  for (const grows of empty ? [false, true] : [false]) {
    try {
      native.allocate(fd, 0, size, grows);
      return;
    } catch (error) {
      if (!isUnsupported(error)) throw error;
    }
  }
  if (!empty) return;
  // Else the disk would be filled up first, slowly.
  refuseTooLarge(fd, path, size - 512 * fstatSync(fd).blocks);
  writeZeroes(fd, size);
}

/** An existing file has another size than was asked for. */
export function sizeMismatch(path: string, present: number, wanted: number): PmemError {
  return new PmemError(
    'ERR_PMEM_SIZE_MISMATCH',
    `'${path}' has ${present} bytes, and a size of ${wanted} was asked for; an existing file is never made longer or ` +
      `shorter. Leave size out to map what is there, or choose another path`,
    { path },
  );
}

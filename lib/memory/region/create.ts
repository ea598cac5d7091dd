/** Makes the file of a region, or uses an existing one: allocated, and durable before anything is promised. */

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

/** The path, without links, of the file that was seen; without /proc, of the file that is there now. */
function realPath(seen: number, path: string): string {
  try {
    return readlinkSync(linkTo(seen));
  } catch {
    return realpathSync(path);
  }
}

/**
 * Opens an existing file for writing where otherwise one would be made. Refuses a file or link that a stranger can have put there.
 * Undefined: nothing is there.
 *
 * @param exclusive refuse whatever is there
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

/** For file systems without fallocate. The file must be empty: nothing else may be overwritten. */
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

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  const fd = openDirectory(path);
  try {
    fsyncSync(fd);
  } catch (error) {
    // Some file systems cannot sync a directory.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    closeSync(fd);
  }
}

/** Runs what can fill the disk, and adds advice to that error. */
function advised<Result>(path: string, size: number, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    const advice = `Its ${formatSize(size)} are allocated at once; free space, or pass sparse: true`;
    // Errnos of node:fs are negative.
    const isFull = Math.abs((error as { errno?: number }).errno ?? 0) === ENOSPC;
    throw systemError(error, path, isFull ? advice : undefined);
  }
}

/**
 * Gives a new file, which nobody else has, its blocks and its size. Durable on return, but for its name. Throws now if {@link settle}
 * could not make the name durable later.
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
 * Allocates the blocks that an existing file lacks, and leaves its bytes. An empty file stays empty: {@link grow} gives it its size
 * last. Durable on return. The caller holds the range lock, unless none is wanted.
 *
 * Takes nothing back when it fails: somebody else may have opened the file, and count on its blocks.
 */
export function giveBlocks(fd: number, path: string, size: number, sparse: boolean): void {
  const { size: present, blocks } = fstatSync(fd);
  if (present !== 0 && present !== size) throw sizeMismatch(path, present, size);
  closeSync(openDirectory(dirname(path)));
  advised(path, size, () => {
    if (!sparse) {
      // Blocks allocated before the disk was full would stay.
      if (present === 0) refuseTooLarge(fd, path, size - 512 * blocks);
      allocate(fd, path, size, present === 0);
    }
    // Somebody else may have made the file, and died before this.
    if (present !== 0) settle(fd, path);
  });
}

/** Gives an empty file its size in one step: a file that has it has its blocks. The file is never truncated: others may use it. */
export function grow(fd: number, path: string, size: number): void {
  advised(path, size, () => {
    try {
      native.allocate(fd, size - 1, 1, true);
    } catch {
      // There is no fallocate, or no block left, of which a sparse file needs one here.
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
  // A file system without a limit says 0.
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
  // Otherwise the disk would be filled first, slowly.
  refuseTooLarge(fd, path, size - 512 * fstatSync(fd).blocks);
  writeZeroes(fd, size);
}

/** The error for an existing file of another size than asked for. */
export function sizeMismatch(path: string, present: number, wanted: number): PmemError {
  return new PmemError(
    'ERR_PMEM_SIZE_MISMATCH',
    `'${path}' has ${present} bytes, and size is ${wanted}; an existing file is never resized. ` +
      'Leave size out to map the file as it is, or choose another path',
    { path },
  );
}

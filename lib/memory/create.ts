/** Opening the file behind a region, and making it when asked to: allocated, and durable before anything is promised. */

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname } from 'node:path';
import { native } from '../binding.js';
import { PmemError, systemError } from '../errors.js';
import { formatSize } from '../units.js';
import { openDescriptor } from './backing.js';
import type { CheckedOptions } from './options.js';

/** An open descriptor, and what was made by opening it. */
export interface OpenedFile {
  readonly fd: number;
  /** The file was not there, and is empty. */
  readonly made: boolean;
  /** Its size was given to it here. */
  sized: boolean;
}

/** Opens an existing file, or makes it when the options say so. */
export function openFile(path: string, options: Pick<CheckedOptions, 'create' | 'readOnly' | 'mode'>): OpenedFile {
  if (!options.create) return { fd: openDescriptor(path, !options.readOnly), made: false, sized: false };
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  try {
    return { fd: openSync(path, flags, options.mode), made: true, sized: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw systemError(error, path);
  }
  return { fd: openDescriptor(path, true), made: false, sized: false };
}

/**
 * Removes the file if it was made just now, or empties it again. Others may have given it a size and contents since it
 * was seen empty here: then it is theirs.
 */
export function undo(file: OpenedFile, path: string): void {
  const { fd, made, sized } = file;
  try {
    if (!sized && !(made && fstatSync(fd).size === 0)) return;
    if (!made) ftruncateSync(fd, 0);
    else if (isStillThere(file, path)) unlinkSync(path);
  } catch {
    // What went wrong before is what the user needs to know.
  }
}

/** Whether the path still names the open file. */
export function isStillThere({ fd }: OpenedFile, path: string): boolean {
  const { dev, ino } = fstatSync(fd);
  const there = statSync(path, { throwIfNoEntry: false });
  return there?.dev === dev && there.ino === ino;
}

const { ENOSPC, ENOSYS, EOPNOTSUPP } = osConstants.errno;
const ZEROES = Buffer.alloc(1 << 20);

/** For file systems without fallocate: only an empty file may be written over. */
function writeZeroes(fd: number, size: number): void {
  for (let at = 0; at < size; ) at += writeSync(fd, ZEROES, 0, Math.min(ZEROES.length, size - at), at);
}

/** Makes the names in it durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } catch (error) {
    // Some file systems cannot sync a directory, and say so.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    closeSync(fd);
  }
}

/**
 * Gives an empty file its size and blocks, and allocates what an existing file of that size lacks. Durable on return.
 * The range lock is held.
 */
export function giveSize(file: OpenedFile, path: string, size: number, sparse: boolean): void {
  const { fd } = file;
  const present = fstatSync(fd).size;
  if (present !== 0 && present !== size) throw sizeMismatch(path, present, size);
  file.sized = present === 0;
  try {
    if (!sparse) allocate(fd, size, present === 0);
    // The size comes last and at once: a file that has it has its blocks.
    if (present === 0) ftruncateSync(fd, size);
    // Also when somebody else made the file, and perhaps died before this.
    fsyncSync(fd);
    syncDirectory(dirname(path));
  } catch (error) {
    const advice = `Its ${formatSize(size)} are allocated at once; free space, or pass sparse: true`;
    throw systemError(error, path, (error as { errno?: number }).errno === ENOSPC ? advice : undefined);
  }
}

function allocate(fd: number, size: number, empty: boolean): void {
  try {
    native.allocate(fd, 0, size);
  } catch (error) {
    const { errno } = error as { errno?: number };
    if (errno !== EOPNOTSUPP && errno !== ENOSYS) throw error;
    if (empty) writeZeroes(fd, size);
  }
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

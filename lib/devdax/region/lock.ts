/**
 * One program at a time makes and changes devices of a region of the kernel: choosing an empty device, giving it a size and
 * binding it are several writes, between which the kernel gives the device to whoever asks.
 *
 * The lock is an open-file-description lock on the region's attribute `create`: the kernel keeps such locks for files of sysfs
 * as for all others, and they go with their process. It excludes programs of this package only (daxctl takes no lock), and only
 * those that see the same sysfs, of which each network namespace has one of its own. Where the attribute cannot be opened for
 * writing, nothing is locked, and nothing could be changed either. So what was written is always read again, too.
 */

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type HeldLock, native } from '../../binding.js';
import { systemError } from '../../errors.js';
import { isLocked, lockedError } from '../../memory/lock/error.js';

/** The kernel's attribute cannot be opened by this user, or in this place, or it is not there: its own answer comes later. */
const UNWRITABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOENT'];
/** Between two attempts, in ms: an open-file-description lock tells nobody when it is given back. */
const PAUSE = 5;
const EVERYTHING = [0, Number.MAX_SAFE_INTEGER];

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE);
}

function lock(fd: number, path: string, patience: number): HeldLock {
  const end = performance.now() + patience;
  for (;;) {
    try {
      return native.lockAlone(fd, EVERYTHING);
    } catch (error) {
      if (!isLocked(error)) throw systemError(error, path);
      if (performance.now() < end) {
        pause();
        continue;
      }
      const advice = 'It makes or changes a device of the region; try again when it is done';
      const { dev, ino } = fstatSync(fd, { bigint: true });
      throw lockedError(error, path, { dev, ino }, { here: advice, there: advice });
    }
  }
}

/**
 * Runs it with the region locked.
 *
 * @param region the region's directory in sysfs
 * @param patience how long to wait for others, in ms
 * @throws PmemError `ERR_PMEM_LOCKED` when another process or thread has it for longer, with who it is
 */
export function withRegion<T>(region: string, patience: number, run: () => T): T {
  const path = join(region, 'dax_region', 'create');
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR);
  } catch (error) {
    if (UNWRITABLE.includes((error as { code: string }).code)) return run();
    throw systemError(error, path);
  }
  try {
    const held = lock(fd, path, patience);
    try {
      return run();
    } finally {
      native.unlock(held);
    }
  } finally {
    closeSync(fd);
  }
}

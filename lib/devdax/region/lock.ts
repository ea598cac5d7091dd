/**
 * One program at a time makes and changes devices of a region of the kernel: choosing an empty device, giving it a size and
 * binding it are several writes, between which the kernel gives the device to any program.
 *
 * The lock is an open-file-description lock on the region's attribute `create`: the kernel keeps such locks for files of sysfs
 * as for all others, and they end with their process. It excludes programs of this package only (daxctl takes no lock), and only
 * those that see the same sysfs, of which each network namespace has its own. Where the attribute cannot be opened for writing,
 * nothing is locked, and nothing could be changed either. So what was written is always read again, too.
 */

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type HeldLock, native } from '../../binding.js';
import { type PmemError, systemError } from '../../errors.js';
import { isLocked, lockedError } from '../../memory/lock/error.js';
import type { Waiting } from './backend.js';

/** The attribute is not there, or not for this user to open: the kernel's own answer comes with the first write. */
const UNWRITABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOENT'];
/** Between two attempts, in ms: the kernel does not notify of a lock that is given back. */
const PAUSE = 5;
const EVERYTHING = [0, Number.MAX_SAFE_INTEGER];

/** The attribute of a region that is locked; undefined where nothing can be. */
interface Attribute {
  readonly fd: number;
  readonly path: string;
}

function openAttribute(region: string): Attribute | undefined {
  const path = join(region, 'dax_region', 'create');
  try {
    return { path, fd: openSync(path, constants.O_RDWR) };
  } catch (error) {
    if (UNWRITABLE.includes((error as { code: string }).code)) return undefined;
    throw systemError(error, path);
  }
}

/** The lock; or, where another process or thread has it, the refusal. */
function tryLock({ fd, path }: Attribute): { held: HeldLock } | { refusal: unknown } {
  try {
    return { held: native.lockAlone(fd, EVERYTHING) };
  } catch (error) {
    if (isLocked(error)) return { refusal: error };
    throw systemError(error, path);
  }
}

function locked({ fd, path }: Attribute, refusal: unknown, way: string): PmemError {
  const advice = `It makes or changes a device of the region; ${way}`;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return lockedError(refusal, path, { dev, ino }, { here: advice, there: advice });
}

function runLocked<Result>(held: HeldLock, run: () => Result): Result {
  try {
    return run();
  } finally {
    native.unlock(held);
  }
}

/**
 * Runs it with the region locked.
 *
 * @param region the region's directory in sysfs
 * @throws PmemError `ERR_PMEM_LOCKED` where another process has the lock, with its pid; `ERR_PMEM_BUSY` where this process has it
 */
export function withRegion<Result>(region: string, run: () => Result): Result {
  const attribute = openAttribute(region);
  if (attribute === undefined) return run();
  try {
    const tried = tryLock(attribute);
    if ('held' in tried) return runLocked(tried.held, run);
    throw locked(attribute, tried.refusal, 'try again when it is done, or wait for it with the asynchronous call');
  } finally {
    closeSync(attribute.fd);
  }
}

/**
 * {@link withRegion}, which waits for the lock.
 *
 * @param patience how long to wait, in ms
 * @throws PmemError `ERR_PMEM_LOCKED` where another process has the lock for longer, with its pid; `ERR_PMEM_BUSY` where this process has
 *   it for longer; the signal's reason
 */
export async function withRegionAsync<Result>(
  region: string,
  patience: number,
  { signal, check }: Waiting,
  run: () => Result,
): Promise<Result> {
  signal?.throwIfAborted();
  const attribute = openAttribute(region);
  if (attribute === undefined) return run();
  try {
    const end = performance.now() + patience;
    for (let tried = tryLock(attribute); ; tried = tryLock(attribute)) {
      if ('held' in tried) {
        return runLocked(tried.held, () => {
          check();
          return run();
        });
      }
      if (performance.now() >= end) throw locked(attribute, tried.refusal, 'try again when it is done');
      await setTimeout(PAUSE);
      signal?.throwIfAborted();
    }
  } finally {
    closeSync(attribute.fd);
  }
}

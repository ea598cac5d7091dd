/** Taking the lock on a range of a file or device, and saying who could have it instead. */

import { type HeldLock, native } from '../binding.js';
import { systemError } from '../errors.js';
import type { Backing } from './backing.js';
import { isLocked, lockedError } from './locked.js';

/** Locks end here at the latest: numbers are exact up to it. */
const MOST_OFFSET = Number.MAX_SAFE_INTEGER;

/** Locks `[begin, end)` for this process. Throws `ERR_PMEM_LOCKED` when another one has a part of it, or
 * somebody in this one who is to be alone with it. */
export function lockRange(
  fd: number,
  { path, identity }: Pick<Backing, 'path' | 'identity'>,
  begin: number,
  end: number,
  exclusive: boolean,
): HeldLock {
  try {
    return native.lock(fd, begin, Math.min(end, MOST_OFFSET), exclusive);
  } catch (error) {
    if (!isLocked(error)) throw systemError(error, path, 'To open it without a lock, pass shared: true');
    throw lockedError(error, path, identity, {
      here: "They are to be nobody else's (an instance of a DaxRegion): open the instance, or destroy it, or pass shared: true",
      there: 'Close it there, or pass shared: true on both sides',
    });
  }
}

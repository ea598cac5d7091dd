/** Taking the lock on a range of a file or device, and saying who could have it instead. */

import { type HeldLock, native } from '../../binding.js';
import { systemError } from '../../errors.js';
import type { Backing } from '../backing.js';
import { isLocked, lockedError } from './error.js';
import { claimedError, isClaimed } from './in-use.js';

/** Locks end here at the latest: numbers are exact up to it. */
const MOST_OFFSET = Number.MAX_SAFE_INTEGER;

/**
 * Locks `[begin, end)` for this process; of a block device, who is to store claims all of it, unless `allowInUse`.
 *
 * @throws PmemError `ERR_PMEM_LOCKED` when another process has a part of it, or somebody in this one who is to be alone with it;
 *   `EBUSY` when the block device is mounted or otherwise claimed
 */
export function lockRange(
  fd: number,
  backing: Pick<Backing, 'path' | 'identity' | 'kind' | 'device'>,
  begin: number,
  end: number,
  exclusive: boolean,
  allowInUse = false,
): HeldLock {
  const { path, identity } = backing;
  try {
    return native.lock(fd, begin, Math.min(end, MOST_OFFSET), exclusive, allowInUse);
  } catch (error) {
    if (isClaimed(error)) throw claimedError(backing, error);
    if (!isLocked(error)) throw systemError(error, path, 'To open it without a lock, pass shared: true');
    throw lockedError(error, path, identity, {
      here: "They are to be nobody else's (an instance of a DaxRegion): open the instance, or destroy it, or pass shared: true",
      there: 'Close it there, or pass shared: true on both sides',
    });
  }
}

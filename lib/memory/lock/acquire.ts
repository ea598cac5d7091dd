/** Locks bytes of a file or device for this process. */

import { type HeldLock, native } from '../../binding.js';
import { systemError } from '../../errors.js';
import type { Backing } from '../backing.js';
import { isClaimed, isLocked, lockedError } from './error.js';
import { claimedError } from './in-use.js';

/** Locks end here at the latest: numbers are exact up to here. */
const MOST_OFFSET = Number.MAX_SAFE_INTEGER;

/**
 * Locks bytes `[begin, end)` for this process. An exclusive lock on a block device also claims the device, unless `allowInUse`.
 *
 * @param exclusive for storing; else for reading, beside other readers
 * @throws PmemError `ERR_PMEM_LOCKED` where another process has locked some of the bytes; `ERR_PMEM_BUSY` where an instance of a
 *   DaxRegion in this process has, or this process stores to the disk of the partition or to a partition of the disk; `EBUSY` where
 *   the block device is mounted or claimed
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
      here: 'An instance of a DaxRegion has them alone: open the instance, or destroy it, or pass shared: true',
      there: 'Close it there, or pass shared: true on both sides',
    });
  }
}

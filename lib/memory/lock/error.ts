/** Errors of bytes that are locked: in this process, or in another one. */

import { constants } from 'node:os';
import { PmemError } from '../../errors.js';
import { holders, lockHolders } from '../../linux/holders.js';
import type { FileIdentity } from '../../linux/identity.js';

const { EAGAIN, EBUSY } = constants.errno;

/** What `native.lock` and `native.lockAlone` throw. */
interface LockFailure {
  /** EAGAIN: another process has the lock. EBUSY: this one has it. */
  readonly errno?: number;
  /** `fcntl`: the lock was refused. `open`: the claim on a block device was refused. */
  readonly syscall?: string;
  /** The locked bytes, some of which were asked for: `[begin, end)`. */
  readonly begin?: number;
  readonly end?: number;
}

/** Whether `native.lock` or `native.lockAlone` found the bytes locked. */
export function isLocked(error: unknown): boolean {
  const { errno, syscall } = error as LockFailure;
  return syscall === 'fcntl' && (errno === EAGAIN || errno === EBUSY);
}

/** Whether `native.lock` or `native.lockAlone` could not claim the block device. */
export function isClaimed(error: unknown): boolean {
  const { errno, syscall } = error as LockFailure;
  return errno === EBUSY && syscall === 'open';
}

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}

/** First and last byte: `0x200000-0x3fffff (2097152 to 4194303)`. */
function byteRange(begin: number, end: number): string {
  if (end > Number.MAX_SAFE_INTEGER) return `from ${hex(begin)} (${begin}) on`;
  return `${hex(begin)}-${hex(end - 1)} (${begin} to ${end - 1})`;
}

/** The way out, as the last sentence of the message. */
export interface LockAdvice {
  /** Where this process has the bytes locked. */
  readonly here: string;
  /** Where another process has. */
  readonly there: string;
}

/**
 * `ERR_PMEM_BUSY` where this process has the bytes locked, `ERR_PMEM_LOCKED` where another one has. The message names the bytes, and the
 * processes that have them, or could, as far as this user may see.
 */
export function lockedError(error: unknown, path: string, identity: FileIdentity, advice: LockAdvice): PmemError {
  const { errno, begin = 0, end = Number.POSITIVE_INFINITY } = error as LockFailure;
  const range = byteRange(begin, end);
  if (errno === EBUSY) {
    const message = `'${path}' is locked by this process: bytes ${range} are in use here. ${advice.here}`;
    return new PmemError('ERR_PMEM_BUSY', message, { path, cause: error });
  }
  const exact = lockHolders(identity, begin, end);
  const found = exact.length > 0 ? exact : holders(identity);
  const names = found.map(({ pid, name }) => `${pid} (${name})`).join(', ');
  const verb = exact.length > 0 ? 'held by' : 'open in';
  const users = found.length === 0 ? 'no process that this user can see has it open' : `${verb} process ${names}`;
  return new PmemError(
    'ERR_PMEM_LOCKED',
    `'${path}' is locked by another process: bytes ${range}, ${users}. ${advice.there}`,
    { path, cause: error, ...(found.length === 0 ? {} : { holders: found }) },
  );
}

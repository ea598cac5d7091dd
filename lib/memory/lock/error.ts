/** The error of bytes that somebody else has locked, in this process or another. */

import { constants } from 'node:os';
import { PmemError } from '../../errors.js';
import { holders, lockHolders } from '../../linux/holders.js';
import type { FileIdentity } from '../../linux/identity.js';

const { EAGAIN, EBUSY } = constants.errno;

interface Refused {
  readonly errno?: number;
  /** `open`: not the bytes, but the whole device is somebody's. */
  readonly syscall?: string;
  /** What is held, of the bytes that were wanted; at least one lies in both. */
  readonly begin?: number;
  readonly end?: number;
}

/** Whether what `native.lock` or its kin threw says that somebody has the bytes. */
export function isLocked(error: unknown): boolean {
  const { errno, syscall } = error as Refused;
  return syscall === 'fcntl' && (errno === EAGAIN || errno === EBUSY);
}

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}

/** `0x200000-0x3fffff (2097152 to 4194303)`: first and last byte. */
export function bytes(begin: number, end: number): string {
  if (end > Number.MAX_SAFE_INTEGER) return `from ${hex(begin)} (${begin}) on`;
  return `${hex(begin)}-${hex(end - 1)} (${begin} to ${end - 1})`;
}

/** Names the bytes that are held, and by whom as far as it is known; `what` is told first, `advice` last. */
export function lockedError(
  error: unknown,
  path: string,
  identity: FileIdentity,
  advice: { here: string; there: string },
): PmemError {
  const { errno, begin = 0, end = Number.POSITIVE_INFINITY } = error as Refused;
  const range = bytes(begin, end);
  if (errno === EBUSY) {
    const message = `'${path}' is locked by this process: bytes ${range} are in use here. ${advice.here}`;
    return new PmemError('ERR_PMEM_LOCKED', message, { path, cause: error });
  }
  const exact = lockHolders(identity, begin, end);
  const found = exact.length > 0 ? exact : holders(identity);
  const names = found.map(({ pid, name }) => `${pid} (${name})`).join(', ');
  const verb = exact.length > 0 ? 'held by' : 'open in';
  const who = found.length === 0 ? 'no process that this user may look at has it open' : `${verb} process ${names}`;
  return new PmemError(
    'ERR_PMEM_LOCKED',
    `'${path}' is locked by another process: bytes ${range}, ${who}. ${advice.there}`,
    { path, cause: error, ...(found.length === 0 ? {} : { holders: found }) },
  );
}

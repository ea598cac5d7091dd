/** Taking the lock on a range of a file or device, and saying who could have it instead. */

import { constants } from 'node:os';
import { native } from '../binding.js';
import { PmemError, systemError } from '../errors.js';
import type { Backing } from './backing.js';
import { holders } from './lock-holders.js';

const { EAGAIN } = constants.errno;
/** Locks end here at the latest: numbers are exact up to it. */
const MOST_OFFSET = Number.MAX_SAFE_INTEGER;

/** Locks `[begin, end)` for this process. Throws `ERR_PMEM_LOCKED` when another one has a part of it. */
export function lockRange(
  fd: number,
  { path, identity }: Pick<Backing, 'path' | 'identity'>,
  begin: number,
  end: number,
  exclusive: boolean,
): number {
  try {
    return native.lock(fd, begin, Math.min(end, MOST_OFFSET), exclusive);
  } catch (error) {
    if ((error as { errno?: number }).errno !== EAGAIN) {
      throw systemError(error, path, 'To open it without a lock, pass shared: true');
    }
    const found = holders(identity);
    const names = found.map(({ pid, command }) => `${pid} (${command})`).join(', ');
    const who = found.length === 0 ? 'no process that this user may look at has it open' : `open in process ${names}`;
    throw new PmemError(
      'ERR_PMEM_LOCKED',
      `'${path}' is locked by another process: ${who}. Close it there, or pass shared: true on both sides`,
      { path, cause: error },
    );
  }
}

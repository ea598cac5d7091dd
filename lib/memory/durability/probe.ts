/** Whether the kernel grants MAP_SYNC. */

import { constants } from 'node:os';
import { native } from '../../binding.js';
import type { Backing } from '../backing.js';

const { EOPNOTSUPP } = constants.errno;

/** Whether the kernel knows MAP_SYNC for this kind of backing. */
export function knowsMapSync(backing: Backing): boolean {
  return backing.kind === 'file' || backing.kind === 'devdax';
}

/** Maps the first page with MAP_SYNC for a moment: 0, or the errno of the kernel's refusal. */
export function probeSync(fd: number, backing: Backing): number {
  if (!knowsMapSync(backing)) return EOPNOTSUPP;
  return native.probeSync(fd, 0, backing.pageSize);
}

/** What a memory says of itself beyond the contract; a Region says all of it. */

import type { Memory } from '../memory/memory.js';

/** Whether the memory refuses stores. */
export function isReadOnly(memory: Memory): boolean {
  return 'readOnly' in memory && memory.readOnly === true;
}

/** Whether the memory was closed. */
export function isClosed(memory: Memory): boolean {
  return 'closed' in memory && memory.closed === true;
}

/** @throws PmemError `EBUSY` where the kernel uses the file or device of the memory by now */
export function refuseInUse(memory: Memory): void {
  if ('refuseInUse' in memory && typeof memory.refuseInUse === 'function') memory.refuseInUse();
}

/** Whether a mapping can still be trusted. */

import { EXTRA, HANDLE, LENGTH, mailbox, native, OFFSET, STATUS } from '../binding.js';
import { failure, lastOutcome } from '../memory/region/failure.js';

/** Throws `ERR_PMEM_MEDIA` if the hardware has reported corrupt memory in the mapping: the page has been replaced since. */
export function checkMemory(handle: number, operation: string, path: string): void {
  mailbox[HANDLE] = handle;
  mailbox[OFFSET] = 0;
  mailbox[LENGTH] = 0;
  mailbox[EXTRA] = 0;
  native.crc32c();
  if (mailbox[STATUS] !== 0) throw failure({ operation, path, extents: [], base: 0, offset: 0 }, lastOutcome());
}

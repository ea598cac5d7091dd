/** Whether a mapping can still be trusted. */

import { EXTRA, HANDLE, LENGTH, mailbox, native, OFFSET, STATUS } from '../binding.js';
import { failure, lastOutcome } from '../memory/region/failure.js';

/** Throws if the hardware reported corrupt memory in the mapping since it was made: the page was replaced. */
export function examine(handle: number, operation: string, path: string): void {
  mailbox[HANDLE] = handle;
  mailbox[OFFSET] = 0;
  mailbox[LENGTH] = 0;
  mailbox[EXTRA] = 0;
  native.crc32c();
  if (mailbox[STATUS] !== 0) throw failure({ operation, path, extents: [], base: 0, offset: 0 }, lastOutcome());
}

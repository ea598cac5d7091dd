/** What a guarded copy met in the memory, in the words of a disk. */

import { PmemError } from '../errors.js';
import { BAD_BLOCK_UNIT } from './bad-blocks.js';
import type { BadRanges } from './bad-ranges.js';
import { inputOutput, sectors } from './block-errors.js';

/** Where a disk lies in its memory. */
export interface Placement {
  /** Bytes. */
  readonly base: number;
  readonly sectorSize: number;
}

/** The page is gone or corrupt (SIGBUS in the copy). Anything else is no matter of the media. */
const FAULTS: ReadonlySet<string> = new Set(['ERR_PMEM_FAULT', 'ERR_PMEM_MEDIA', 'ERR_PMEM_TRUNCATED']);

/** Refuses a range of units that has bad ones, before it is touched. */
export function badSectors(
  operation: string,
  bad: { start: number; count: number },
  sectorSize: number,
  lasting: boolean,
): PmemError {
  const unitsPerSector = sectorSize / BAD_BLOCK_UNIT;
  const first = Math.floor(bad.start / unitsPerSector);
  const last = Math.floor((bad.start + bad.count - 1) / unitsPerSector);
  const count = last - first + 1;
  const way = lasting
    ? 'The media is at fault, and stores through a mapping do not mend it; write the sectors through the kernel ' +
      '(dd of=/dev/pmemN oflag=direct) or clear them with ndctl clear-errors, then open the device again'
    : 'Writing them makes them good again';
  const verb = count === 1 ? 'is' : 'are';
  const message = `${sectors(first, count)} of the disk ${verb} bad. ${way}`;
  return inputOutput(operation, message, { offset: first * sectorSize });
}

/**
 * A fault within the request becomes a bad sector and EIO. Whatever else was thrown is returned as it is.
 *
 * A hardware error (ERR_PMEM_MEDIA) lasts: no store through a mapping mends it. A page that could not be had may be there
 * when it is written again.
 */
export function caught(
  operation: string,
  error: unknown,
  bad: BadRanges,
  { base, sectorSize }: Placement,
  lba: number,
  count: number,
): unknown {
  if (!(error instanceof PmemError) || !FAULTS.has(error.code) || error.offset === undefined) return error;
  const sector = Math.floor((error.offset - base) / sectorSize);
  if (sector < lba || sector >= lba + count) return error;
  const unitsPerSector = sectorSize / BAD_BLOCK_UNIT;
  bad.add(sector * unitsPerSector, unitsPerSector, error.code === 'ERR_PMEM_MEDIA');
  const message = `${sectors(sector, 1)} of the disk cannot be had, and counts as bad from now on: ${error.message}`;
  return inputOutput(operation, message, { path: error.path, offset: sector * sectorSize, cause: error });
}

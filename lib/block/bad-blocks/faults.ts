/** Faults of the memory as errors of a disk. */

import { PmemError } from '../../errors.js';
import { inputOutput, sectors } from '../block-errors.js';
import { type SectorRange, SectorRanges } from '../sector-ranges.js';
import { BAD_BLOCK_UNIT } from './bad-blocks.js';
import type { BadRanges } from './bad-ranges.js';

/** Where a disk lies in its memory. */
export interface Placement {
  /** Bytes. */
  readonly base: number;
  readonly sectorSize: number;
}

const FAULTS: ReadonlySet<string> = new Set(['ERR_PMEM_FAULT', 'ERR_PMEM_MEDIA', 'ERR_PMEM_TRUNCATED']);

/** Whether the memory failed: a page is gone or corrupt (SIGBUS). Other errors do not come from the media. */
export function isFault(error: unknown): error is PmemError {
  return error instanceof PmemError && FAULTS.has(error.code);
}

/** At most so many ranges are named. */
const MOST_NAMED = 4;

/** Ranges of units as ranges of the device's sectors: those that have a bad unit. */
function inSectors(ranges: readonly SectorRange[], sectorSize: number): SectorRange[] {
  const units = sectorSize / BAD_BLOCK_UNIT;
  const found = new SectorRanges();
  for (const { start, count } of ranges) {
    const first = Math.floor(start / units);
    found.add(first, Math.floor((start + count - 1) / units) + 1 - first);
  }
  return [...found];
}

function named(ranges: readonly SectorRange[]): string {
  const names = ranges.slice(0, MOST_NAMED).map(({ start, count }) => sectors(start, count));
  if (ranges.length > MOST_NAMED) names.push(`${ranges.length - MOST_NAMED} more ranges`);
  const last = names.pop();
  return names.length === 0 ? `${last}` : `${names.join(', ')} and ${last}`;
}

/**
 * The error for a request with bad sectors, made before they are touched.
 *
 * @param bad in units, at least one
 * @param lasting those of them that a write does not make good
 */
export function badSectors(
  operation: string,
  bad: readonly SectorRange[],
  lasting: readonly SectorRange[],
  sectorSize: number,
): PmemError {
  const [all, fixed] = [inSectors(bad, sectorSize), inSectors(lasting, sectorSize)];
  const count = all.reduce((sum, range) => sum + range.count, 0);
  const them = count === 1 ? 'it' : 'them';
  const sentences = [`${named(all)} of the disk ${count === 1 ? 'is' : 'are'} bad`];
  if (fixed.length === 0) {
    sentences.push(`Writing ${them} makes ${them} good again`);
  } else {
    const isAll = named(fixed) === named(all);
    sentences.push(
      `The media failed${isAll ? '' : ` in ${named(fixed)}`}, and stores through a mapping do not repair it; write ` +
        `${isAll ? them : 'all of them'} through the kernel (dd of=/dev/pmemN oflag=direct) or clear ${isAll ? them : 'them'} with ` +
        'ndctl clear-errors, then open the device again',
    );
  }
  return inputOutput(operation, sentences.join('. '), { offset: (all[0]?.start ?? 0) * sectorSize });
}

/**
 * A fault within the request becomes a bad sector and EIO. Any other error is returned as it is.
 *
 * A hardware error (ERR_PMEM_MEDIA) lasts: no store through a mapping repairs it. A page that was unavailable may be there
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
  if (!isFault(error) || error.offset === undefined) return error;
  const sector = Math.floor((error.offset - base) / sectorSize);
  if (sector < lba || sector >= lba + count) return error;
  const unitsPerSector = sectorSize / BAD_BLOCK_UNIT;
  bad.add(sector * unitsPerSector, unitsPerSector, error.code === 'ERR_PMEM_MEDIA');
  const message = `${sectors(sector, 1)} of the disk is unavailable, and counts as bad from now on: ${error.message}`;
  return inputOutput(operation, message, { path: error.path, offset: sector * sectorSize, cause: error });
}

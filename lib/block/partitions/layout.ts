/** Places new partitions. */

import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { least } from '../../numbers.js';
import { parseSize, type Size } from '../../units.js';

/**
 * The place of a new partition. `start` and `size` are bytes, or strings such as `'64MiB'`; `firstSector` and
 * `sectorCount` say the same in sectors, as a table that was read does.
 */
export interface NewPartition {
  /**
   * Where it begins on the disk, in bytes: a multiple of the sector size. Default: at the next multiple of the alignment after the
   * partition before it.
   */
  readonly start?: Size;
  /** Bytes: a multiple of the sector size. Default: everything up to the next partition, or the end. */
  readonly size?: Size;
  /** Instead of `start`: the first sector, counted in the disk. */
  readonly firstSector?: number;
  /** Instead of `size`: the number of sectors. */
  readonly sectorCount?: number;
}

/** The names of {@link NewPartition}. */
export const PLACE_OPTIONS = ['start', 'size', 'firstSector', 'sectorCount'] as const satisfies (keyof NewPartition)[];

/** A range of sectors. */
export interface Extent {
  readonly start: number;
  readonly count: number;
}

/** The sectors that partitions may have, and how they are placed in them. */
export interface Space {
  readonly sectorSize: number;
  /** The first usable sector. */
  readonly first: number;
  /** The sector after the last usable one. */
  readonly end: number;
  /** In sectors. */
  readonly alignment: number;
  /** Sectors left free before each partition; one is enough before a partition that says where it begins. */
  readonly gap?: number;
}

export const DEFAULT_ALIGNMENT = 2 ** 20;

/** The alignment in sectors. */
export function alignmentOf(alignment: Size | undefined, sectorSize: number): number {
  const bytes = alignment === undefined ? DEFAULT_ALIGNMENT : parseSize(alignment, 'alignment');
  if (bytes === 0 || bytes % sectorSize !== 0) {
    throw outOfRange('alignment', `a multiple of the sector size, ${sectorSize},`, alignment);
  }
  return bytes / sectorSize;
}

export function alignUp(sector: number, alignment: number): number {
  return Math.ceil(sector / alignment) * alignment;
}

/** A size as sectors. */
function sectorsOf(size: Size | undefined, name: string, sectorSize: number): number | undefined {
  if (size === undefined) return undefined;
  const bytes = parseSize(size, name);
  if (bytes % sectorSize !== 0) throw outOfRange(name, `a multiple of the sector size, ${sectorSize},`, size);
  return bytes / sectorSize;
}

/** A start or size, given in bytes or in sectors, as sectors. */
function either(
  one: NewPartition,
  bytes: 'start' | 'size',
  count: 'firstSector' | 'sectorCount',
  name: string,
  unit: number,
) {
  const value = one[count];
  if (value === undefined) return sectorsOf(one[bytes], `${name}.${bytes}`, unit);
  if (one[bytes] !== undefined) throw wrongValue(`${name}.${count}`, `left out beside ${bytes}`, value);
  if (typeof value !== 'number') throw wrongType(`${name}.${count}`, 'a number of sectors', value);
  if (!Number.isSafeInteger(value) || value < 0)
    throw outOfRange(`${name}.${count}`, 'a whole number of sectors', value);
  return value;
}

/** The start that is given, checked; undefined where none is given. */
function wantedStart(one: NewPartition, name: string, space: Space): number | undefined {
  const start = either(one, 'start', 'firstSector', name, space.sectorSize);
  if (start === undefined) return undefined;
  const { first, end, gap = 0, sectorSize } = space;
  const least = first + Math.min(gap, 1);
  if (start >= least && start < end) return start;
  if (one.firstSector !== undefined) {
    throw outOfRange(`${name}.firstSector`, `from ${least} to ${end - 1}, the usable sectors,`, start);
  }
  const bytes = `from ${least * sectorSize} to ${(end - 1) * sectorSize}, the first bytes of the usable sectors,`;
  throw outOfRange(`${name}.start`, bytes, one.start);
}

/** Where a partition from `start` on must end: `gap` before the next one that says where it begins, or at the end. */
function limitOf(start: number, starts: readonly (number | undefined)[], end: number, gap: number): number {
  const next = starts.filter((one): one is number => one !== undefined && one > start).map((one) => one - gap);
  return least(next, end);
}

function checkOverlaps(extents: readonly Extent[], name: string, gap: number): void {
  const order = extents.map((extent, index) => ({ ...extent, index })).sort((a, b) => a.start - b.start);
  for (const [i, one] of order.entries()) {
    const before = order[i - 1];
    if (before !== undefined && before.start + before.count > one.start - gap) {
      throw wrongValue(`${name}[${one.index}]`, `apart from ${name}[${before.index}], which it overlaps`, one.start);
    }
  }
}

/**
 * Places the partitions, in the order given.
 *
 * @throws TypeError and RangeError where a partition does not fit, or overlaps another
 */
export function place(wanted: readonly NewPartition[], name: string, space: Space): Extent[] {
  const { sectorSize, first, end, alignment, gap = 0 } = space;
  const starts = wanted.map((one, i) => {
    if (typeof one !== 'object' || one === null) throw wrongType(`${name}[${i}]`, 'an object', one);
    return wantedStart(one, `${name}[${i}]`, space);
  });
  const extents: Extent[] = [];
  let next = first;
  for (const [i, one] of wanted.entries()) {
    const start = starts[i] ?? alignUp(next + gap, alignment);
    const wantedCount = either(one, 'size', 'sectorCount', `${name}[${i}]`, sectorSize);
    const left = limitOf(start, starts, end, wantedCount === undefined ? gap : Math.min(gap, 1)) - start;
    const count = wantedCount ?? left;
    if (left < 1 || count < 1 || count > left) {
      const most = Math.max(0, left);
      const limit =
        most === 0
          ? `within the disk, which has no free sector from ${start} on`
          : `from 1 to ${most} sectors, ${most * sectorSize} bytes, free from sector ${start} on,`;
      const isInSectors = one.sectorCount !== undefined;
      throw outOfRange(
        `${name}[${i}].${isInSectors ? 'sectorCount' : 'size'}`,
        limit,
        one.sectorCount ?? one.size ?? 'the rest',
      );
    }
    extents.push({ start, count });
    next = start + count;
  }
  checkOverlaps(extents, name, Math.min(gap, 1));
  return extents;
}

/** The numbers of partitions: ascending; default: one more than the partition before. */
export function numbersOf(wanted: readonly { readonly number?: number }[], name: string, most: number): number[] {
  let before = 0;
  return wanted.map(({ number = before + 1 }, i) => {
    if (typeof number !== 'number') throw wrongType(`${name}[${i}].number`, 'a number', number);
    if (!Number.isInteger(number) || number <= before || number > most) {
      throw outOfRange(`${name}[${i}].number`, `from ${before + 1} to ${most}`, number);
    }
    before = number;
    return number;
  });
}

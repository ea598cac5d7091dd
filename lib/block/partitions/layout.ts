/** Where new partitions go. */

import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { parseSize, type Size } from '../../units.js';

/** What every new partition is asked for. Sizes are bytes, or strings such as `'64MiB'`. */
export interface NewPartition {
  /** Where it begins on the disk. Default: behind the partition before it, at the next multiple of the alignment. */
  readonly start?: Size;
  /** Default: all that is left up to the next partition, or the end. */
  readonly size?: Size;
}

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
  /** The sector behind the last usable one. */
  readonly end: number;
  /** In sectors. */
  readonly alignment: number;
  /** Sectors to be left free before each partition. */
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

/** An explicit beginning, checked, or undefined. */
function wantedStart(one: NewPartition, name: string, space: Space): number | undefined {
  const start = sectorsOf(one.start, `${name}.start`, space.sectorSize);
  if (start === undefined) return undefined;
  const { first, end, gap = 0, sectorSize } = space;
  if (start >= first + gap && start < end) return start;
  const bytes = `from ${(first + gap) * sectorSize} to ${(end - 1) * sectorSize}, the usable sectors' first bytes,`;
  throw outOfRange(`${name}.start`, bytes, one.start);
}

/** Where a partition that begins at `start` must end: at the next one that says where it begins, or the end. */
function limitOf(start: number, starts: readonly (number | undefined)[], { end, gap = 0 }: Space): number {
  const next = starts.filter((one): one is number => one !== undefined && one > start).map((one) => one - gap);
  return Math.min(end, ...next);
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
 * @throws TypeError and RangeError where something does not fit, or overlaps.
 */
export function place(wanted: readonly NewPartition[], name: string, space: Space): Extent[] {
  const { sectorSize, first, alignment, gap = 0 } = space;
  const starts = wanted.map((one, i) => {
    if (typeof one !== 'object' || one === null) throw wrongType(`${name}[${i}]`, 'an object', one);
    return wantedStart(one, `${name}[${i}]`, space);
  });
  const extents: Extent[] = [];
  let behind = first;
  for (const [i, one] of wanted.entries()) {
    const start = starts[i] ?? alignUp(behind + gap, alignment);
    const left = limitOf(start, starts, space) - start;
    const count = sectorsOf(one.size, `${name}[${i}].size`, sectorSize) ?? left;
    if (left < 1 || count < 1 || count > left) {
      const most = Math.max(0, left) * sectorSize;
      const limit = `from 1 sector to ${most} bytes, what is free from sector ${start} on,`;
      throw outOfRange(`${name}[${i}].size`, limit, one.size ?? 'the rest');
    }
    extents.push({ start, count });
    behind = start + count;
  }
  checkOverlaps(extents, name, gap);
  return extents;
}

/** Several equal disks from one range, as the PRD driver's START, COUNT and SIZE made /dev/pmem0, /dev/pmem1, …. */

import { outOfRange, wrongType } from '../errors.js';
import type { Memory } from '../memory/memory.js';
import { ownOptions, requiredInteger, sizeOption } from '../options.js';
import type { Size } from '../units.js';
import { checkMemory } from './arguments.js';
import { PmemDisk } from './pmem-disk.js';

/** Options of {@link carve}. Sizes are bytes, or strings such as `'64KiB'`. */
export interface CarveOptions {
  /** Where the first disk begins in the memory. Default 0. */
  start?: Size;
  /** Number of disks. */
  count: number;
  /** Bytes of each. */
  size: Size;
  /** Bytes of a sector, of which `start` and `size` are multiples. Default 512. */
  sectorSize?: 512 | 4096;
  /** Refuse to store. Default: whether the memory is read-only. */
  readOnly?: boolean;
}

const KNOWN = ['start', 'count', 'size', 'sectorSize', 'readOnly'] as const satisfies (keyof CarveOptions)[];

/**
 * `count` disks of `size` bytes each, one after the other from `start` on. Stores nothing: the memory has no record of the disks, so
 * carve it the same way each time.
 *
 * @throws TypeError for options that are wrong; RangeError where the disks do not all fit into the memory
 */
export function carve(memory: Memory, given: CarveOptions): PmemDisk[] {
  checkMemory(memory);
  const options = ownOptions(given, KNOWN);
  const { count: wanted, size: each, start: first, ...rest } = options;
  const count = requiredInteger(wanted, 'count', 1, Number.MAX_SAFE_INTEGER);
  const size = sizeOption(each, 'size', 1);
  if (size === undefined) throw wrongType('options.size', 'a size', size);
  const start = sizeOption(first, 'start') ?? 0;
  if (start + count * size > memory.size) {
    const most = Math.max(0, Math.floor((memory.size - start) / size));
    const limit = `at most ${most}, the disks of ${size} bytes that fit into a memory of ${memory.size} bytes from ${start} on,`;
    throw outOfRange('options.count', limit, count);
  }
  return Array.from({ length: count }, (_, i) => PmemDisk.open(memory, { ...rest, start: start + i * size, size }));
}

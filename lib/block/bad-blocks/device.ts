/** The bad sectors that the kernel knows: the attribute `badblocks` (Documentation/ABI/testing/sysfs-block, sysfs-bus-nd). */

import { type BadBlockList, badBlocksOfBlockDevice, badBlocksOfDaxDevice } from '../../linux/bad-blocks.js';
import type { BackingKind } from '../../memory/backing.js';
import type { ByteRange } from '../../memory/memory.js';
import { BAD_BLOCK_UNIT, BadBlocks } from './bad-blocks.js';

/** The part of a device that is mapped; a `Region` is one. */
export interface MappedDevice {
  readonly kind: BackingKind;
  /** Its directory in sysfs. */
  readonly device: string | undefined;
  /** Where the mapping begins in the device, in bytes. */
  readonly fileOffset: number;
  /** Bytes. */
  readonly size: number;
  /** The ranges of the device that the mapping is made of, where there is more than one. */
  readonly extents?: readonly ByteRange[];
}

function listOf({ kind, device }: MappedDevice): BadBlockList | undefined {
  if (device === undefined) return undefined;
  if (kind === 'block') return badBlocksOfBlockDevice(device);
  return kind === 'devdax' ? badBlocksOfDaxDevice(device) : undefined;
}

/**
 * The bad sectors that the kernel knows in the mapped part of a device, counted from the mapping's beginning; undefined
 * where the kernel has no list (files, and DAX devices without root).
 *
 * They are lasting: a store through a mapping does not clear the media's error. The kernel clears it when the block device
 * is written through its driver (as a disk does, and `dd of=/dev/pmem0 oflag=direct`), when a DAX file's blocks are freed or
 * written by write(2), and on request (`ndctl clear-errors`).
 */
export function deviceBadBlocks(device: MappedDevice): BadBlocks | undefined {
  const source = listOf(device);
  if (source === undefined) return undefined;
  const { fileOffset, size, extents = [{ offset: fileOffset, length: size }] } = device;
  const listed = BadBlocks.parse(source.text);
  const found = new BadBlocks();
  let before = 0; // bytes of the earlier extents
  for (const { offset, length } of extents) {
    const origin = source.origin + offset;
    for (const { start, count } of listed) {
      // A slice of a mapping may begin within a unit: then a bad unit lies in two of the slice's own.
      const begin = Math.max(start * BAD_BLOCK_UNIT - origin, 0);
      const end = Math.min((start + count) * BAD_BLOCK_UNIT - origin, length);
      if (begin >= end) continue;
      const first = Math.floor((before + begin) / BAD_BLOCK_UNIT);
      found.add(first, Math.ceil((before + end) / BAD_BLOCK_UNIT) - first, { lasting: true });
    }
    before += length;
  }
  return found;
}

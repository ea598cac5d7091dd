/** The options of `PmemDisk.open`, and their checks. */

import { outOfRange } from '../errors.js';
import { piecesOf } from '../memory/extents.js';
import type { Memory } from '../memory/memory.js';
import { booleanOption, choiceOption, ownOptions, sizeOption } from '../options.js';
import type { Size } from '../units.js';
import { checkMemory } from './arguments.js';
import { BadBlocks } from './bad-blocks/bad-blocks.js';
import { deviceBadBlocks, type MappedDevice } from './bad-blocks/device.js';
import { MediaWriter } from './bad-blocks/media-writer.js';
import { isReadOnly } from './memory-facts.js';
import type { SectorRange } from './sector-ranges.js';

/** Options of `PmemDisk.open`. Sizes are bytes, or strings such as `'64KiB'`. */
export interface PmemDiskOptions {
  /** Bytes of a sector. Default 512. */
  sectorSize?: 512 | 4096;
  /** Where the disk begins in the memory: a multiple of the sector size. Default 0. */
  start?: Size;
  /** Bytes of the disk: a multiple of the sector size. Default: all whole sectors up to the memory's end. */
  size?: Size;
  /** Refuse everything that stores. Default: whether the memory is read-only. */
  readOnly?: boolean;
  /**
   * The sectors that cannot be read, in units of 512 bytes from the disk's beginning. The disk updates a {@link BadBlocks} that it is
   * given. Default: what the kernel knows of the device, if the memory is one.
   */
  badBlocks?: BadBlocks | Iterable<SectorRange>;
}

/** Options with their defaults filled in. */
export interface CheckedDiskOptions {
  readonly sectorSize: number;
  readonly start: number;
  readonly size: number;
  readonly readOnly: boolean;
  readonly badBlocks: BadBlocks;
  /** Clears errors of the media; there where the list is the kernel's, and the memory is a block device. */
  readonly media?: MediaWriter;
}

const KNOWN = ['sectorSize', 'start', 'size', 'readOnly', 'badBlocks'] as const satisfies (keyof PmemDiskOptions)[];

function isMappedDevice(memory: Memory): memory is Memory & MappedDevice {
  return 'kind' in memory && 'device' in memory && 'fileOffset' in memory;
}

type KnownMedia = Pick<CheckedDiskOptions, 'badBlocks' | 'media'>;

function mediaOf(memory: Memory, given: PmemDiskOptions['badBlocks'], start: number, size: number): KnownMedia {
  if (given !== undefined) return { badBlocks: given instanceof BadBlocks ? given : new BadBlocks(given) };
  if (!isMappedDevice(memory)) return { badBlocks: new BadBlocks() };
  const { kind, device, fileOffset, extents = [{ offset: fileOffset, length: memory.size }] } = memory;
  const part = { kind, device, fileOffset: fileOffset + start, size, extents: piecesOf(extents, start, size) };
  const listed = deviceBadBlocks(part);
  if (listed === undefined) return { badBlocks: new BadBlocks() };
  if (kind !== 'block' || !('path' in memory) || typeof memory.path !== 'string') return { badBlocks: listed };
  return { badBlocks: listed, media: new MediaWriter(part, memory.path) };
}

/** Checks types and ranges before anything is touched. */
export function checkDiskOptions(memory: Memory, given: PmemDiskOptions): CheckedDiskOptions {
  checkMemory(memory);
  const options = ownOptions(given, KNOWN);
  const sectorSize = choiceOption(options.sectorSize, 'sectorSize', [512, 4096], 512);
  const start = sizeOption(options.start, 'start') ?? 0;
  if (start % sectorSize !== 0) {
    throw outOfRange('options.start', `a multiple of the sector size, ${sectorSize},`, options.start);
  }
  const left = memory.size - start;
  if (left < sectorSize) {
    throw outOfRange(
      'options.start',
      `within the memory of ${memory.size} bytes, a sector of ${sectorSize} before its end`,
      start,
    );
  }
  const size = sizeOption(options.size, 'size') ?? left - (left % sectorSize);
  if (size === 0 || size % sectorSize !== 0) {
    throw outOfRange('options.size', `a multiple of the sector size, ${sectorSize}, and not 0`, options.size);
  }
  if (size > left) throw outOfRange('options.size', `at most ${left}, the bytes of the memory from ${start} on,`, size);
  const readOnly = booleanOption(options.readOnly, 'readOnly', false) || isReadOnly(memory);
  return { sectorSize, start, size, readOnly, ...mediaOf(memory, options.badBlocks, start, size) };
}

/** Writes a block device through its driver, which has the platform clear errors of the media. A store through a mapping does not. */

import { closeSync, constants, fdatasyncSync } from 'node:fs';
import { native } from '../../binding.js';
import { posixError } from '../../errors.js';
import { openSeen } from '../../linux/open.js';
import { inspect } from '../../memory/backing.js';
import { piecesOf } from '../../memory/extents.js';
import type { SectorRange } from '../sector-ranges.js';
import { uncheckedRanges } from './bad-blocks.js';
import { deviceBadBlocks, type MappedDevice } from './device.js';

/** Writes a part of a block device as its driver does (pmem_do_write, drivers/nvdimm/pmem.c). */
export class MediaWriter {
  readonly #part: MappedDevice;
  readonly #path: string;

  constructor(part: MappedDevice, path: string) {
    this.#part = part;
    this.#path = path;
  }

  /**
   * Durable on return. The mapping shows the new bytes: the kernel drops the pages from its cache.
   *
   * @param offset bytes from the part's beginning; a multiple of the device's logical block, as the length is
   * @throws the errors of open(2), pwrite(2) and fdatasync(2); `ENODEV` where the path leads to another device by now
   */
  write(offset: number, source: Uint8Array): void {
    const { device, fileOffset, size, extents = [{ offset: fileOffset, length: size }] } = this.#part;
    const path = this.#path;
    const check = (seen: number): void => {
      if (inspect(seen, path).device === device) return;
      throw posixError('ENODEV', `'${path}' leads to another device than when it was mapped`, { path });
    };
    const fd = openSeen(path, { flags: constants.O_RDWR | constants.O_DIRECT, check });
    try {
      let done = 0;
      for (const piece of piecesOf(extents, offset, source.length)) {
        native.writeDirect(fd, piece.offset, source, done, piece.length);
        done += piece.length;
      }
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** The sectors within a range that are bad now, in units of 512 bytes from the part's beginning. */
  badWithin(start: number, count: number): SectorRange[] {
    const list = deviceBadBlocks(this.#part);
    return list === undefined ? [] : uncheckedRanges(list).within(start, count);
  }
}

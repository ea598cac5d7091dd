/** A block device as the disk of libext2fs. */

import type { Disk } from 'ext2fs';
import type { BlockDevice } from 'pmem/block';

/** Block devices take whole sectors, and the superblock is read alone, a part of one: its sectors are read and written around it. */
export function diskOf(device: BlockDevice): Disk {
  const { sectorSize } = device;
  /** The whole sectors around a piece: the first one, and how many. */
  const around = (length: number, at: number): [lba: number, count: number] => {
    const lba = Math.floor(at / sectorSize);
    return [lba, Math.ceil((at + length) / sectorSize) - lba];
  };
  return {
    read: async (buffer, bufferOffset, length, at) => {
      const [lba, count] = around(length, at);
      const sectors = Buffer.alloc(count * sectorSize);
      device.read(lba, sectors);
      sectors.copy(buffer, bufferOffset, at - lba * sectorSize, at - lba * sectorSize + length);
      return { bytesRead: length, buffer };
    },
    write: async (buffer, bufferOffset, length, at) => {
      const [lba, count] = around(length, at);
      const sectors = Buffer.alloc(count * sectorSize);
      if (sectors.length !== length) device.read(lba, sectors);
      buffer.copy(sectors, at - lba * sectorSize, bufferOffset, bufferOffset + length);
      device.write(lba, sectors);
      return { bytesWritten: length, buffer };
    },
    discard: async (offset, length) => device.discard(offset / sectorSize, length / sectorSize),
    flush: async () => device.flush(),
  };
}

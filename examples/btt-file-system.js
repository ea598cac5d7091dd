// @ts-check
/**
 * An ext4 file system on a disk of sectors that a power cut never tears (BTT), in one file, read and written without a mount.
 *
 *     mkfs.ext4 -q -F -b 4096 empty.ext4 16M
 *     node examples/btt-file-system.js empty.ext4 [FILE]
 *
 * The file system is libext2fs (npm install ext2fs); it sees the disk through four functions. Sectors are atomic, the file system is
 * not: libext2fs keeps no journal. Linux does, on the same disk: a BTT in an NVDIMM's namespace is its "sector mode".
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Region } from 'pmem';
import { Btt } from 'pmem/block';

/**
 * Makes a BTT, and puts the image into it: its first sector, with the superblock, comes last. So an interrupted call can be repeated.
 * @param {import('pmem').Memory} memory @param {Uint8Array} image
 */
export function install(memory, image) {
  if (contents(memory) !== 'nothing yet') Btt.format(memory, { sectorSize: 4096 }); // refuses memory that is not blank
  const disk = Btt.open(memory);
  try {
    if (image.length > disk.size) throw new RangeError(`the image has ${image.length} bytes, the disk ${disk.size}`);
    disk.write(1, image.subarray(disk.sectorSize));
    disk.write(0, image.subarray(0, disk.sectorSize));
  } finally {
    disk.close();
  }
}

/** What libext2fs reads and writes. It asks for parts of sectors, too. @param {import('pmem/block').BlockDevice} disk */
export function diskOf(disk) {
  const { sectorSize } = disk;
  /** @param {number} at @param {number} length @returns {[lba: number, sectors: Buffer, from: number]} */
  const around = (at, length) => {
    const lba = Math.floor(at / sectorSize);
    const end = Math.ceil((at + length) / sectorSize);
    return [lba, Buffer.alloc((end - lba) * sectorSize), at - lba * sectorSize];
  };
  return {
    /** @param {Buffer} buffer @param {number} bufferOffset @param {number} length @param {number} at */
    async read(buffer, bufferOffset, length, at) {
      const [lba, sectors, from] = around(at, length);
      disk.read(lba, sectors);
      sectors.copy(buffer, bufferOffset, from, from + length);
      return { bytesRead: length, buffer };
    },
    /** @param {Buffer} buffer @param {number} bufferOffset @param {number} length @param {number} at */
    async write(buffer, bufferOffset, length, at) {
      const [lba, sectors, from] = around(at, length);
      if (sectors.length !== length) disk.read(lba, sectors);
      buffer.copy(sectors, from, bufferOffset, bufferOffset + length);
      disk.write(lba, sectors); // each sector is durable, and old or new
      return { bytesWritten: length, buffer };
    },
    /** @param {number} offset @param {number} length */
    async discard(offset, length) {
      disk.discard(offset / sectorSize, length / sectorSize);
    },
    async flush() {
      disk.flush();
    },
  };
}

/** What the first sector of the disk holds. @param {import('pmem').Memory} memory */
function contents(memory) {
  try {
    const disk = Btt.open(memory, { readOnly: true });
    const first = Buffer.alloc(disk.sectorSize);
    disk.read(0, first);
    disk.close();
    return first.some((byte) => byte !== 0) ? 'something' : 'nothing yet';
  } catch (error) {
    if (/** @type {{ code?: string }} */ (error).code === 'ERR_PMEM_BTT_NOT_FOUND') return 'no disk';
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [image = 'empty.ext4', path = 'disk.btt'] = process.argv.slice(2);
  const { withMountedDisk } = await import('ext2fs');
  const region = Region.open(path, { create: true, size: '32MiB' });
  if (contents(region) !== 'something') install(region, readFileSync(image));
  const disk = Btt.open(region); // completes what a power cut interrupted
  await withMountedDisk(diskOf(disk), 0, async ({ promises: fs }) => {
    await fs.writeFile('/hello.txt', `written on ${new Date().toISOString().slice(0, 10)}\n`);
    console.log((await fs.readdir('/')).join(' '));
    console.log(String(await fs.readFile('/hello.txt')).trim());
  });
  disk.close();
  region.close();
}

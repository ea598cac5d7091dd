/** An ext4 that libext2fs keeps through our disks, judged by e2fsck. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { withMountedDisk } from 'ext2fs';
import { type BlockDevice, openPartition, PmemDisk, writePartitionTable } from 'pmem/block';
import { diskOf } from '../support/ext4-on.js';
import { FRESH_SIZE, freshExt4 } from '../support/fresh-ext4.js';
import { makeImage } from '../support/images.js';
import { Random } from '../support/random.js';
import { newRegion } from '../support/regions.js';
import { onTmpfs } from '../support/temp.js';
import { needsTool, succeedTool } from '../support/tools.js';

const MIB = 2 ** 20;

describe('An ext4 file system on a PmemDisk', () => {
  const file = onTmpfs();

  /** An empty file system as mkfs.ext4 makes it now. */
  function madeExt4(blockSize: number): Buffer {
    const path = file('fresh');
    makeImage(path, FRESH_SIZE);
    succeedTool('mkfs.ext4', ['-F', '-q', '-b', String(blockSize), path]);
    return readFileSync(path);
  }

  /** Puts an empty file system on the device, sector by sector as a program for disks would. */
  function format(device: BlockDevice, bytes: Buffer): void {
    const piece = 64 * device.sectorSize;
    for (let at = 0; at < bytes.length; at += piece) {
      device.write(at / device.sectorSize, bytes.subarray(at, at + piece));
    }
    device.flush();
  }

  /** Makes, changes and removes files; returns what should be there at last. */
  async function work(device: BlockDevice, random: Random): Promise<Map<string, string>> {
    const files = new Map<string, string>();
    await withMountedDisk(diskOf(device), 0, async ({ promises, trim }) => {
      for (let i = 0; i < 4; i++) await promises.mkdir(`/d${i}`);
      for (let i = 0; i < 120; i++) {
        const path = `/d${random.below(4)}/f${random.below(30)}`;
        const kind = random.below(6);
        if (kind === 0 && files.has(path)) {
          await promises.unlink(path);
          files.delete(path);
        } else if (kind === 1 && files.has(path)) {
          await promises.rename(path, `${path}-moved${i}`);
          files.set(`${path}-moved${i}`, files.get(path) as string);
          files.delete(path);
        } else {
          // Text, as ext2fs reads files as nothing else.
          const text = random.bytes(random.below(random.pick([10, 2500, 30_000]))).toString('hex');
          await promises.writeFile(path, text);
          files.set(path, text);
        }
      }
      await promises.symlink('d0', '/link');
      await trim();
    });
    device.flush();
    return files;
  }

  async function compare(device: BlockDevice, files: Map<string, string>): Promise<void> {
    await withMountedDisk(diskOf(device), 0, async ({ promises }) => {
      for (const [path, text] of files) {
        assert.ok((await promises.readFile(path, 'utf8')) === text, path);
      }
      const found = await Promise.all(['/d0', '/d1', '/d2', '/d3'].map((one) => promises.readdir(one)));
      assert.equal(found.flat().length, files.size);
    });
  }

  for (const sectorSize of [512, 4096] as const) {
    for (const blockSize of sectorSize === 512 ? ([1024, 4096] as const) : ([4096] as const)) {
      const where = `blocks of ${blockSize} on sectors of ${sectorSize} bytes`;
      async function used(fresh: Buffer): Promise<string> {
        const path = file('disk');
        const region = newRegion(path, FRESH_SIZE);
        const disk = PmemDisk.open(region, { sectorSize });
        format(disk, fresh);
        const files = await work(disk, new Random(blockSize + sectorSize));
        await compare(disk, files);
        region.close();
        return path;
      }

      it(`keeps its files, ${where}`, async () => {
        await used(freshExt4(blockSize));
      });

      it(`made by mkfs.ext4 is clean to e2fsck, ${where}`, async function () {
        needsTool(this, 'mkfs.ext4', 'e2fsck');
        succeedTool('e2fsck', ['-fn', await used(madeExt4(blockSize))]);
      });
    }
  }

  async function usedInPartition(): Promise<string> {
    const path = file('disk');
    const region = newRegion(path, 24 * MIB);
    const disk = PmemDisk.open(region);
    const { partitions } = writePartitionTable(disk, { label: 'gpt', partitions: [{ size: '16MiB' }] });
    const [only] = partitions;
    assert(only !== undefined);
    const device = openPartition(disk, only);
    format(device, freshExt4(4096));
    const files = await work(device, new Random(7));
    await compare(device, files);
    region.close();
    return `${path}?offset=${only.firstSector * 512}`;
  }

  it('keeps its files in a partition of the disk', async () => {
    await usedInPartition();
  });

  it('is clean to e2fsck in a partition of the disk', async function () {
    needsTool(this, 'e2fsck');
    succeedTool('e2fsck', ['-fn', await usedInPartition()]);
  });
});

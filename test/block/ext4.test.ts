/** An ext4 that libext2fs keeps through our disks, judged by e2fsck. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { withMountedDisk } from 'ext2fs';
import { type BlockDevice, openPartition, PmemDisk, writePartitionTable } from 'pmem';
import { diskOf } from '../support/ext4-on.js';
import { makeImage } from '../support/images.js';
import { Random } from '../support/random.js';
import { newRegion } from '../support/regions.js';
import { onTmpfs } from '../support/temp.js';
import { needsTools, succeedTool } from '../support/tools.js';

const MIB = 2 ** 20;

describe('ext4 on our disks', () => {
  needsTools('mkfs.ext4', 'e2fsck');
  const file = onTmpfs();

  /** Puts an empty file system on the device, sector by sector as a program for disks would. */
  function format(device: BlockDevice, blockSize: number): void {
    const path = file('fresh');
    makeImage(path, device.size);
    succeedTool('mkfs.ext4', ['-F', '-q', '-b', String(blockSize), path]);
    const bytes = readFileSync(path);
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
    for (const blockSize of sectorSize === 512 ? [1024, 4096] : [4096]) {
      it(`is clean, blocks of ${blockSize} on sectors of ${sectorSize} bytes`, async () => {
        const path = file('disk');
        const region = newRegion(path, 16 * MIB);
        const disk = PmemDisk.open(region, { sectorSize });
        format(disk, blockSize);
        const files = await work(disk, new Random(blockSize + sectorSize));
        await compare(disk, files);
        region.close();
        succeedTool('e2fsck', ['-fn', path]);
      });
    }
  }

  it('is clean in a partition', async () => {
    const path = file('disk');
    const region = newRegion(path, 24 * MIB);
    const disk = PmemDisk.open(region);
    const { partitions } = writePartitionTable(disk, { label: 'gpt', partitions: [{ size: '16MiB' }] });
    const [only] = partitions;
    assert(only !== undefined);
    const device = openPartition(disk, only);
    format(device, 4096);
    const files = await work(device, new Random(7));
    await compare(device, files);
    region.close();
    succeedTool('e2fsck', ['-fn', `${path}?offset=${only.firstSector * 512}`]);
  });
});

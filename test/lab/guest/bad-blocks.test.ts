/** Bad blocks of a real driver's own list: who meets them, and who clears them. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fdatasyncSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { Region } from 'pmem';
import { PmemDisk } from 'pmem/block';
import { NodeMemory } from 'pmem/volatile';
import { throwsCode } from '../../support/errors.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const PAGE = 4096;
const FILE = 16 * PAGE;
const legacy = () => {
  const { path, device } = place('legacy');
  assert(device !== undefined);
  return { path, device };
};
const list = () => `/sys/block/${basename(legacy().device)}/badblocks`;
const listed = () => readFileSync(list(), 'utf8');

/** The driver refuses to read these from now on. It pretends to clear them where no firmware has a say, as here. */
function spoil(start: number, count: number): void {
  writeFileSync(list(), `${start} ${count}`);
}

/** What the driver itself gives, past the page cache: bytes, or an errno's name. */
function byDriver(sector: number): string {
  using aligned = NodeMemory.open({ node: 0, size: PAGE });
  const target = aligned.view(0, 512);
  const fd = openSync(legacy().device, constants.O_RDONLY | constants.O_DIRECT);
  try {
    readSync(fd, target, 0, 512, sector * 512);
    return target.toString('latin1', 0, 8);
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code}`;
  } finally {
    closeSync(fd);
  }
}

describe('Bad blocks of the kernel', () => {
  /** The first sector of the file on the device. */
  let first = 0;

  before(() => {
    const { path, device } = legacy();
    const file = join(path, 'spoilt');
    writeFileSync(file, Buffer.alloc(FILE, 'x'));
    execFileSync('sync');
    const blocks = execFileSync('debugfs', ['-R', 'blocks /spoilt', device], { encoding: 'utf8', stdio: 'pipe' });
    const numbers = blocks.trim().split(/\s+/).map(Number);
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => (numbers[0] ?? 0) + i),
      'the file is in one piece',
    );
    first = (numbers[0] ?? 0) * (PAGE / 512);
    assert(first > 0);
    assert.equal(listed(), '');
  });

  describe('on a block device', () => {
    before(() => execFileSync('umount', [legacy().path]));
    after(() => execFileSync('mount', ['-t', 'ext4', '-o', 'dax', legacy().device, legacy().path]));

    for (const sectorSize of [512, 4096] as const) {
      it(`are cleared by a full write of a sector of ${sectorSize}, as the driver says too`, () => {
        const units = sectorSize / 512;
        spoil(first + units, units);
        assert.equal(byDriver(first + units), 'EIO');
        using region = Region.open(legacy().device);
        using disk = PmemDisk.open(region, { sectorSize });
        const lba = first / units + 1;
        assert.equal(String(disk.badBlocks), `${first + units} ${units}\n`);
        throwsCode(() => disk.read(lba, Buffer.alloc(sectorSize)), 'EIO', { message: new RegExp(`sector ${lba} of`) });
        throwsCode(() => disk.directAccess(lba, 1), 'EIO');
        disk.write(lba, Buffer.alloc(sectorSize, 'new text'));
        assert.equal(listed(), '');
        assert(disk.badBlocks.isEmpty);
        assert.equal(byDriver(first + units), 'new text');
        const found = Buffer.alloc(sectorSize);
        disk.read(lba, found);
        assert.equal(found.toString('latin1', sectorSize - 8), 'new text');
        disk.read(lba - 1, found);
        assert.equal(found.toString('latin1', 0, 8), 'xxxxxxxx', 'the one before is as it was');
      });
    }

    it('are cleared by zeroes, many at once, and dirty pages around them stay', () => {
      spoil(first + 4, 40);
      using region = Region.open(legacy().device);
      using disk = PmemDisk.open(region);
      disk.write(first + 100, Buffer.alloc(512, 'still here'));
      disk.writeZeroes(first, 64);
      assert.equal(listed(), '');
      assert.equal(byDriver(first + 63), '\0'.repeat(8));
      disk.flush();
      assert.equal(byDriver(first + 100), 'still he');
    });

    it('let a sector beside a bad one, which the page cache cannot hold, be written through the driver', () => {
      using region = Region.open(legacy().device);
      using disk = PmemDisk.open(region);
      execFileSync('blockdev', ['--flushbufs', legacy().device]);
      spoil(first + 9, 1);
      writeFileSync('/proc/sys/vm/drop_caches', '1');
      disk.write(first + 8, Buffer.alloc(512, 'good one'));
      assert.equal(byDriver(first + 8), 'good one');
      assert.equal(byDriver(first + 9), 'EIO');
      disk.write(first + 9, Buffer.alloc(512, 'and this'));
      assert.equal(byDriver(first + 9), 'and this');
      assert.equal(listed(), '');
    });
  });

  it('on a DAX file are named by sector by a disk, and cleared by write(2)', () => {
    const path = join(legacy().path, 'spoilt');
    spoil(first + 24, 8);
    using region = Region.open(path);
    using disk = PmemDisk.open(region);
    throwsCode(() => disk.read(24, Buffer.alloc(512)), 'EIO', { message: /sector 24 of the disk is unavailable/ });
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.alloc(PAGE, 'by write'), 0, PAGE, 3 * PAGE);
    fdatasyncSync(fd);
    closeSync(fd);
    assert.equal(listed(), '');
    disk.badBlocks.clear(24, 8);
    const found = Buffer.alloc(512);
    disk.read(24, found);
    assert.equal(found.toString('latin1', 0, 8), 'by write');
  });
});

/** The kernel's BTT and ours on the same memory, in turn: each reads, checks and goes on with what the other wrote. */

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Btt } from 'pmem/block';
import { Random } from '../../support/random.js';
import { byKernel, namespace, namespaceUuid, run, withBareMemory } from '../inside/btt-namespace.js';
import { everything } from '../machines.js';

export const machines = [everything];

const MIB = 2 ** 20;
const SEED = 20261121;

/** ndctl's verdict; it wants the namespace disabled. */
function assertCheckedByNdctl(): void {
  run('ndctl', 'disable-namespace', namespace());
  // Exits with an error when anything is wrong.
  run('ndctl', 'check-namespace', '--verbose', namespace());
}

function contents(size: number, seed: number): Buffer {
  const piece = new Random(seed).bytes(65536);
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += piece.length) {
    piece.copy(bytes, at);
    bytes.writeUInt32LE(at, at);
  }
  return bytes;
}

function readDirect(device: string, bytes: number): Buffer {
  return run('dd', `if=${device}`, 'bs=1M', `count=${Math.ceil(bytes / MIB)}`, 'iflag=direct', 'status=none').subarray(
    0,
    bytes,
  );
}

/** Names the sectors that differ. */
function assertSame(found: Buffer, expected: Buffer, sectorSize: number): void {
  if (found.equals(expected)) return;
  const sector = (bytes: Buffer, lba: number) => bytes.subarray(lba * sectorSize, (lba + 1) * sectorSize);
  const count = Math.ceil(expected.length / sectorSize);
  const wrong = Array.from({ length: count }, (_, lba) => lba).filter(
    (lba) => !sector(found, lba).equals(sector(expected, lba)),
  );
  const first = wrong[0] ?? 0;
  assert.fail(
    `seed ${SEED}: ${found.length} bytes found; ${wrong.length} sectors differ, from ${wrong.slice(0, 10)} on: ` +
      `${sector(found, first).subarray(0, 16).toString('hex')} instead of ${sector(expected, first).subarray(0, 16).toString('hex')}`,
  );
}

function makeFileSystem(device: string, files: Readonly<Record<string, string>>): void {
  run('mkfs.ext4', '-q', '-F', '-b', '4096', device);
  withMounted(device, (directory) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  });
}

function withMounted<T>(device: string, work: (directory: string) => T, ...options: string[]): T {
  const directory = mkdtempSync(join(tmpdir(), 'btt-'));
  run('mount', ...options, device, directory);
  try {
    return work(directory);
  } finally {
    run('umount', directory);
    rmSync(directory, { recursive: true });
  }
}

/** For mounting images of files. */
function loadLoop(): void {
  run('modprobe', '--config', '/dev/null', 'loop');
}

for (const sectorSize of [4096, 512] as const) {
  describe(`A BTT with sectors of ${sectorSize} bytes`, () => {
    before(loadLoop);

    it('that we wrote is served by the kernel with our data, and passes ndctl check-namespace', () => {
      const parentUuid = namespaceUuid();
      const written = contents(2 * MIB, SEED);
      let size = 0;
      withBareMemory((region) => {
        Btt.format(region, { sectorSize, parentUuid, force: true });
        using btt = Btt.open(region);
        size = btt.size;
        // Twice, so that blocks have moved.
        btt.write(0, contents(2 * MIB, SEED + 1));
        btt.write(0, written);
        btt.writeZeroes(0, 4);
        btt.flush();
      });
      written.fill(0, 0, 4 * sectorSize);
      assertCheckedByNdctl();
      const device = byKernel();
      const queue = join('/sys/block', basename(device), 'queue');
      assert.equal(Number(readFileSync(join(queue, 'logical_block_size'), 'utf8')), sectorSize);
      assert.equal(Number(run('blockdev', '--getsize64', device)), size);
      assertSame(readDirect(device, written.length), written, sectorSize);
    });

    it('that the kernel wrote is read, checked and written by us, and the kernel agrees again', () => {
      const device = byKernel();
      const files = { one: 'by the kernel\n'.repeat(500), two: 'and this too\n' };
      makeFileSystem(device, files);
      const home = mkdtempSync(join(tmpdir(), 'btt-image-'));
      const image = join(home, 'image');
      mkdirSync(join(home, 'new'));
      writeFileSync(join(home, 'new', 'three'), 'by us, for the kernel\n'.repeat(700));
      run('mkfs.ext4', '-q', '-F', '-b', '4096', '-d', join(home, 'new'), join(home, 'replacement'), '16M');
      withBareMemory((region) => {
        const report = Btt.check(region);
        assert.deepEqual(report.problems, []);
        assert.equal(report.status, 'clean');
        const btt = Btt.open(region);
        assert.equal(btt.sectorSize, sectorSize);
        const out = openSync(image, 'w');
        const piece = Buffer.alloc(MIB);
        const per = MIB / sectorSize;
        for (let lba = 0; lba < btt.sectorCount; lba += per) {
          const part = piece.subarray(0, Math.min(per, btt.sectorCount - lba) * sectorSize);
          btt.read(lba, part);
          writeSync(out, part);
        }
        closeSync(out);
        btt.write(0, readFileSync(join(home, 'replacement')));
        btt.flush();
        btt.close();
        assert.equal(Btt.check(region).status, 'clean');
      });
      run('e2fsck', '-fn', image);
      withMounted(
        image,
        (directory) => {
          for (const [name, text] of Object.entries(files))
            assert.equal(readFileSync(join(directory, name), 'utf8'), text);
        },
        '-o',
        'loop,ro',
      );
      assertCheckedByNdctl();
      const again = byKernel();
      run('e2fsck', '-fn', again);
      withMounted(again, (directory) => {
        assert.equal(readFileSync(join(directory, 'three'), 'utf8'), 'by us, for the kernel\n'.repeat(700));
        assert(!existsSync(join(directory, 'one')));
        writeFileSync(join(directory, 'four'), 'and the kernel goes on');
      });
      assertCheckedByNdctl();
      byKernel();
      rmSync(home, { recursive: true });
    });
  });
}

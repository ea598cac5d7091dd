import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { Memory } from 'pmem';
import { Btt } from 'pmem/block';
import { exploreCrashes, SimulatedMemory } from 'pmem/testing';
import { diskOf, install } from '../../examples/btt-file-system.js';
import { runExample } from '../support/examples.js';
import { freshExt4 } from '../support/fresh-ext4.js';
import { onDisk } from '../support/temp.js';

describe('examples/btt-file-system.js', () => {
  const file = onDisk();

  it('writes a file into the file system, and finds the file system again', () => {
    const image = file('empty.ext4');
    writeFileSync(image, freshExt4(4096));
    const path = file('disk.btt');
    for (let run = 0; run < 2; run++) {
      const printed = runExample('btt-file-system.js', [image, path]);
      assert.match(printed, /^lost\+found hello\.txt\nwritten on \d{4}-\d\d-\d\d\n$/);
    }
  });

  it('leaves a sector of the file system old or new, whenever the power fails', () => {
    const [old, young] = [Buffer.alloc(4096, 'old'), Buffer.alloc(4096, 'new')];
    // What a file system does: whole sectors, and a part of one.
    const writes: [at: number, bytes: Buffer][] = [
      [0, young],
      [4096, young],
      [6000, Buffer.alloc(100, 'part')],
    ];
    exploreCrashes<Buffer[], string>({
      size: '17MiB', // the smallest BTT has 16 MiB and 4 KiB
      budget: 2000,
      setup(memory) {
        Btt.format(memory, { sectorSize: 4096, force: true });
        const btt = Btt.open(memory);
        for (const lba of [0, 1]) btt.write(lba, old);
      },
      workload(memory, context) {
        const disk = diskOf(Btt.open(memory));
        for (const [at, bytes] of writes) {
          // The functions are asynchronous for libext2fs; what they do, they do at once.
          context.operation(`write at ${at}`, () => void disk.write(bytes, 0, bytes.length, at));
        }
      },
      recover(memory) {
        const btt = Btt.open(memory);
        return [0, 1].map((lba) => {
          const sector = Buffer.alloc(4096);
          btt.read(lba, sector);
          return sector;
        });
      },
      check([first, second], { finished }) {
        assert(first !== undefined && second !== undefined);
        assert(first.equals(young) || (finished.length < 1 && first.equals(old)));
        const last = Buffer.from(young);
        last.fill('part', 6000 - 4096, 6100 - 4096);
        if (finished.length === 3) assert(second.equals(last));
        else assert([old, young, last].some((one) => second.equals(one)));
      },
    });
  });

  it('refuses an image that is larger than the disk, and memory that is not blank', () => {
    const memory = SimulatedMemory.create({ size: 17 * 2 ** 20 });
    assert.throws(() => install(memory, Buffer.alloc(32 * 2 ** 20)), RangeError);
    install(memory, Buffer.alloc(8192, 1));
    assert.throws(() => install(memory, Buffer.alloc(4096)), { code: 'ERR_PMEM_IN_USE' });
  });

  it('has the whole image or no first sector, whenever the power fails, and can install it again', () => {
    const image = Buffer.alloc(3 * 4096, 'image');
    function installed(memory: Memory): Buffer {
      const found = Buffer.alloc(image.length);
      using disk = Btt.open(memory);
      disk.read(0, found);
      return found;
    }
    exploreCrashes<Buffer, unknown>({
      size: '17MiB',
      budget: 2000,
      setup: (memory) => Btt.format(memory, { sectorSize: 4096, force: true }),
      workload(memory, context) {
        context.operation('install', () => install(memory, image));
      },
      recover(memory) {
        const first = installed(memory).subarray(0, 4096);
        if (first.every((byte) => byte === 0)) install(memory, image);
        return installed(memory);
      },
      check: (found) => assert(found.equals(image)),
    });
  });
});

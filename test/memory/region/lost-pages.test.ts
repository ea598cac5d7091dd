/**
 * Many pages that are gone, or may not be stored into, all over a region: the kernel allows a process 65,530 mappings
 * (vm.max_map_count), and no page may cost one.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readSync, statSync, truncateSync, writeSync } from 'node:fs';
import { childValue, inChild } from '../../support/child.js';
import { loopDevices } from '../../support/loop.js';
import { onMount } from '../../support/mounts.js';
import { buildNative, type FaultsAddon } from '../../support/native.js';
import { onDisk, onTmpfs } from '../../support/temp.js';

const MIB = 2 ** 20;
/** Every other page of 67,584: were each a mapping, there would be more than there may be. */
const SIZE = 264 * MIB;
const STRIDE = 8192;
/** Three levels of 2,048 pieces, and what is between them. */
const MOST = 2 * 3 * 2048;

/** Runs in a child: makes another process's change, then touches the Buffer here and there. */
async function touchMany(path: string, readOnly: boolean, stride: number, left: number): Promise<number[]> {
  const { readFileSync: read, truncateSync: truncate } = await import('node:fs');
  const { Region } = await import('pmem');
  const region = Region.open(path, readOnly ? { readOnly } : { assumePersistent: true });
  const view = region.view();
  const mappings = () => read('/proc/self/maps', 'latin1').split('\n').length;
  const before = mappings();
  if (left < view.length) truncate(path, left);
  let wrong = 0;
  for (let at = left < view.length ? left : 0; at < view.length; at += stride) {
    view[at] = at / stride;
    if (view[at] !== (at / stride) % 256) wrong++;
  }
  return [wrong, mappings() - before, view[0] ?? -1, view[stride / 2] ?? -1, view[view.length - 1] ?? -1];
}

function sparse(path: string, size: number, bytes: readonly number[]): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const at of bytes) writeSync(fd, Buffer.of(0x42), 0, 1, at);
  closeSync(fd);
}

describe('Many pages that are gone under a Buffer', () => {
  const file = onTmpfs();

  it('past the end of a truncated file are replaced at once and reported in one line', async () => {
    const path = file('truncated');
    sparse(path, SIZE, [0, 4096]);
    const { code, signal, value, stderr } = await inChild(touchMany, [path, false, STRIDE, 8192]);
    assert.deepEqual([code, signal], [0, null], stderr);
    const [wrong, mappings = 0, first, second, last] = value ?? [];
    assert.deepEqual([wrong, first, second, last], [0, 0x42, 0x42, 0]);
    // The rest of the file and one more; what Node.js itself maps meanwhile is no more than this.
    assert(mappings < 100, `${mappings} mappings`);
    assert.equal(stderr.match(/^pmem: /gm)?.length, 1, stderr);
    assert.equal(statSync(path).size, 8192);
  });

  it('of a read-only region become copies, in a bounded number of pieces, and the file keeps its bytes', async () => {
    const path = file('read-only');
    sparse(path, SIZE, [4096, SIZE - 1]);
    const { code, signal, value, stderr } = await inChild(touchMany, [path, true, STRIDE, SIZE]);
    assert.deepEqual([code, signal], [0, null], stderr);
    const [wrong, mappings = 0, first, second, last] = value ?? [];
    assert.deepEqual([wrong, first, second, last], [0, 0, 0x42, 0x42]);
    assert(mappings <= MOST, `${mappings} mappings`);
    assert.equal(stderr.match(/^pmem: /gm)?.length, 1, stderr);
    const fd = openSync(path, 'r');
    const bytes = Buffer.alloc(3 * STRIDE);
    readSync(fd, bytes, 0, bytes.length, 0);
    closeSync(fd);
    truncateSync(path, 0);
    assert.deepEqual([bytes.indexOf(0x42), bytes.indexOf(1), bytes.indexOf(2)], [4096, -1, -1]);
  });
});

// ext4 lets holes be read, but not stored into.
for (const kind of ['tmpfs', 'ext4'] as const)
  describe(`Holes of a file on a full ${kind}`, () => {
    const path = onMount(kind, 32);

    it('become copies, in a bounded number of pieces, and every page keeps what was stored', async () => {
      const { code, signal, value, stderr } = await inChild(
        async (region: string, rest: string) => {
          const fs = await import('node:fs');
          const { Region } = await import('pmem');
          const opened = Region.open(region, { create: true, size: '44MiB', sparse: true, assumePersistent: true });
          const view = opened.view();
          const mappings = () => fs.readFileSync('/proc/self/maps', 'latin1').split('\n').length;
          const before = mappings();
          for (let at = 0; at < view.length; at += 8192) view[at] = 1 + ((at / 8192) % 250);
          const fd = fs.openSync(rest, 'w');
          for (const piece of [65536, 4096]) {
            try {
              for (;;) fs.writeSync(fd, Buffer.alloc(piece, 1));
            } catch {}
          }
          for (let at = 4096; at < view.length; at += 8192) view[at] = 255;
          let wrong = 0;
          for (let at = 0; at < view.length; at += 8192) {
            if (view[at] !== 1 + ((at / 8192) % 250) || view[at + 4096] !== 255) wrong++;
          }
          let refused = '';
          try {
            opened.persist(0, 8);
          } catch (error) {
            refused = (error as { code: string }).code;
          }
          return [wrong, mappings() - before, refused];
        },
        [path('region'), path('rest')],
      );
      assert.deepEqual([code, signal], [0, null], stderr);
      const [wrong, mappings, refused] = value ?? [];
      assert.equal(wrong, 0);
      assert(Number(mappings) <= MOST, `${mappings} mappings`);
      assert.match(String(refused), /^ERR_PMEM_/);
      assert.equal(stderr.match(/^pmem: /gm)?.length, 1, stderr);
    });
  });

describe('A process that has used up its mappings', () => {
  const file = onDisk();
  let addon = '';
  before(function () {
    this.timeout(60_000);
    addon = buildNative('faults');
  });

  for (const [name, readOnly, sum] of [
    ['lost pages', false, 0],
    ['stores into a read-only region', true, 4096],
  ] as const) {
    it(`survives ${name} all over a region`, async () => {
      const path = file('used-up');
      sparse(path, 16 * MIB, []);
      const seen = await childValue(
        async (binary: string, target: string, reading: boolean) => {
          const { createRequire } = await import('node:module');
          const fs = await import('node:fs');
          const { Region } = await import('pmem');
          const faults = createRequire('/')(binary) as FaultsAddon;
          const region = Region.open(target, reading ? { readOnly: true } : { assumePersistent: true });
          const view = region.view();
          if (!reading) fs.truncateSync(target, 4096);
          return faults.useUpAndTouch(view, 4096, reading ? 1 : 0);
        },
        [addon, path, readOnly],
      );
      assert.equal(seen, sum);
    });
  }
});

describe('Private memory past the end of a file', () => {
  const file = onDisk();

  it('keeps what was stored there when the file is truncated once more', async () => {
    const path = file('twice');
    sparse(path, 65536, [0, 16384]);
    const seen = await childValue(
      async (target: string) => {
        const { truncateSync: truncate } = await import('node:fs');
        const { Region } = await import('pmem');
        const view = Region.open(target, { assumePersistent: true }).view();
        truncate(target, 32768);
        view[40960] = 5;
        truncate(target, 4096);
        return [view[16384] ?? -1, view[40960] ?? -1, view[0] ?? -1];
      },
      [path],
    );
    assert.deepEqual(seen, [0, 5, 0x42]);
  });
});

/** Runs in a child: makes another process's change, then stores at 49,152 and says what the first pages hold. */
async function touchBeyond(path: string, change: 'shrink the device' | 'close the descriptor', backing: string) {
  const { execFileSync: run } = await import('node:child_process');
  const fs = await import('node:fs');
  const { Region } = await import('pmem');
  const region = Region.open(path, { assumePersistent: true, shared: true });
  const view = region.view();
  fs.truncateSync(backing, 32768);
  if (change === 'shrink the device') {
    run('losetup', ['-c', path]);
  } else {
    for (const fd of fs.readdirSync('/proc/self/fd')) {
      try {
        if (fs.readlinkSync(`/proc/self/fd/${fd}`) !== path) continue;
      } catch {
        continue;
      }
      fs.closeSync(Number(fd));
      fs.openSync('/dev/null', 'r');
    }
  }
  view[49152] = 5;
  return [view[0] ?? -1, view[16384] ?? -1, view[49152] ?? -1];
}

describe('A page of a block device that is gone', () => {
  const file = onDisk();
  const loops = loopDevices();

  it('costs none of the pages before the end of the device', async () => {
    const image = file('image');
    sparse(image, 65536, [0, 16384]);
    const seen = await childValue(touchBeyond, [loops.attachTo(image), 'shrink the device', image]);
    assert.deepEqual(seen, [0x42, 0x42, 5]);
  });
});

describe('A page that is gone', () => {
  const file = onDisk();

  it('costs no other page where the descriptor of its file was closed, and is that of an empty file now', async () => {
    const path = file('closed');
    sparse(path, 65536, [0, 16384]);
    const seen = await childValue(touchBeyond, [path, 'close the descriptor', path]);
    assert.deepEqual(seen, [0x42, 0x42, 5]);
  });
});

describe('Standard error that nobody reads', () => {
  const file = onDisk();

  it('does not hold up a thread that touches lost pages', async () => {
    const [path, fifo] = [file('lost'), file('full')];
    execFileSync('mkfifo', [fifo]);
    const seen = await childValue(
      async (target: string, pipe: string) => {
        const { spawnSync } = await import('node:child_process');
        const fs = await import('node:fs');
        // Both ends are open here, and the one that the program gets waits for room.
        const stderr = fs.openSync(pipe, 'r+');
        const filling = fs.openSync(pipe, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
        try {
          for (;;) fs.writeSync(filling, Buffer.alloc(4096));
        } catch {}
        const program = `const { truncateSync } = await import('node:fs');
          const { Region } = await import('pmem');
          const region = Region.open(process.argv[1], { create: true, size: 65536, assumePersistent: true });
          const view = region.view();
          truncateSync(process.argv[1], 4096);
          view[8192] = 1;
          console.log('went on');`;
        const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program, target], {
          stdio: ['ignore', 'pipe', stderr],
          encoding: 'utf8',
        });
        return [stdout, status ?? -1];
      },
      [path, fifo],
    );
    assert.deepEqual(seen, ['went on\n', 0]);
  });
});

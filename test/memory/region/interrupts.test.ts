/** Signals that come all the time, as a profiler sends them: every call ends all the same. */

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { childValue } from '../../support/child.js';
import { buildRefusingShim } from '../../support/refusing-shim.js';
import { onDisk, onTmpfs } from '../../support/temp.js';

const MIB = 2 ** 20;

describe('Calls that signals interrupt', () => {
  const onDiskFile = onDisk();
  let shim = '';
  before(() => {
    shim = onDiskFile('shim.so');
    buildRefusingShim(shim);
  });

  /** In a child: makes a file, stores, and opens it again with all its pages. Returns what is read. */
  function use(path: string, size: number, env: Record<string, string>): Promise<string> {
    return childValue(
      async (target: string, bytes: number) => {
        const { Region } = await import('pmem');
        const options = { create: true, size: bytes, assumePersistent: false, populate: true };
        const region = Region.open(target, options);
        if (!region.durability.volatile) {
          region.write(4096, Buffer.from('here'), 'persist');
          await region.persistAsync(0, region.size);
        } else region.write(4096, Buffer.from('here'));
        await region.populateAsync(0, region.size);
        region.close();
        const again = Region.open(target, { populate: true, readOnly: true });
        return again.view(4096, 4).toString();
      },
      [path, size],
      { env: { LD_PRELOAD: shim, ...env } },
    );
  }

  for (const largest of [64 << 10, 3 * MIB]) {
    it(`allocate a file where a signal interrupts and undoes each allocation of more than ${largest} bytes`, async () => {
      const path = onDiskFile('pieces');
      assert.equal(await use(path, 64 * MIB, { SHIM_LARGEST: String(largest) }), 'here');
      const { size, blocks } = statSync(path);
      assert.equal(size, 64 * MIB);
      assert(blocks * 512 >= 64 * MIB, `${blocks} blocks of 512 bytes`);
    });
  }

  it('allocate a file to its last byte, which is in no whole piece', async () => {
    const path = onDiskFile('odd');
    const size = 5 * MIB + 12345;
    assert.equal(await use(path, size, { SHIM_LARGEST: String(MIB) }), 'here');
    const { size: found, blocks } = statSync(path);
    assert.equal(found, size);
    assert(blocks * 512 >= size, `${blocks} blocks of 512 bytes`);
  });

  it('end, though no system call lasts from one signal to the next', async () => {
    const path = onDiskFile('storm');
    assert.equal(await use(path, 2 * MIB, { SHIM_STORM: '1' }), 'here');
    assert(statSync(path).blocks * 512 >= 2 * MIB);
  });

  describe('on tmpfs', () => {
    const file = onTmpfs();

    it('allocate a file under a timer that goes off each millisecond', async () => {
      const path = file('timer');
      assert.equal(await use(path, 64 * MIB, { SHIM_TIMER: '1000' }), 'here');
      assert(statSync(path).blocks * 512 >= 64 * MIB);
    });
  });
});

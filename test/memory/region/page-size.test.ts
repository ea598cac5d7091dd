/** What a region says of the pages that map it. */

import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { onDisk } from '../../support/temp.js';

const MIB = 2 ** 20;

describe('Region.pageSize', () => {
  const file = onDisk();

  it('is undefined while no page is mapped, and 4 KiB where single pages are', () => {
    using region = Region.open(file('pages'), { create: true, size: 8 * MIB });
    assert.equal(region.pageSize(), undefined);
    region.fill(5 * MIB, 1, 1);
    assert.equal(region.pageSize(), 4096);
  });

  it('of a slice is that of its part', () => {
    using region = Region.open(file('slices'), { create: true, size: 8 * MIB });
    region.fill(0, 4096, 1);
    assert.equal(region.slice(0, 100).pageSize(), 4096);
    assert.equal(region.slice(6 * 2 ** 20).pageSize(), undefined);
    assert.equal(region.slice(4 * 2 ** 20, 0).pageSize(), undefined);
    assert.equal(region.slice(100, 0).pageSize(), undefined);
    // Of the page beside it nobody has touched anything, though one entry of the page table could map both.
    assert.equal(region.slice(4096, 4096).pageSize(), undefined);
    assert.equal(region.slice(4095, 2).pageSize(), 4096);
  });

  it('throws EMFILE with a way out where no descriptor is left', async () => {
    const path = file('descriptors');
    Region.open(path, { create: true, size: MIB }).close();
    const refused = await childValue(
      async (target: string) => {
        const { PmemError, Region } = await import('pmem');
        const { DaxDevice } = await import('pmem/devdax');
        const { closeSync, openSync } = await import('node:fs');
        const region = Region.open(target);
        const device = DaxDevice.open(target, { align: 4096, emulate: true });
        const mapped = device.map();
        region.fill(0, 1, 1);
        const taken: number[] = [];
        const found: (string | number | undefined)[] = [];
        try {
          for (;;) taken.push(openSync('/dev/null', 'r'));
        } catch {
          // No more are left.
        }
        for (const one of [region, mapped, device]) {
          try {
            found.push(one.pageSize());
          } catch (error) {
            found.push(error instanceof PmemError ? error.message : `raw: ${String(error)}`);
          }
        }
        for (const fd of taken) closeSync(fd);
        return [...found, region.pageSize()] as unknown as (string | number)[];
      },
      [path],
      { execPath: 'sh', execArgv: ['-c', 'ulimit -n 1024; exec "$0" "$@"', process.execPath] },
    );
    assert.equal(refused.pop(), 4096);
    assert.equal(refused.length, 3);
    for (const message of refused) assert.match(String(message), /^EMFILE: .*'\/proc\/self\/smaps'. Close files/);
  });
});

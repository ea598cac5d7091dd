/** What a region says of the pages that map it. */

import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { onDisk } from '../support/temp.js';

const MIB = 2 ** 20;

describe('region.pageSize', () => {
  const file = onDisk();

  it('is unknown while no page is mapped, and 4 KiB where single pages are', () => {
    using region = Region.open(file('pages'), { create: true, size: 8 * MIB });
    assert.equal(region.pageSize(), undefined);
    region.fill(5 * MIB, 1, 1);
    assert.equal(region.pageSize(), 4096);
  });

  it('is that of the part, of a slice', () => {
    using region = Region.open(file('slices'), { create: true, size: 8 * MIB });
    region.fill(0, 4096, 1);
    assert.equal(region.slice(0, 100).pageSize(), 4096);
    assert.equal(region.slice('6MiB').pageSize(), undefined);
    assert.equal(region.slice('4MiB', 0).pageSize(), undefined);
    assert.equal(region.slice(100, 0).pageSize(), undefined);
  });
});

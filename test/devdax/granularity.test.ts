/** Verifying that each fault brings in one page, on a file that is taken for one on DAX. */

import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { DaxDevice } from 'pmem/devdax';
import { native } from '#dist/binding.js';
import { throwsCode } from '../support/errors.js';
import { mapsOf } from '../support/maps.js';
import { onTmpfs } from '../support/temp.js';

const PAGE = 4096;
const MIB = 2 ** 20;

describe('verify by pagemap', () => {
  const file = onTmpfs();
  const { probeSync, populate, unpopulate } = native;

  beforeEach(() => {
    // Stores into a file on tmpfs bring in a page each, as on DAX with pages of 4 KiB.
    native.probeSync = () => 0;
  });
  afterEach(() => Object.assign(native, { probeSync, populate, unpopulate }));

  function opened(size: number): DaxDevice {
    const path = file('dax');
    writeFileSync(path, '');
    truncateSync(path, size);
    return DaxDevice.open(path, { align: PAGE });
  }

  it('touches every page of a small mapping, and samples a large one, and says so', () => {
    for (const [size, all] of [
      [5 * PAGE, true],
      [MIB, true],
      [64 * MIB, true],
      [66 * MIB, false],
    ] as const) {
      using device = opened(size);
      const touched = new Set<number>();
      native.populate = (handle, offset, length, writable) => {
        touched.add(offset);
        return populate(handle, offset, length, writable);
      };
      device.map().close();
      native.populate = populate;
      assert.equal(touched.size, all ? size / PAGE : size / (2 * MIB), `${size}`);
      using whole = device.map();
      assert.equal(whole.pageSize(), undefined, 'nothing stays in');
      const { given, verifiedBy, missing } = device.guarantee;
      assert.deepEqual({ given, verifiedBy }, { given: true, verifiedBy: 'pagemap' });
      assert(missing.some((one) => one.startsWith('extents:')));
    }
    using small = opened(MIB);
    assert.match(small.guarantee.reason, /each fault of which/);
  });

  it('finds a page that comes in beside the one that was touched', () => {
    using device = opened(MIB);
    native.populate = (handle, offset, length, writable) =>
      populate(handle, offset, offset === 40 * PAGE ? 2 * length : length, writable);
    throwsCode(() => device.map(), 'ERR_PMEM_FAULT_GRANULARITY', { message: /offset 163840 a fault brings in 8 KiB/ });
    assert.equal(mapsOf(device.path).length, 0);
  });

  it('throws when pages cannot be taken out again', () => {
    using device = opened(MIB);
    native.unpopulate = () => 22;
    throwsCode(() => device.map(), 'EINVAL', { message: /cannot be taken out/ });
    assert.equal(mapsOf(device.path).length, 0);
  });
});

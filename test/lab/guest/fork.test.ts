/** A child process does not have the mapping, so that nothing it does, or becomes, can reach the memory by mistake. */

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Region, type RegionOptions } from 'pmem';
import { loadKernel } from '../../support/native.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const { reserved } = everything;
assert(reserved !== undefined);

const CASES: readonly { name: string; file?: string; options?: RegionOptions }[] = [
  { name: 'ext4', file: 'fork', options: { create: true, size: 8192 } },
  { name: 'xfs', file: 'fork', options: { create: true, size: 8192 } },
  { name: 'disk', file: 'fork', options: { create: true, size: 8192 } },
  { name: 'dax-4k' },
  { name: 'dax-2m' },
  { name: 'dax-1g' },
  { name: 'raw' },
  { name: 'devmem', options: { offset: reserved.start, length: reserved.size } },
  { name: 'bar' },
];

describe('A child made by fork(2)', () => {
  it("has its parent's Buffer of ordinary memory", () => {
    assert.equal(loadKernel().inFork(Buffer.alloc(8192)), 0);
  });

  for (const { name, file, options } of CASES) {
    it(`does not have its parent's region on ${name}`, () => {
      const { path } = place(name);
      using region = Region.open(file === undefined ? path : join(path, file), options);
      region.view(0, 1).writeUInt8(1);
      assert.equal(loadKernel().inFork(region.view()), constants.errno.EFAULT);
    });
  }
});

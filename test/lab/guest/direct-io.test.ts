/** A disk's own transfers go straight into and out of a region: O_DIRECT, without a copy in between. */

import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { throwsCode } from '../../support/errors.js';
import { Random } from '../../support/random.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const MIB = 2 ** 20;
const LENGTH = 4 * MIB;
const SEED = 20261121;
const { reserved } = everything;
assert(reserved !== undefined);

/** Runs with the empty virtio disk opened past the page cache. */
function withDisk(run: (fd: number) => void): void {
  const fd = openSync(place('empty').path, constants.O_RDWR | constants.O_DIRECT);
  try {
    run(fd);
  } finally {
    closeSync(fd);
  }
}

describe('O_DIRECT between a region and a disk', () => {
  const cases = [
    { name: 'ext4', open: () => Region.open(join(place('ext4').path, 'direct'), { create: true, size: 2 * LENGTH }) },
    { name: 'xfs', open: () => Region.open(join(place('xfs').path, 'direct'), { create: true, size: 2 * LENGTH }) },
    { name: 'dax-4k', open: () => Region.open(place('dax-4k').path) },
    { name: 'dax-2m', open: () => Region.open(place('dax-2m').path) },
    { name: 'dax-1g', open: () => Region.open(place('dax-1g').path) },
  ];
  for (const { name, open } of cases) {
    it(`works on ${name} in both directions, with equal contents`, () => {
      using region = open();
      const contents = new Random(SEED).bytes(LENGTH);
      region.write(0, contents);
      withDisk((fd) => {
        assert.equal(writeSync(fd, region.view(0, LENGTH), 0, LENGTH, 0), LENGTH);
        assert.equal(readSync(fd, region.view(LENGTH, LENGTH), 0, LENGTH, 0), LENGTH);
      });
      region.persist(LENGTH, LENGTH);
      assert(region.view(LENGTH, LENGTH).equals(contents), `seed ${SEED}`);
    });

    it(`on ${name} hands the memory itself to the disk, which refuses an address that it cannot use`, () => {
      using region = open();
      // A copy in between would be aligned wherever the bytes come from.
      withDisk((fd) => throwsCode(() => writeSync(fd, region.view(1, 4096), 0, 4096, 0), 'EINVAL'));
    });
  }

  it('is EFAULT on memory without pages of the kernel: /dev/mem and PCI', () => {
    using physical = Region.open('/dev/mem', { offset: reserved.start, length: reserved.size });
    using bar = Region.open(place('bar').path);
    withDisk((fd) => {
      for (const region of [physical, bar]) {
        throwsCode(() => writeSync(fd, region.view(0, 4096), 0, 4096, 0), 'EFAULT', { message: /bad address/ });
        throwsCode(() => readSync(fd, region.view(0, 4096), 0, 4096, 0), 'EFAULT', { message: /bad address/ });
      }
    });
  });
});

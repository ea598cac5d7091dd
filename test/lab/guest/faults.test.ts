/** How large the pages are that the kernel really maps: counted in page faults. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Region } from 'pmem';
import { loadKernel } from '../../support/native.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const PAGE = 4096;

/** Faults of a new mapping when one byte in each 4 KiB is stored into, and when that is done again. */
function faults(region: Region, length: number): { first: number; again: number } {
  const { touch } = loadKernel();
  const view = region.view(0, length);
  return { first: touch(view, PAGE, 1), again: touch(view, PAGE, 1) };
}

describe('A region on device-DAX', () => {
  const cases = [
    { name: 'dax-4k', align: PAGE, length: 4 * MIB },
    { name: 'dax-2m', align: 2 * MIB, length: 64 * MIB },
    { name: 'dax-1g', align: GIB, length: GIB },
  ];
  for (const { name, align, length } of cases) {
    it(`takes one page fault for each ${align} bytes of ${length} on ${name}`, () => {
      using region = Region.open(place(name).path);
      assert.deepEqual(faults(region, length), { first: length / align, again: 0 });
    });

    it(`takes the page faults of ${name} before open returns, with populate`, () => {
      using region = Region.open(place(name).path, { length, populate: true });
      assert.deepEqual(faults(region, length), { first: 0, again: 0 });
    });
  }
});

/** Whether the file's extents begin, in the file and on the device, at multiples of 2 MiB. */
function hasAlignedExtents(path: string): boolean {
  const text = execFileSync('filefrag', ['-v', '-b1', path], { encoding: 'utf8' });
  const extents = [...text.matchAll(/^ *\d+: +(\d+)\.\. *\d+: +(\d+)\.\./gm)];
  assert(extents.length > 0, text);
  return extents.every(
    ([, logical, physical]) => Number(logical) % (2 * MIB) === 0 && Number(physical) % (2 * MIB) === 0,
  );
}

describe('A region on a DAX file', () => {
  const LENGTH = 16 * MIB;
  for (const name of ['ext4', 'xfs']) {
    it(`has pages of 2 MiB on ${name}, where the extents are aligned`, () => {
      const path = join(place(name).path, 'aligned');
      using region = Region.open(path, { create: true, size: LENGTH });
      const aligned = hasAlignedExtents(path);
      const { first, again } = faults(region, LENGTH);
      console.log(
        `      ${name}: extents ${aligned ? '' : 'not '}aligned; ${first} faults, pages of ${LENGTH / first / 1024} KiB on average`,
      );
      assert(aligned, 'the file system did not align its extents');
      assert.deepEqual({ first, again }, { first: LENGTH / (2 * MIB), again: 0 });
    });

    it(`has small pages on ${name} up to the next 2 MiB, and large ones from there`, () => {
      const path = join(place(name).path, 'shifted');
      Region.open(path, { create: true, size: LENGTH }).close();
      assert(hasAlignedExtents(path), 'the file system did not align its extents');
      // At an address with the same remainder as the offset.
      using shifted = Region.open(path, { offset: PAGE });
      const { touch } = loadKernel();
      const length = shifted.size;
      const small = (2 * MIB - PAGE) / PAGE;
      assert.equal(touch(shifted.view(), PAGE, 1), small + (length - small * PAGE) / (2 * MIB));
    });
  }
});

import assert from 'node:assert/strict';
import type { WriteMode } from 'pmem';
import { Random } from '../../support/random.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const SIZE = 32768;
const MODES: readonly WriteMode[] = ['store', 'flush', 'persist'];
/** Around cache lines, vector registers, eight lines at once, and where copies begin to bypass the cache. */
const LENGTHS = [
  0, 1, 7, 8, 63, 64, 65, 127, 128, 191, 192, 255, 256, 257, 320, 511, 512, 513, 576, 1000, 4095, 4096, 4097, 10000,
];
const DISTANCES = [0, 1, 7, 8, 31, 32, 63, 64, 65, 128, 255, 256, 300, 512, 4096];

describe('A Region', () => {
  const file = onDisk();

  it('copies from a source on itself that overlaps the range', () => {
    const region = newRegion(file('overlap'), SIZE);
    const view = region.view();
    const content = new Random(1).bytes(SIZE);
    for (const mode of MODES) {
      for (const length of LENGTHS) {
        for (const distance of DISTANCES) {
          for (const [from, to] of [
            [8192 + 13, 8192 + 13 + distance],
            [8192 + 13 + distance, 8192 + 13],
          ] as const) {
            view.set(content);
            const expected = Buffer.from(content);
            expected.copyWithin(to, from, from + length);
            region.write(to, region.view(from, length), mode);
            if (!view.equals(expected)) assert.fail(`${mode} of ${length} bytes from ${from} to ${to}`);
          }
        }
      }
    }
    region.close();
  });

  it('copies from an overlapping source on another mapping of the same file', () => {
    const path = file('twice');
    const [one, two] = [newRegion(path, SIZE), newRegion(path, SIZE)];
    const content = new Random(2).bytes(SIZE);
    for (const length of [64, 200]) {
      one.view().set(content);
      two.write(1000, one.view(3000, length), 'persist');
      const expected = Buffer.from(content);
      expected.copyWithin(1000, 3000, 3000 + length);
      assert(one.view().equals(expected));
    }
    one.close();
    two.close();
  });

  it('reads into its own memory', () => {
    const region = newRegion(file('read'), SIZE);
    const content = new Random(3).bytes(SIZE);
    for (const length of LENGTHS) {
      for (const distance of DISTANCES) {
        for (const [from, to] of [
          [5000, 5000 + distance],
          [5000 + distance, 5000],
        ] as const) {
          region.view().set(content);
          const expected = Buffer.from(content);
          expected.copyWithin(to, from, from + length);
          region.read(from, region.view(to, length));
          if (!region.view().equals(expected)) assert.fail(`read of ${length} bytes from ${from} to ${to}`);
        }
      }
    }
    region.close();
  });

  it('copies asynchronously within its own memory', async () => {
    const region = newRegion(file('async'), SIZE);
    const content = new Random(4).bytes(SIZE);
    for (const [from, to] of [
      [100, 300],
      [300, 100],
    ] as const) {
      region.view().set(content);
      const expected = Buffer.from(content);
      expected.copyWithin(to, from, from + 20000);
      await region.writeAsync(to, region.view(from, 20000), 'persist');
      assert(region.view().equals(expected));
    }
    region.close();
  });

  it('persists ranges that overlap, repeat and are empty in persistAll', () => {
    for (const assumePersistent of [true, false]) {
      const region = newRegion(file('ranges'), SIZE, { assumePersistent });
      region.persistAll([
        { offset: 0, length: 100 },
        { offset: 50, length: 100 },
        { offset: 50, length: 100 },
        { offset: 0, length: SIZE },
        { offset: 10, length: 0 },
        { offset: SIZE, length: 0 },
      ]);
      region.persistAll([]);
      // More than go into one call of the addon.
      region.persistAll(Array.from({ length: 1000 }, (_, i) => ({ offset: 32 * i, length: 64 })));
      for (const count of [255, 256, 257, 512, 513]) {
        region.persistAll(Array.from({ length: count }, (_, i) => ({ offset: i, length: 1 })));
      }
      region.close();
    }
  });
});

/** Large memory and large copies: an image costs what it changes, and a copy is lost as a whole. */

import assert from 'node:assert/strict';
import { CrashConsistencyError, type CrashOptions, exploreCrashes } from 'pmem/testing';

const BLOCK = 4096;
const FIRST = 2 ** 20;

/** Blocks far apart in 16 MiB: each version is written, and then a word points to it. */
function blocks(flaw?: 'no flush'): CrashOptions<Buffer | undefined, number> {
  const content = (version: number) => Buffer.alloc(BLOCK, version + 1);
  return {
    size: '16MiB',
    budget: 10_000,
    workload(memory, context) {
      for (let version = 0; version < 10; version++) {
        context.operation(
          `write version ${version}`,
          () => {
            const place = FIRST + version * FIRST;
            memory.write(place, content(version));
            if (flaw === undefined) memory.persist(place, BLOCK);
            memory.store64(0, BigInt(place));
            memory.persist(0, 8);
          },
          version,
        );
      }
    },
    recover(memory) {
      const place = Number(memory.load64(0));
      if (place === 0) return undefined;
      const block = Buffer.alloc(BLOCK);
      memory.read(place, block);
      return block;
    },
    check(block, { finished, running }) {
      const allowed = [finished.at(-1)?.detail, running?.detail].map((version) =>
        version === undefined ? undefined : content(version),
      );
      assert(
        allowed.some((one) => (one === undefined ? block === undefined : block !== undefined && one.equals(block))),
        'the block is damaged',
      );
    },
  };
}

describe('exploreCrashes of a large memory', () => {
  it('makes thousands of images of 16 MiB, and prunes most of them', () => {
    const { images, pruned, exhausted, crashPoints } = exploreCrashes(blocks());
    assert(images > 7000, `${images} images`);
    assert(pruned > images / 2);
    assert.equal(crashPoints, 30);
    assert.equal(exhausted, 20);
  });

  it('runs every image with prune: false', () => {
    const { images, pruned, recoveries } = exploreCrashes({ ...blocks(), prune: false, budget: 5000 });
    assert.equal(pruned, 0);
    assert.equal(recoveries, images);
  });

  it('loses a copy of many lines as a whole, and tells that in one line', () => {
    try {
      exploreCrashes(blocks('no flush'));
    } catch (error) {
      assert(error instanceof CrashConsistencyError);
      assert.match(error.story, /the block is damaged/);
      assert.equal(error.story.match(/write of 4096 bytes/g)?.length, 1, error.story);
      assert(error.statistics.images < 10, JSON.stringify(error.statistics));
      assert(error.replay.length < 60, error.replay);
      return;
    }
    assert.fail('no violation was found');
  });
});

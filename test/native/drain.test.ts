/** What a thread flushed is checked by its own next drain, whatever drained in between. */

import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import { type PmemError, Region, type RegionToken } from 'pmem';
import { onDisk } from '../support/temp.js';
import { inWorker } from '../support/worker.js';

const PAGE = 4096;
const SIZE = 4 * PAGE;
const BYTES = Buffer.from('acknowledged');

/** Makes another thread drain the mapping. */
function drainElsewhere(region: Region): Promise<void> {
  return inWorker(async (token: RegionToken) => {
    const { Region } = await import('pmem');
    const attached = Region.attach(token);
    attached.drain();
    attached.close();
  }, region.share());
}

/** How the call ended. */
function outcomeOf(call: () => unknown): string {
  try {
    return String(call());
  } catch (error) {
    const { code, offset } = error as PmemError;
    return `${code} at ${offset}`;
  }
}

for (const [granularity, assumePersistent] of [
  ['cache-line', true],
  ['page', false],
] as const) {
  describe(`Region.drain at ${granularity} granularity, in a file that was truncated since the flush`, () => {
    const file = onDisk();
    const open = (name: string): Region => Region.open(file(name), { create: true, size: SIZE, assumePersistent });

    for (const left of [PAGE + 100, 3 * PAGE + 100]) {
      it(`throws ERR_PMEM_TRUNCATED although another thread drained in between (${left} bytes are left)`, async () => {
        using region = open('thread');
        region.write(left + 50, BYTES);
        region.flush(left + 50, BYTES.length);
        await drainElsewhere(region);
        truncateSync(region.path, left);
        assert.equal(
          outcomeOf(() => region.drain()),
          `ERR_PMEM_TRUNCATED at ${left}`,
        );
      });

      it(`throws ERR_PMEM_TRUNCATED although a persistAsync ended in between (${left} bytes are left)`, async () => {
        using region = open('async');
        region.write(left + 50, BYTES);
        region.flush(left + 50, BYTES.length);
        await region.persistAsync(0, 8);
        truncateSync(region.path, left);
        assert.equal(
          outcomeOf(() => region.drain()),
          `ERR_PMEM_TRUNCATED at ${left}`,
        );
      });
    }

    it('throws ERR_PMEM_TRUNCATED for what a second handle of the same thread flushed', () => {
      using region = open('handles');
      using attached = Region.attach(region.share());
      attached.write(3 * PAGE, BYTES);
      attached.flush(3 * PAGE, BYTES.length);
      truncateSync(region.path, 3 * PAGE);
      assert.equal(
        outcomeOf(() => region.drain()),
        `ERR_PMEM_TRUNCATED at ${3 * PAGE}`,
      );
    });

    it('returns where the thread drained before the truncation', () => {
      using region = open('drained');
      region.write(3 * PAGE, BYTES);
      region.flush(3 * PAGE, BYTES.length);
      region.drain();
      truncateSync(region.path, PAGE);
      assert.equal(
        outcomeOf(() => region.drain()),
        'undefined',
      );
    });

    it('returns where only another thread flushed what was truncated', async () => {
      using region = open('other');
      await inWorker(async (token: RegionToken) => {
        const { Region } = await import('pmem');
        const attached = Region.attach(token);
        attached.flush(8192, 8);
        attached.drain();
        attached.close();
      }, region.share());
      truncateSync(region.path, PAGE);
      region.write(0, BYTES);
      region.flush(0, BYTES.length);
      assert.equal(
        outcomeOf(() => region.drain()),
        'undefined',
      );
    });
  });

  describe(`Region.deepFlush at ${granularity} granularity`, () => {
    const file = onDisk();

    for (const left of [0, 100, 2 * PAGE, SIZE - 1]) {
      it(`throws ERR_PMEM_TRUNCATED where the file was truncated to ${left} bytes`, () => {
        using region = Region.open(file('deep'), { create: true, size: SIZE, assumePersistent });
        truncateSync(region.path, left);
        assert.equal(
          outcomeOf(() => region.deepFlush()),
          `ERR_PMEM_TRUNCATED at ${left}`,
        );
      });
    }

    it('answers where the file contains the slice and nothing else of the region', () => {
      using region = Region.open(file('slice'), { create: true, size: SIZE, assumePersistent });
      const expected = region.deepFlush();
      const slice = region.slice(0, PAGE);
      truncateSync(region.path, PAGE);
      assert.equal(
        outcomeOf(() => slice.deepFlush()),
        expected,
      );
    });
  });
}

/** DAX files truncated within a page: the kernel leaves the page, and what is stored past the file's end is in no file. */

import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { eadr, small } from '../machines.js';
import { machineName, place } from '../places.js';

export const machines = [small, eadr];

const PAGE = 4096;
const MIB = 2 ** 20;

describe('A DAX file truncated within a page', () => {
  for (const size of [PAGE, 16 * PAGE, 4 * MIB]) {
    for (const left of new Set([100, size - PAGE + 100])) {
      it(`from ${size} to ${left} bytes, makes every call that promises durability throw ERR_PMEM_TRUNCATED`, () => {
        const path = join(place('ext4').path, 'truncated');
        const calls: ((region: Region) => unknown)[] = [
          (region) => region.write(left + 8, Buffer.from('acknowledged'), 'persist'),
          (region) => region.fill(left + 8, 300, 1, 'persist'),
          (region) => region.persist(left + 8, 8),
          (region) => region.persistAll([{ offset: left + 8, length: 8 }]),
          (region) => {
            region.flush(left + 8, 8);
            region.drain();
          },
        ];
        try {
          for (const call of calls) {
            using region = Region.open(path, { create: true, size });
            assert.equal(region.durability.granularity, machineName() === eadr.name ? 'byte' : 'cache-line');
            assert.equal(region.durability.mapSync, true);
            region.fill(0, size, 7, 'persist');
            truncateSync(path, left);
            region.write(left - 8, Buffer.from('in there'), 'persist');
            assert.throws(() => call(region), { code: 'ERR_PMEM_TRUNCATED', offset: left });
            region.close();
            assert.equal(readFileSync(path).toString('latin1', left - 8), 'in there');
            rmSync(path);
          }
        } finally {
          rmSync(path, { force: true });
        }
      });
    }
  }
});

/** Bringing pages in, seen by the blocks that a sparse file gets. */

import assert from 'node:assert/strict';
import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { Region } from 'pmem';
import { rejectsCode } from '../../support/errors.js';
import { onTmpfs } from '../../support/temp.js';

const PAGE = 4096;

describe('Region.populateAsync', () => {
  const file = onTmpfs();

  for (const [offset, length, pages] of [
    [PAGE - 1, 2, 2],
    [100, PAGE, 2],
    [PAGE + 100, 4 * PAGE, 5],
    [PAGE, PAGE, 1],
    [PAGE - 1, 1, 1],
    [8 * PAGE + 10, 90, 1],
    [100, 0, 0],
    [0, 8 * PAGE + 100, 9],
  ] as const) {
    it(`brings in each page that ${length} bytes at ${offset} touch: ${pages}`, async () => {
      const path = file('sparse');
      writeFileSync(path, '');
      truncateSync(path, 8 * PAGE + 100); // it ends in the middle of a page
      using region = Region.open(path);
      assert.equal(statSync(path).blocks, 0);
      await region.populateAsync(offset, length);
      assert.equal((statSync(path).blocks * 512) / PAGE, pages);
    });
  }

  for (const readOnly of [false, true]) {
    it(`names the page that is gone from a ${readOnly ? 'read-only' : 'writable'} region`, async () => {
      const path = file('shorter');
      writeFileSync(path, Buffer.alloc(8 * PAGE));
      using region = Region.open(path, { readOnly });
      truncateSync(path, 5 * PAGE);
      await rejectsCode(region.populateAsync(PAGE, 7 * PAGE), 'ERR_PMEM_TRUNCATED', {
        message: new RegExp(`populateAsync: at offset ${5 * PAGE} `),
      });
      region.read(0, Buffer.alloc(5 * PAGE));
    });
  }
});

/** What /proc says of the pages of a mapping. */

import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { Region } from 'pmem';
import { mappedPageSize, presentPages } from '#dist/linux/pages.js';
import { mapsOf } from '../support/maps.js';
import { onDisk } from '../support/temp.js';

const PAGE = 4096;

describe('presentPages and mappedPageSize', () => {
  const file = onDisk();

  function mapped(pages: number): { region: Region; address: number } {
    const path = file('pages');
    writeFileSync(path, '');
    truncateSync(path, pages * PAGE);
    const region = Region.open(path);
    return { region, address: Number(mapsOf(path)[0]?.begin) };
  }

  it('count the present pages of each unit, of a shorter last unit too', () => {
    const { region, address } = mapped(7);
    for (const page of [1, 4, 5, 6]) region.fill(page * PAGE, PAGE, 1);
    const found: [number, number][] = [];
    presentPages(address, 7 * PAGE, 3 * PAGE, (present, at) => {
      found.push([at / PAGE, present]);
      return true;
    });
    assert.deepEqual(found, [
      [0, 1],
      [3, 2],
      [6, 1],
    ]);
    region.close();
  });

  it('ignore the mappings around the range', () => {
    const { region, address } = mapped(8);
    region.fill(0, PAGE, 1);
    region.fill(7 * PAGE, PAGE, 1);
    assert.equal(mappedPageSize(address + 2 * PAGE, 4 * PAGE), undefined);
    assert.equal(mappedPageSize(address + 2 * PAGE, 6 * PAGE), PAGE);
    region.close();
  });
});

/** The guarantee on huge pages of the host: given, verified, and seen in the count of faults. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DaxDevice, DaxRegion } from 'pmem/devdax';
import { throwsCode } from '../support/errors.js';
import { freePages, HUGE, hugeMemfd, hugeMemfds, hugePages, reservedPages } from '../support/huge-pages.js';
import { mapsOf } from '../support/maps.js';
import { loadKernel } from '../support/native.js';
import { needsRoot } from '../support/root.js';

const PAGES = 16;
const SIZE = PAGES * HUGE;
const SMALL = 4096;

describe('DaxDevice on huge pages, not mapped,', () => {
  before(function () {
    hugeMemfds(this);
  });

  it('refuses an alignment of 4 KiB or 1 GiB', () => {
    const memfd = hugeMemfd(2 ** 30);
    throwsCode(() => DaxDevice.open(memfd.path, { align: 4096 }), 'EINVAL', { message: /least alignment is 2097152/ });
    throwsCode(() => DaxDevice.open(memfd.path, { align: '1GiB' }), 'ERR_PMEM_FAULT_GRANULARITY', {
      message: /has pages of 2 MiB/,
    });
    using device = DaxDevice.open(memfd.path, { align: '1GiB', emulate: true });
    assert.equal(device.guarantee.given, false);
    assert.equal(device.guarantee.pageSize, HUGE);
    memfd.close();
  });

  it('does not say of a sealed memfd that others may resize it', () => {
    const sealed = hugeMemfd(SIZE, 2 | 4);
    const open = hugeMemfd(SIZE);
    using first = DaxDevice.open(sealed.path);
    using second = DaxDevice.open(open.path);
    const resizable = ({ guarantee }: DaxDevice) => guarantee.missing.some((one) => one.startsWith('size:'));
    assert.deepEqual([first, second].map(resizable), [false, true]);
    sealed.close();
    open.close();
  });
});

describe('DaxDevice on huge pages', () => {
  hugePages(PAGES);

  it('guarantees a page of 2 MiB for each fault, as smaps says', () => {
    const memfd = hugeMemfd(SIZE);
    using device = DaxDevice.open(memfd.path);
    const { given, pageSize, verifiedBy, missing } = device.guarantee;
    assert.deepEqual({ given, pageSize, verifiedBy }, { given: true, pageSize: HUGE, verifiedBy: 'smaps' });
    assert.equal(device.align, HUGE);
    assert.equal(device.emulated, true);
    assert(!missing.some((one) => one.startsWith('fault granularity')));
    assert.equal(device.pageSize(), undefined);
    using region = device.map();
    assert.equal(region.durability.pageSize, HUGE);
    // No other page can come in there, so it is known before one is touched.
    assert.equal(region.pageSize(), HUGE);
    assert.equal(region.slice(SMALL, 100).pageSize(), HUGE);
    assert.equal(device.pageSize(), HUGE);
    memfd.close();
  });

  for (const store of [1, 0] as const) {
    it(`takes one fault for each 2 MiB, ${store === 1 ? 'storing' : 'reading'}`, () => {
      const kernel = loadKernel();
      const memfd = hugeMemfd(SIZE);
      using device = DaxDevice.open(memfd.path);
      using region = device.map();
      const view = region.view();
      assert.equal(kernel.touch(view, SMALL, store), PAGES);
      assert.equal(kernel.touch(view, SMALL, store), 0);
      memfd.close();
    });
  }

  it('counts faults exactly', () => {
    const kernel = loadKernel();
    const memfd = hugeMemfd(SIZE);
    using device = DaxDevice.open(memfd.path);
    using first = device.map({ length: HUGE });
    device.faults(() => kernel.touch(first.view(), SMALL, 1));
    const counts: number[] = [];
    for (let page = 1; page < PAGES; page++) {
      using region = device.map({ offset: page * HUGE, length: HUGE });
      const view = region.view();
      const { faults, result } = device.faults(() => kernel.touch(view, SMALL, 1));
      assert.equal(result, 1);
      counts.push(faults);
    }
    // The heap of JavaScript may take some of its own now and then; but for those it is one for 2 MiB, exactly.
    assert.equal(Math.min(...counts), 1, counts.join());
    memfd.close();
  });

  it('takes no fault after populate, which reports progress', async () => {
    const kernel = loadKernel();
    const memfd = hugeMemfd(SIZE);
    using device = DaxDevice.open(memfd.path);
    const told: number[] = [];
    using region = device.map({ populate: true, onProgress: ({ done }) => told.push(done) });
    assert.equal(told.at(-1), SIZE);
    assert.equal(kernel.touch(region.view(), SMALL, 1), 0);
    region.close();
    told.length = 0;
    using again = await device.mapAsync({ populate: true, onProgress: ({ done }) => told.push(done) });
    assert.equal(told.at(-1), SIZE);
    assert.equal(kernel.touch(again.view(), SMALL, 1), 0);
    memfd.close();
  });

  it('maps at a multiple of 2 MiB, and keeps the mapping from children', () => {
    const memfd = hugeMemfd(SIZE);
    using device = DaxDevice.open(memfd.path);
    using region = device.map({ offset: HUGE, length: HUGE });
    const path = mapsOf('/memfd:pmem-test').at(-1);
    assert(path !== undefined);
    assert.equal(path.begin % BigInt(HUGE), 0n);
    assert(path.flags.includes('dc'), 'a child would have the mapping');
    assert.notEqual(loadKernel().inFork(region.view()), 0);
    memfd.close();
  });

  it('throws ENOMEM with the way out when the pool is too small', () => {
    const memfd = hugeMemfd(100_000 * HUGE);
    using device = DaxDevice.open(memfd.path);
    throwsCode(() => device.map(), 'ENOMEM', { message: /huge pages of 2 MiB.*nr_hugepages/ });
    using region = device.map({ length: 2 * HUGE });
    region.fill(0, region.size, 1);
    memfd.close();
  });

  it('reserves no page to open, and needs none', () => {
    const memfd = hugeMemfd(SIZE);
    const before = reservedPages();
    const device = DaxDevice.open(memfd.path);
    assert.equal(device.guarantee.given, true);
    assert.equal(reservedPages(), before);
    device.map({ length: 2 * HUGE }).close();
    assert.equal(reservedPages(), before + 2, 'of the mapping, until the memfd is gone');
    device.close();
    const most = hugeMemfd(freePages() * HUGE);
    using all = DaxDevice.open(most.path);
    using taken = all.map();
    const none = hugeMemfd(HUGE);
    using poor = DaxDevice.open(none.path);
    assert.equal(poor.guarantee.given, true);
    throwsCode(() => poor.map(), 'ENOMEM');
    taken.close();
    for (const one of [memfd, most, none]) one.close();
  });

  it('leaves no page reserved after a failed mapping', () => {
    const memfd = hugeMemfd(100_000 * HUGE);
    const before = reservedPages();
    using device = DaxDevice.open(memfd.path);
    throwsCode(() => device.map(), 'ENOMEM');
    assert.equal(reservedPages(), before);
    memfd.close();
  });

  describe('on hugetlbfs', () => {
    let directory = '';
    before(function () {
      needsRoot(this);
      const home = mkdtempSync(join(tmpdir(), 'pmem-huge-'));
      directory = join(home, 'mnt');
      mkdirSync(directory);
      execFileSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', directory], { stdio: 'pipe' });
    });
    after(() => {
      if (directory === '') return;
      execFileSync('umount', [directory]);
      rmSync(join(directory, '..'), { recursive: true });
    });

    it('creates files, guarantees 2 MiB, and takes the faults that it should', () => {
      const kernel = loadKernel();
      const path = join(directory, 'device');
      using device = DaxDevice.open(path, { create: true, size: SIZE });
      assert.equal(device.align, HUGE);
      assert.equal(device.guarantee.given, true);
      using region = device.map();
      assert.equal(kernel.touch(region.view(), SMALL, 1), PAGES);
      assert.match(region.durability.reason, /hugetlbfs/);
      region.close();
      rmSync(path);
      using still = device.map();
      assert.equal(kernel.touch(still.view(0, 8), 8, 0), 1);
    });

    it('refuses a file that was truncated, and does not extend it', () => {
      const path = join(directory, 'cut');
      writeFileSync(path, '');
      truncateSync(path, 8 * HUGE);
      using region = DaxRegion.open(path);
      const instance = region.create({ ranges: [{ offset: 2 * HUGE, length: 2 * HUGE }] });
      using device = DaxDevice.open(path);
      truncateSync(path, HUGE);
      throwsCode(() => instance.open(), 'ENXIO', { message: /reconfigured/ });
      throwsCode(() => device.map({ length: HUGE }), 'ENXIO');
      assert.equal(statSync(path).size, HUGE);
      rmSync(path);
    });

    it('sizes off the alignment are refused with the nearest ones', () => {
      const path = join(directory, 'odd');
      const open = () => DaxDevice.open(path, { create: true, size: SIZE + 4096 });
      throwsCode(open, 'EINVAL', { message: new RegExp(`nearest: ${SIZE} and ${SIZE + HUGE}`) });
      throwsCode(() => readFileSync(path), 'ENOENT');
      writeFileSync(path, '');
      throwsCode(() => DaxDevice.open(path), 'EINVAL', { message: /create: true/ });
      rmSync(path);
    });
  });
});

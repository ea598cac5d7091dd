import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { throwsCode } from '../../support/errors.js';
import { mapsOf } from '../../support/maps.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const KIB = 1024n;
const MIB = KIB * KIB;
const GIB = KIB * MIB;

describe('The mapping of a Region', () => {
  const file = onDisk();

  function mappedAt(path: string): { begin: bigint; offset: bigint; flags: readonly string[] } {
    const [only, ...others] = mapsOf(path);
    assert.equal(others.length, 0);
    assert(only !== undefined);
    return only;
  }

  const alignments: [size: string, offset: string, expected: bigint][] = [
    ['64KiB', '0', 4n * KIB],
    ['2MiB', '0', 2n * MIB],
    ['5MiB', '0', 2n * MIB],
    ['5MiB', '1MiB', 2n * MIB],
    ['2GiB', '0', GIB],
    ['3GiB', '4KiB', GIB],
    ['5GiB', '2GiB', GIB],
  ];
  for (const [size, offset, expected] of alignments) {
    it(`of ${size} from ${offset} is aligned to ${expected} relative to the offset in the file`, () => {
      for (let i = 0; i < 3; i++) {
        const path = file('aligned');
        const region = newRegion(path, size, { sparse: true, offset });
        const { begin, offset: inFile } = mappedAt(path);
        const mapped = BigInt(region.size);
        const reached = mapped >= 2n * GIB ? GIB : mapped >= 2n * MIB ? 2n * MIB : 4n * KIB;
        assert(reached <= expected);
        assert.equal((begin - inFile) % reached, 0n, `begins at ${begin.toString(16)}`);
        region.close();
      }
    });
  }

  it('keeps the alignment asked for', () => {
    for (const align of ['4KiB', '64KiB', '2MiB', '32MiB', '1GiB', '64GiB']) {
      const path = file('asked');
      const region = newRegion(path, '64KiB', { align });
      assert.equal(mappedAt(path).begin % BigInt(region.durability.pageSize), 0n);
      const bytes = BigInt(
        { '4KiB': 4096, '64KiB': 65536, '2MiB': 2 ** 21, '32MiB': 2 ** 25, '1GiB': 2 ** 30, '64GiB': 2 ** 36 }[align] ??
          0,
      );
      assert.equal(mappedAt(path).begin % bytes, 0n, align);
      region.close();
    }
  });

  it('fails with ENOMEM where the alignment asked for is unavailable', () =>
    throwsCode(() => newRegion(file('impossible'), '64KiB', { align: 2 ** 47 }), 'ENOMEM', {
      message: /address space/,
    }));

  it('is not inherited by forked processes', () => {
    for (const readOnly of [false, true]) {
      const path = file('fork');
      newRegion(path, '4MiB').close();
      const region = Region.open(path, { readOnly });
      assert(mappedAt(path).flags.includes('dc'), `flags ${mappedAt(path).flags.join(' ')}`);
      assert(readOnly || mappedAt(path).flags.includes('sh'));
      assert.equal(mappedAt(path).flags.includes('wr'), !readOnly);
      region.close();
    }
  });

  it('has every page faulted in with populate', async () => {
    const { readFileSync } = await import('node:fs');
    const resident = (path: string): number => {
      const lines = readFileSync('/proc/self/smaps', 'utf8').split('\n');
      const head = lines.findIndex((line) => line.endsWith(path));
      const line = lines.slice(head).find((one) => one.startsWith('Rss:'));
      return Number(/\d+/.exec(line ?? '')?.[0]);
    };
    const [lazy, eager] = [file('lazy'), file('eager')];
    const regions = [newRegion(lazy, '4MiB'), newRegion(eager, '4MiB', { populate: true })];
    assert.equal(resident(lazy), 0);
    assert.equal(resident(eager), 4096);
    for (const region of regions) region.close();
  });

  it('reaches the first byte, the last, and a part of a page', () => {
    for (const size of [1, 7, 8, 4095, 4096, 4097, 10_001]) {
      const region = newRegion(file('odd'), size);
      assert.equal(region.size, size);
      region.fill(0, size, 1, 'persist');
      region.persist(size - 1, 1);
      region.view()[size - 1] = 2;
      const last = Buffer.alloc(1);
      region.read(size - 1, last);
      assert.equal(last[0], 2);
      region.close();
    }
  });

  it('can exist thousands of times at once', () => {
    const path = file('many');
    newRegion(path, 65536).close();
    const regions = Array.from({ length: 2000 }, () => Region.open(path));
    regions.forEach((region, i) => void region.store64(8 * (i % 100), BigInt(i)));
    assert.equal(mapsOf(path).length >= 1, true);
    regions.forEach((region, i) => {
      if (i % 2 === 0) region.close();
    });
    assert.equal(regions[1]?.load64(8 * 99), 1999n);
    for (const region of regions) region.close();
    assert.equal(mapsOf(path).length, 0);
  });
});

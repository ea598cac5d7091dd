/**
 * The file is truncated within a page. What is stored past its new end in that page does not fault, and is in no file: extended
 * again, the file has zeroes there (truncate(2)).
 */

import assert from 'node:assert/strict';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type PmemError, Region } from 'pmem';
import { Btt } from 'pmem/block';
import { DaxRegion } from 'pmem/devdax';
import { HANDLE, LENGTH, type MapRequest, mailbox, native, OFFSET, STATUS, Status } from '#dist/binding.js';
import { planArena } from '#dist/block/btt/layout.js';
import { throwsCode } from '../../support/errors.js';
import { onDisk } from '../../support/temp.js';

const PAGE = 4096;
const SIZE = 4 * PAGE;
const MIB = 2 ** 20;

type Call = (region: Region, at: number) => unknown;

const BYTES = Buffer.from('acknowledged');

/** Everything that promises durability. */
const DURABLE: Readonly<Record<string, Call>> = {
  'write in mode persist': (region, at) => region.write(at, BYTES, 'persist'),
  'a large write in mode persist': (region, at) => region.write(0, Buffer.alloc(at + 8), 'persist'),
  'fill in mode persist': (region, at) => region.fill(at, 8, 1, 'persist'),
  'write in mode flush, and drain': (region, at) => {
    region.write(at, BYTES, 'flush');
    region.drain();
  },
  'fill in mode flush, and drain': (region, at) => {
    region.fill(at, 300, 1, 'flush');
    region.drain();
  },
  'store64, and persist': (region, at) => {
    region.store64(at - (at % 8) + 8, 1n);
    region.persist(at - (at % 8) + 8, 8);
  },
  'a store through a Buffer, and persist': (region, at) => {
    region.view()[at] = 1;
    region.persist(at, 1);
  },
  'persist of everything': (region) => region.persist(0, region.size),
  'flush, and drain': (region, at) => {
    region.flush(at, 1);
    region.drain();
  },
  'flush, and a persist of something else': (region, at) => {
    region.flush(at, 1);
    region.persist(0, 8);
  },
  persistAll: (region, at) =>
    region.persistAll([
      { offset: 0, length: 8 },
      { offset: at, length: 8 },
    ]),
  persistAsync: (region, at) => region.persistAsync(at, 8),
  'writeAsync in mode persist': (region, at) => region.writeAsync(at, BYTES, 'persist'),
  'fillAsync in mode persist': (region, at) => region.fillAsync(at, 8, 1, 'persist'),
  'writeAsync in mode flush, and drain': async (region, at) => {
    await region.writeAsync(at, BYTES, 'flush');
    region.drain();
  },
  'persist of a slice': (region, at) => region.slice(at, 8).persist(0, 8),
};

async function outcomeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'done';
  } catch (error) {
    const { code, offset } = error as PmemError;
    return `${code} at ${offset}`;
  }
}

/** What the descriptor is of; undefined where there is none. */
function linkOf(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

describe('A file truncated within a page', () => {
  const file = onDisk();

  it('makes deepFlush throw ERR_PMEM_TRUNCATED', () => {
    using region = Region.open(file('deep'), { create: true, size: SIZE, assumePersistent: true });
    assert.equal(region.deepFlush(), 'unavailable');
    truncateSync(region.path, SIZE - 100);
    throwsCode(() => region.deepFlush(), 'ERR_PMEM_TRUNCATED', { message: /^deepFlush: / });
  });

  for (const [granularity, assumePersistent] of [
    ['cache-line', true],
    ['page', false],
  ] as const) {
    const open = (path: string, size = SIZE): Region => Region.open(path, { create: true, size, assumePersistent });

    for (const [where, size, left] of [
      ['its only page', 1000, 100],
      ['the first page', SIZE, 100],
      ['a page in the middle', SIZE, 2 * PAGE + 100],
      ['the last page', SIZE, 3 * PAGE + 100],
      ['the last page, of which a part is mapped', 3 * PAGE + 1000, 3 * PAGE + 100],
    ] as const) {
      it(`at ${granularity} granularity, in ${where}: makes every call that promises durability throw ERR_PMEM_TRUNCATED`, async () => {
        const seen: Record<string, string> = {};
        for (const [name, call] of Object.entries(DURABLE)) {
          const path = file('cut');
          using region = open(path, size);
          truncateSync(path, left);
          seen[name] = await outcomeOf(() => call(region, left + 100));
          seen[`${name}, then a read`] = await outcomeOf(() => region.read(0, Buffer.alloc(8)));
        }
        const expected = (name: string): string => {
          // The first byte that is lost lies before the slice.
          if (name === 'persist of a slice') return 'ERR_PMEM_TRUNCATED at undefined';
          // Pages behind it are gone too, and are met first by who touches them.
          const isFault = name.startsWith('persist of everything') && assumePersistent && left < size - PAGE;
          return `ERR_PMEM_TRUNCATED at ${isFault ? left - (left % PAGE) + PAGE : left}`;
        };
        const wrong = Object.entries(seen).filter(([name, outcome]) => outcome !== expected(name));
        assert.deepEqual(wrong, []);
      });

      it(`at ${granularity} granularity, in ${where}: what is left is made durable as before`, async () => {
        const path = file('left');
        using region = open(path, size);
        truncateSync(path, left);
        for (let i = 0; i < 3; i++) {
          region.write(left - 12, BYTES, 'persist');
          region.fill(0, 8, 5, 'persist');
          region.flush(left - 8, 8);
          region.drain();
          region.persistAll([{ offset: left - 1, length: 1 }]);
          await region.persistAsync(0, left);
        }
        assert.equal(readFileSync(path).toString('latin1', left - 12), BYTES.toString());
      });
    }

    it(`at ${granularity} granularity, between a flush and its drain makes drain throw`, () => {
      for (const left of [PAGE + 100, 3 * PAGE + 100]) {
        const path = file('between');
        using region = open(path);
        region.write(left + 50, BYTES);
        region.flush(left + 50, BYTES.length);
        truncateSync(path, left);
        assert.throws(() => region.drain(), { code: 'ERR_PMEM_TRUNCATED', offset: left });
      }
    });

    it(`at ${granularity} granularity, and extended again after a call was refused stays refused`, () => {
      const path = file('again');
      using region = open(path);
      truncateSync(path, 100);
      assert.throws(() => region.write(200, BYTES, 'persist'), { code: 'ERR_PMEM_TRUNCATED' });
      truncateSync(path, SIZE);
      assert(
        readFileSync(path)
          .subarray(100)
          .every((byte) => byte === 0),
      );
      assert.throws(() => region.write(200, BYTES, 'persist'), { code: 'ERR_PMEM_TRUNCATED' });
      region.close();
      using opened = open(path);
      opened.write(200, BYTES, 'persist');
    });

    it(`at ${granularity} granularity, and renamed is noticed all the same`, () => {
      const path = file('old-name');
      using region = open(path);
      renameSync(path, `${path}-new`);
      truncateSync(`${path}-new`, 2 * PAGE + 8);
      assert.throws(() => region.persist(2 * PAGE + 8, 1), { code: 'ERR_PMEM_TRUNCATED', offset: 2 * PAGE + 8 });
    });
  }

  it('lets loads and stores that promise nothing do what the CPU does', () => {
    const path = file('plain');
    using region = Region.open(path, { create: true, size: PAGE, assumePersistent: true });
    truncateSync(path, 100);
    region.write(200, BYTES);
    region.store64(400, 42n);
    assert.equal(region.load64(400), 42n);
    const target = Buffer.alloc(BYTES.length);
    region.read(200, target);
    assert.deepEqual(target, BYTES);
  });

  it('does not concern a read-only region, nor one that ends before', () => {
    const path = file('others');
    writeFileSync(path, Buffer.alloc(SIZE, 1));
    using reader = Region.open(path, { readOnly: true, shared: true });
    using part = Region.open(path, { length: PAGE, shared: true, assumePersistent: true });
    truncateSync(path, 2 * PAGE + 100);
    reader.read(0, Buffer.alloc(8));
    part.persist(0, PAGE);
    truncateSync(path, PAGE - 1);
    assert.throws(() => part.persist(0, PAGE), { code: 'ERR_PMEM_TRUNCATED', offset: PAGE - 1 });
  });

  it('is reported as unknown where somebody closed the descriptor of the region, and no other file is touched', () => {
    const path = file('closed');
    using region = Region.open(path, { create: true, size: PAGE, assumePersistent: true, shared: true });
    for (const fd of readdirSync('/proc/self/fd').map(Number)) {
      if (linkOf(fd) === path) closeSync(fd);
    }
    const other = file('other');
    writeFileSync(other, 'x'.repeat(2 * PAGE));
    const fd = openSync(other, 'r+');
    assert.throws(() => region.persist(0, 8), { code: 'ERR_PMEM_SYNC_FAILED', message: /closed the descriptor/ });
    // It is where it was opened, not at its end.
    writeSync(fd, 'y');
    assert.equal(readFileSync(other, 'latin1').slice(0, 2), 'yx');
    closeSync(fd);
    region.close();
  });

  it('makes a write to a BTT throw whose flog is past the end', () => {
    const path = file('btt');
    const size = 17 * MIB;
    using region = Region.open(path, { create: true, size, sparse: true, assumePersistent: true });
    Btt.format(region, { nfree: 1, sectorSize: 512, version: '2.0', zeroed: true });
    using btt = Btt.open(region);
    const layout = planArena(size, 512, 1, 0);
    assert(layout !== undefined);
    truncateSync(path, layout.flogOffset + 8);
    assert.throws(
      () => btt.write(0, Buffer.alloc(512, 1)),
      ({ code, cause }: PmemError) => code === 'EIO' && (cause as PmemError).code === 'ERR_PMEM_TRUNCATED',
    );
  });

  describe('mapped in several extents', () => {
    /** The file's first half last: what is mapped at the end is not what a truncation takes first. */
    const RANGES = [
      { offset: 4 * MIB, length: 2 * MIB },
      { offset: 0, length: 2 * MIB },
    ];

    for (const assumePersistent of [true, false]) {
      for (const [left, lost] of [
        [3 * MIB, 0],
        [4 * MIB + 100, 100],
        [6 * MIB - 1, 2 * MIB - 1],
      ] as const) {
        it(`truncated to ${left} bytes, ${assumePersistent ? 'flushed by lines' : 'synced by pages'}: every durable call throws, and names the first byte that is lost`, async () => {
          const seen: Record<string, string> = {};
          const calls: Record<string, (region: Region) => unknown> = {
            'persist of everything': (region) => region.persist(0, region.size),
            'persist of the last byte': (region) => region.persist(2 * MIB - 1, 1),
            persistAll: (region) => region.persistAll([{ offset: 2 * MIB - 1, length: 1 + PAGE }]),
            'flush, and drain': (region) => {
              region.flush(0, 2 * MIB);
              region.drain();
            },
            'write in mode persist': (region) => region.write(2 * MIB - 4, BYTES.subarray(0, 4), 'persist'),
            persistAsync: (region) => region.persistAsync(0, 2 * MIB),
          };
          for (const [name, call] of Object.entries(calls)) {
            const path = file('extents');
            writeFileSync(path, Buffer.alloc(8 * MIB));
            using dax = DaxRegion.open(path, { emulate: true });
            using device = dax.create({ ranges: RANGES }).open({ assumePersistent });
            using region = device.map();
            truncateSync(path, left);
            seen[name] = await outcomeOf(() => call(region));
          }
          for (const [name, outcome] of Object.entries(seen)) {
            assert.match(outcome, /^ERR_PMEM_TRUNCATED at /, name);
          }
          if (!assumePersistent) assert.equal(seen['persist of everything'], `ERR_PMEM_TRUNCATED at ${lost}`);
        });
      }
    }

    it('is noticed by fences alone (eADR), where nothing touches the pages', () => {
      const path = file('eadr');
      writeFileSync(path, Buffer.alloc(8 * PAGE));
      const fd = openSync(path, 'r+');
      const extents = [
        { offset: 4 * PAGE, length: 2 * PAGE },
        { offset: 0, length: PAGE },
      ];
      const request: MapRequest = {
        fd,
        length: 3 * PAGE,
        pageSize: PAGE,
        alignment: PAGE,
        writable: true,
        extents,
      };
      const { handle } = native.map(request);
      closeSync(fd);
      native.setGranularity(handle, 0);
      const persist = (offset: number, length: number): number => {
        mailbox[HANDLE] = handle;
        mailbox[OFFSET] = offset;
        mailbox[LENGTH] = length;
        native.persist();
        return mailbox[STATUS] as number;
      };
      assert.equal(persist(0, 3 * PAGE), 0);
      truncateSync(path, 5 * PAGE + 8);
      assert.equal(persist(0, PAGE + 8), 0);
      assert.equal(persist(2 * PAGE, PAGE), 0);
      truncateSync(path, 4 * PAGE + 8);
      assert.equal(persist(0, 8), 0);
      assert.equal(persist(2 * PAGE, PAGE), 0);
      // The last byte of the range is there; some in the middle are not.
      assert.equal(persist(0, 3 * PAGE), Status.damaged);
      native.close(handle);
    });
  });
});

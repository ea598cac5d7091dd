/** The fast path to sectors whose blocks a table names: it does what the plain calls do, or nothing, and says so. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { Region } from 'pmem';
import {
  AT,
  BEGUN,
  BLOCK,
  ENTRY,
  HANDLE,
  halves,
  LENGTH,
  mailbox,
  native,
  OFFSET,
  RECORD,
  STATUS,
  STRIDE,
  Status,
  TAG,
} from '#dist/binding.js';
import type { FastSectors, SectorTable } from '#dist/memory/region/fast-sector.js';
import { childValue } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const SIZE = 65536;
const RECORDS = 4096;
const NAMED = 0xc000_0000;
/** Blocks of 512 bytes, from 8192 on; the table has the first page. */
const LAYOUT: SectorTable = { table: 64, entries: 31, tag: NAMED, data: 8192, stride: 512, blocks: 100 };

function findTable(region: Region, layout: Partial<SectorTable> = {}): FastSectors | undefined {
  const tabled = region as unknown as { fastSectors(layout: SectorTable): FastSectors | undefined };
  return tabled.fastSectors({ ...LAYOUT, ...layout });
}

function tableOf(region: Region, layout: Partial<SectorTable> = {}): FastSectors {
  const table = findTable(region, layout);
  assert.ok(table !== undefined);
  return table;
}

function setEntry(region: Region, entry: number, value: number): void {
  region.view().writeUInt32LE(value >>> 0, LAYOUT.table + 4 * entry);
}

function entryOf(region: Region, entry: number): number {
  return region.view().readUInt32LE(LAYOUT.table + 4 * entry);
}

function dataOf(region: Region, block: number, length = LAYOUT.stride): Buffer {
  return region.view(LAYOUT.data + block * LAYOUT.stride, length);
}

describe('FastSectors', () => {
  const file = onDisk();
  let region: Region;
  beforeEach(() => {
    region = newRegion(file('table'), SIZE);
  });
  afterEach(() => region.close());

  it('reads the block that an entry names', () => {
    const table = tableOf(region);
    for (const [entry, block] of [
      [0, 0],
      [1, 99],
      [30, 50],
    ] as const) {
      dataOf(region, block).fill(block + 1);
      setEntry(region, entry, NAMED + block);
      for (const length of [512, 100, 0]) {
        const target = Buffer.alloc(length);
        // The addon knows the array after some calls.
        for (let i = 0; i < 20; i++) {
          target.fill(0);
          assert.equal(table.read(entry, target), true);
          assert.deepEqual(target, Buffer.alloc(length, block + 1));
        }
      }
    }
  });

  it('exchanges a block, and stores the record of it', () => {
    const table = tableOf(region);
    const source = Buffer.alloc(512);
    for (let i = 0; i < 40; i++) {
      const entry = i % 31;
      setEntry(region, entry, NAMED + i);
      const neighbour = entryOf(region, entry ^ 1);
      const record = RECORDS + 16 * (i % 7);
      source.fill(i + 1);
      assert.equal(table.exchange(entry, 50 + i, source, record, 0xffff_fff0 + (i % 16)), i);
      assert.equal(entryOf(region, entry), NAMED + 50 + i);
      assert.equal(entryOf(region, entry ^ 1), neighbour);
      assert.deepEqual(dataOf(region, 50 + i), source);
      const words = [0, 4, 8, 12].map((at) => region.view().readUInt32LE(record + at));
      assert.deepEqual(words, [entry, i, 50 + i, 0xffff_fff0 + (i % 16)]);
    }
  });

  it('works on the blocks of a slice', () => {
    const slice = region.slice(4096, 32768);
    const table = tableOf(slice, { data: 4096, blocks: 50 });
    setEntry(slice, 3, NAMED + 2);
    slice.view(4096 + 1024, 512).fill(7);
    const target = Buffer.alloc(512);
    assert.equal(table.read(3, target), true);
    assert.deepEqual(target, Buffer.alloc(512, 7));
    assert.equal(table.exchange(3, 20, target.fill(8), 2048, 1), 2);
    assert.deepEqual(region.view(8192 + 20 * 512, 512), Buffer.alloc(512, 8));
    assert.equal(region.view().readUInt32LE(4096 + 2048 + 8), 20);
    assert.equal(entryOf(slice, 3), NAMED + 20);
  });

  it('exists only where table and blocks are in the region, and the table is aligned', () => {
    for (const layout of [
      { entries: SIZE / 4 - 15 },
      { entries: -1 },
      { entries: 1.3 },
      { table: -64 },
      { table: Number.NaN },
      { table: 68 },
      { data: SIZE - 512 * 100 + 1 },
      { blocks: 2 ** 32 },
      { stride: Infinity },
    ]) {
      assert.equal(findTable(region, layout), undefined, JSON.stringify(layout));
    }
    assert.equal(findTable(region.slice(4, 60000)), undefined);
    assert.equal(findTable(region.slice(0, 8192)), undefined);
    assert.ok(findTable(region.slice(4, 60000), { table: 68 }));
  });

  describe('stores nothing and leaves the sector to the plain calls', () => {
    const target = Buffer.alloc(512);
    const leaves = (table: FastSectors, entry: number, block: number, source: Uint8Array, record: number): void => {
      const before = Buffer.from(region.view());
      for (let i = 0; i < 20; i++) assert.equal(table.exchange(entry, block, source, record, 1), -1);
      assert.ok(region.view().equals(before));
    };

    it('where the entry names none', () => {
      const table = tableOf(region);
      for (const value of [0, 5, 0x8000_0005, 0x4000_0005, NAMED + 100, 0xffff_ffff]) {
        setEntry(region, 4, value);
        assert.equal(table.read(4, target), false);
        leaves(table, 4, 1, target, RECORDS);
      }
    });

    it('where a number is wrong', () => {
      const table = tableOf(region);
      setEntry(region, 4, NAMED + 5);
      for (const entry of [-1, -16, 31, 0.5, Number.NaN, Infinity, 2 ** 53]) {
        assert.equal(table.read(entry, target), false, String(entry));
        leaves(table, entry, 1, target, RECORDS);
      }
      for (const block of [100, 101, -1, 2 ** 32 - 1]) leaves(table, 4, block, target, RECORDS);
      for (const record of [SIZE - 15, RECORDS + 1, RECORDS + 4, -16, Number.NaN, 2 ** 53]) {
        const before = Buffer.from(region.view(0, LAYOUT.data));
        assert.equal(table.exchange(4, 1, target, record, 1), -1);
        assert.ok(region.view(0, LAYOUT.data).equals(before));
      }
      assert.equal(table.read(4, Buffer.alloc(513)), false);
      leaves(table, 4, 1, Buffer.alloc(513), RECORDS);
      // The region goes on as if nothing had been.
      assert.equal(table.read(4, target), true);
      assert.equal(table.exchange(4, 1, target, RECORDS, 1), 5);
    });

    it('where the array was detached, or feigns its length', () => {
      class Liar extends Uint8Array {
        override get length(): number {
          return 4;
        }
      }
      const table = tableOf(region);
      setEntry(region, 4, NAMED + 5);
      const liar = new Liar(513);
      assert.equal(table.read(4, liar), false);
      leaves(table, 4, 1, liar, RECORDS);
      const source = new Uint8Array(512).fill(7);
      for (let i = 0; i < 20; i++) assert.equal(table.read(4, source), true);
      structuredClone(source.buffer, { transfer: [source.buffer] });
      assert.equal(table.read(4, source), true, 'no bytes');
    });

    it('where the region, or the slice, is closed', () => {
      const other = newRegion(file('closed'), SIZE);
      const slice = other.slice(0);
      const [table, part] = [tableOf(other), tableOf(slice)];
      setEntry(other, 4, NAMED + 5);
      assert.equal(part.read(4, target), true);
      slice.close();
      assert.equal(part.read(4, target), false);
      assert.equal(part.exchange(4, 1, target, RECORDS, 1), -1);
      assert.equal(table.exchange(4, 1, target, RECORDS, 1), 5);
      other.close();
      assert.equal(table.read(4, target), false);
      assert.equal(table.exchange(4, 1, target, RECORDS, 1), -1);
    });

    it('where the region is read-only', () => {
      setEntry(region, 4, NAMED + 5);
      dataOf(region, 5).fill(3);
      const path = region.path;
      region.close();
      region = Region.open(path, { readOnly: true });
      const table = tableOf(region);
      assert.equal(table.read(4, target), true);
      assert.deepEqual(target, Buffer.alloc(512, 3));
      leaves(table, 4, 1, target, RECORDS);
    });

    it('where msync makes things durable', () => {
      setEntry(region, 4, NAMED + 5);
      const path = region.path;
      region.close();
      region = Region.open(path, { granularity: 'page' });
      assert.equal(region.durability.granularity, 'page');
      const table = tableOf(region);
      assert.equal(table.read(4, target), true);
      leaves(table, 4, 1, target, RECORDS);
    });

    it('where the region is damaged', () => {
      const path = file('damaged');
      writeFileSync(path, Buffer.alloc(SIZE, 0xff));
      const damaged = Region.open(path, { readOnly: true });
      const table = tableOf(damaged, { tag: 0xffff_ffff });
      assert.equal(table.read(4, target), true);
      damaged.view()[0] = 1;
      assert.equal(table.read(4, target), false);
      throwsCode(() => damaged.read(0, target), 'ERR_PMEM_READ_ONLY');
      damaged.close();
    });
  });

  it('refuses wrong numbers in the mailbox', () => {
    setEntry(region, 4, NAMED + 5);
    const slots = [HANDLE, OFFSET, LENGTH, ENTRY, STRIDE, RECORD];
    tableOf(region).read(4, Buffer.alloc(512));
    const handle = mailbox[HANDLE] as number;
    const good = () => {
      for (const [slot, value] of [
        [HANDLE, handle],
        [OFFSET, LAYOUT.data],
        [LENGTH, 512],
        [ENTRY, LAYOUT.table + 16],
        [STRIDE, 512],
        [RECORD, RECORDS],
        [BEGUN, 0],
        [AT, 0],
      ] as const) {
        mailbox[slot] = value;
      }
      halves.set([NAMED, 100], 2 * TAG);
      halves.set([7, 1], 2 * BLOCK);
    };
    const before = Buffer.from(region.view());
    const bytes = Buffer.alloc(512, 1);
    const wrong = [Number.NaN, -1, 0.5, 2 ** 40, 2 ** 53, 2 ** 64, Infinity, -Infinity, SIZE - 1];
    for (const [name, call, used] of [
      ['readBlock', () => native.readBlock(bytes), slots.slice(0, 5)],
      ['readBlockPart', () => native.readBlockPart(bytes.buffer as ArrayBuffer), [...slots.slice(0, 5), AT]],
      ['exchangeBlock', () => native.exchangeBlock(bytes), slots],
      ['exchangeBlockPart', () => native.exchangeBlockPart(bytes.buffer as ArrayBuffer), [...slots, AT]],
    ] as const) {
      for (const slot of used) {
        for (const value of slot === ENTRY ? [...wrong, LAYOUT.table + 17] : wrong) {
          // Blocks may lie the other way round.
          if (slot === STRIDE && value === -1) continue;
          good();
          mailbox[slot] = value;
          call();
          const status = mailbox[STATUS];
          assert.ok(status === Status.range || status === Status.closed, `${name}, ${slot}: ${value}: ${status}`);
          assert.equal(mailbox[BEGUN], 0);
        }
      }
    }
    for (const argument of [undefined, null, 7, 'bytes', new Uint16Array(256), new ArrayBuffer(512)]) {
      for (const call of [native.readBlock, native.exchangeBlock]) {
        good();
        call(argument as never);
        assert.equal(mailbox[STATUS], Status.range);
      }
    }
    assert.ok(region.view().equals(before));
  });

  it('throws for pages that are gone, or leaves the sector to the plain calls', async () => {
    const seen = await childValue(
      async (path: string, size: number) => {
        const { truncateSync } = await import('node:fs');
        const { Region: Opened } = await import('pmem');
        const named = 0xc000_0000;
        const layout = { entries: 16, tag: named, stride: 4096, blocks: 4 };
        /** What is in the last pages is gone. */
        const outcome = (table: number, record: number, data: number) => {
          const region = Opened.open(path, { create: true, size, assumePersistent: true });
          const tabled = region as unknown as { fastSectors(layout: object): FastSectors | undefined };
          const blocks = tabled.fastSectors({ ...layout, table, data });
          for (let entry = 0; entry < 16; entry++) region.store64(table + 8 * (entry >> 1), (3n << 62n) | (3n << 30n));
          region.fill(record, 16, 3);
          region.persist(0, size);
          truncateSync(path, 16384);
          const source = Buffer.alloc(4096, 1);
          const told: unknown[] = [blocks?.read(0, Buffer.alloc(4096))];
          try {
            told.push(blocks?.exchange(2, 1, source, record, 5));
          } catch (error) {
            const { code, offset } = error as NodeJS.ErrnoException & { offset?: number };
            told.push(`${code} at ${offset}`);
          }
          // Whatever is left of them.
          const bytes = (at: number, length: number) => {
            const target = Buffer.alloc(length);
            try {
              region.read(at, target);
              return target.toString('hex');
            } catch (error) {
              return (error as NodeJS.ErrnoException).code ?? String(error);
            }
          };
          told.push(bytes(table + 8, 8), bytes(record, 16), bytes(data + 4096, 4));
          region.close();
          truncateSync(path, 0);
          return told.map(String);
        };
        return { table: outcome(32768, 0, 0), record: outcome(0, 32768, 0), data: outcome(0, 64, 32768) };
      },
      [file('gone'), SIZE],
    );
    const gone = 'ERR_PMEM_TRUNCATED';
    const [entries, record] = ['000000c0000000c0', '03'.repeat(16)];
    assert.deepEqual(seen, {
      table: ['false', '-1', gone, record, '00000000'],
      record: ['true', `${gone} at 32768`, entries, gone, '01010101'],
      data: ['false', '-1', entries, record, gone],
    });
  });
});

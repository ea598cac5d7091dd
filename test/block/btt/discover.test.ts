/** Which BTT it is where more than one has left its info blocks. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import { Btt, type BttProblemCode, type BttVersion } from 'pmem/block';
import { encodeInfo, type InfoBlock, parseInfo } from '#dist/block/btt/info-block.js';
import { sectorOf } from '../../support/btt-crash.js';
import { formatSmall } from '../../support/btt-images.js';
import { throwsCode } from '../../support/errors.js';
import { PlainMemory } from '../../support/plain-memory.js';

const PAGE = 4096;
const OTHER_UUID = '00000000-1111-4222-8333-444444444444';

function made(version: BttVersion, memory = new PlainMemory(2 ** 16), uuid?: string): PlainMemory {
  formatSmall(memory, { sectorSize: 512, version, force: true, ...(uuid === undefined ? {} : { uuid }) });
  return memory;
}

function fill(memory: Memory): void {
  using btt = Btt.open(memory);
  for (let lba = 0; lba < 20; lba++) btt.write(lba, sectorOf(lba + 1, lba, btt.sectorSize));
}

function holds(memory: Memory, version: BttVersion, readOnly = false): void {
  using btt = Btt.open(memory, { readOnly });
  assert.equal(btt.info.version, version);
  const bytes = Buffer.alloc(btt.sectorSize);
  // In layout 2.0 the older info block lies over sectors, of which there may be eight.
  for (let lba = version === '2.0' ? 12 : 0; lba < 20; lba++) {
    btt.read(lba, bytes);
    assert.ok(bytes.equals(sectorOf(lba + 1, lba, btt.sectorSize)), `sector ${lba}`);
  }
}

function page(memory: PlainMemory, at: number): Buffer {
  return Buffer.from(memory.bytes.subarray(at, at + PAGE));
}

function copyPlace(memory: Memory): number {
  using btt = Btt.open(memory, { readOnly: true });
  const [arena] = btt.info.arenas;
  assert.ok(arena !== undefined);
  return arena.offset + arena.infoCopyOffset;
}

/** Nobody stores, and repair does not either. */
function assertDoubtful(memory: PlainMemory, detail: RegExp): void {
  const before = Buffer.from(memory.bytes);
  for (const repair of [false, true]) {
    const { status, safeToWrite, problems } = Btt.check(memory, { repair });
    const codes: BttProblemCode[] = problems.map(({ code }) => code);
    assert.ok(codes.includes('info-inconsistent'), codes.join());
    assert.ok(!codes.includes('info-copy'));
    assert.match(problems.find(({ code }) => code === 'info-inconsistent')?.detail ?? '', detail);
    assert.deepEqual([status, safeToWrite], ['unsafe', false]);
  }
  throwsCode(() => Btt.open(memory, { verify: false }), 'ERR_PMEM_BTT_CORRUPT', { message: /info-inconsistent/ });
  assert.ok(memory.bytes.equals(before));
}

describe('A BTT beside the remains of another', () => {
  for (const [fresh, old] of [
    ['1.1', '2.0'],
    ['2.0', '1.1'],
  ] as const) {
    /** The newer one in use, and the info block of an older one where Linux, or anybody, leaves it. */
    const both = (): PlainMemory => {
      const stale = made(old, new PlainMemory(2 ** 16), OTHER_UUID);
      const block = page(stale, old === '1.1' ? PAGE : 0);
      const memory = made(fresh);
      fill(memory);
      block.copy(memory.bytes, old === '2.0' ? 0 : PAGE);
      return memory;
    };

    it(`is opened where version ${fresh} was formatted over ${old}`, () => {
      const memory = both();
      holds(memory, fresh);
      assert.equal(Btt.check(memory).status, 'clean');
    });

    it(`gets its lost info block restored where version ${fresh} was formatted over ${old}`, () => {
      const memory = both();
      memory.bytes.fill(0xee, fresh === '1.1' ? PAGE : 0, (fresh === '1.1' ? PAGE : 0) + PAGE);
      memory.stores = 0;
      const report = Btt.check(memory);
      assert.equal(report.version, fresh);
      assert.deepEqual(
        report.problems.map(({ code }) => code),
        ['info-missing'],
      );
      throwsCode(() => Btt.open(memory), 'ERR_PMEM_BTT_CORRUPT');
      assert.equal(memory.stores, 0);
      holds(memory, fresh, true);
      assert.equal(Btt.check(memory, { repair: true }).status, 'repaired');
      holds(memory, fresh);
    });

    it(`is in doubt where version ${fresh} was formatted over ${old} and its copy is lost`, () => {
      const memory = both();
      memory.bytes.fill(0xee, memory.size - PAGE);
      assertDoubtful(memory, /neither has its copy/);
    });
  }

  it('is in doubt where the other has the same layout and another UUID', () => {
    const memory = made('1.1');
    fill(memory);
    const other = made('1.1', new PlainMemory(2 ** 16), OTHER_UUID);
    page(other, PAGE).copy(memory.bytes, copyPlace(memory));
    assertDoubtful(memory, new RegExp(`another BTT, version 1.1, with UUID ${OTHER_UUID}`));
  });

  it('is not confused with a BTT that one of its sectors contains', () => {
    const memory = new PlainMemory(2 ** 18);
    formatSmall(memory, { sectorSize: 4096, version: '2.0' });
    const parsed = parseInfo(page(made('1.1'), PAGE), 2 ** 16);
    assert.ok('info' in parsed);
    // A small BTT within the data: its info block, a flog, and the copy.
    const offsets = { dataOffset: PAGE, mapOffset: 6 * PAGE, flogOffset: 7 * PAGE, infoCopyOffset: 8 * PAGE };
    const inner = encodeInfo({ ...parsed.info, sectorCount: 16, blockCount: 20, nfree: 4, ...offsets });
    const flog = Buffer.alloc(PAGE);
    for (let lane = 0; lane < 4; lane++) {
      for (const [i, word] of [lane, 16 + lane, 16 + lane, 1].entries()) flog.writeUInt32LE(word, 64 * lane + 4 * i);
    }
    // A user of the BTT can bring this about by writing sectors: data begin at 4096, with block 0.
    for (const [bytes, block] of [
      [inner, 0],
      [flog, 7],
      [inner, 8],
    ] as const) {
      bytes.copy(memory.bytes, PAGE + block * PAGE);
    }
    using again = Btt.open(memory);
    assert.equal(again.info.version, '2.0');
    again.close();
    // With the real info block gone, it still is not believed.
    memory.bytes.fill(0, 0, PAGE);
    throwsCode(() => Btt.open(memory), 'ERR_PMEM_BTT_CORRUPT', { message: /info-inconsistent/ });
    assertDoubtful(memory, /version 2.0/);
  });

  it('has an intact info block that makes no sense reported as inconsistent, not as lost', () => {
    for (const change of [{ dataOffset: 0 }, { nextOffset: 2 ** 15 + 8 }, { nextOffset: 2 ** 15 + 4 }]) {
      const memory = made('1.1');
      const at = copyPlace(memory);
      const parsed = parseInfo(page(memory, PAGE), memory.size);
      assert.ok('info' in parsed);
      const base = { ...parsed.info, ...('nextOffset' in change ? shrunk(parsed.info) : {}) };
      const block = encodeInfo({ ...base, ...change });
      for (const place of [PAGE, at, PAGE + base.infoCopyOffset]) block.copy(memory.bytes, place);
      assertDoubtful(memory, /is intact, but makes no sense/);
    }
  });
});

/** The arrangement of an arena that ends in the middle of the memory. */
function shrunk(info: InfoBlock): InfoBlock {
  const [sectorCount, nfree] = [8, 4];
  const places = { dataOffset: PAGE, mapOffset: 4 * PAGE, flogOffset: 5 * PAGE, infoCopyOffset: 6 * PAGE };
  return { ...info, sectorCount, nfree, blockCount: sectorCount + nfree, ...places };
}

import assert from 'node:assert/strict';
import { Btt } from 'pmem/block';
import { SimulatedMemory } from 'pmem/testing';
import { laneState, newLane, secondSlotOf } from '#dist/block/btt/flog.js';
import { checksum, encodeInfo, parseInfo } from '#dist/block/btt/info-block.js';
import { arenaExtents, LIMITS, planArena } from '#dist/block/btt/layout.js';
import { UUID } from '../../support/btt-images.js';
import { PlainMemory } from '../../support/plain-memory.js';

describe('The layout of a BTT', () => {
  it('of 16 MiB with sectors of 4 KiB is what was worked out by hand', () => {
    // 16777216 - 2 * 4096 (info blocks) - 16384 (256 lanes of 64 bytes) = 16752640 are for blocks and map.
    // (16752640 - 4096) / (4096 + 4) = 4085.01: 4085 blocks, 3829 of them sectors.
    // Map: 3829 * 4 = 15316, in pages 16384. Data: 16752640 - 16384 = 16736256.
    assert.deepEqual(planArena(2 ** 24, 4096, 256, 0), {
      sectorSize: 4096,
      sectorCount: 3829,
      blockSize: 4096,
      blockCount: 4085,
      nfree: 256,
      nextOffset: 0,
      dataOffset: 4096,
      mapOffset: 16_740_352,
      flogOffset: 16_756_736,
      infoCopyOffset: 16_773_120,
    });
  });

  it('of 512 GiB with sectors of 512 bytes is what was worked out by hand', () => {
    // 549755813888 - 8192 - 16384 = 549755789312; less a page, over 516: 1065418221.0…
    const layout = planArena(2 ** 39, 512, 256, 2 ** 39);
    assert.ok(layout !== undefined);
    const blocks = Math.floor((549_755_789_312 - 4096) / 516);
    assert.equal(layout.blockCount, blocks);
    assert.ok(blocks < 2 ** 30);
    assert.equal(layout.sectorCount, blocks - 256);
    assert.equal(layout.infoCopyOffset, 2 ** 39 - 4096);
    assert.equal(layout.flogOffset, 2 ** 39 - 4096 - 16_384);
  });

  for (const [sectorSize, blockSize] of [
    [512, 512],
    [520, 576],
    [528, 576],
    [4096, 4096],
    [4104, 4160],
    [4160, 4160],
    [4224, 4224],
  ] as const) {
    it(`rounds blocks for sectors of ${sectorSize} bytes up to ${blockSize}`, () => {
      const layout = planArena(2 ** 24, sectorSize, 256, 0);
      assert.ok(layout !== undefined);
      assert.equal(layout.blockSize, blockSize);
      assert.ok(layout.dataOffset + layout.blockCount * blockSize <= layout.mapOffset);
      assert.ok(layout.mapOffset + layout.sectorCount * 4 <= layout.flogOffset);
      for (const offset of [layout.mapOffset, layout.flogOffset, layout.infoCopyOffset]) assert.equal(offset % 4096, 0);
    });
  }

  it('splits memory into arenas of 512 GiB and the rest, if that has 16 MiB', () => {
    const sizes = (size: number) => arenaExtents(size, 4096, LIMITS).map((extent) => extent.size);
    assert.deepEqual(sizes(2 ** 24), []);
    assert.deepEqual(sizes(2 ** 24 + 4096), [2 ** 24]);
    assert.deepEqual(sizes(2 ** 39 + 4096), [2 ** 39]);
    assert.deepEqual(sizes(2 ** 39 + 4096 + 2 ** 24 - 1), [2 ** 39]);
    assert.deepEqual(sizes(2 ** 39 + 4096 + 2 ** 24), [2 ** 39, 2 ** 24]);
    assert.deepEqual(sizes(2 ** 40), [2 ** 39, 2 ** 39 - 4096]);
  });

  it('has the info block of a pool of libpmemblk 1.12, byte for byte', () => {
    const pool = Buffer.alloc(4096);
    pool.write(
      '4254545f4152454e415f494e464f00007ba6e4cd68814444b9a26e5068207fabe9b24d082ce85146a512e6fd9a01f214' +
        '000000000100010000020000bcfc000000020000bcfd00000001000000100000000000000000000000100000000000000090fb0100000000' +
        '0090ff010000000000d0ff0100000000',
      'hex',
    );
    pool.write('dbfe6f71d8a5c18c', 4088, 'hex');
    // A pool of 32 MiB: 8 KiB are its own.
    const parsed = parseInfo(pool, 2 ** 25 - 8192);
    assert.ok('info' in parsed);
    const { info } = parsed;
    assert.deepEqual([info.version, info.uuid], ['1.1', '7ba6e4cd-6881-4444-b9a2-6e5068207fab']);
    assert.deepEqual([info.sectorSize, info.sectorCount, info.blockSize, info.nfree], [512, 64_700, 512, 256]);
    assert.ok(encodeInfo(info).equals(pool));
  });

  it('has the lanes of a pool of libpmemblk 1.12, with their flags', () => {
    const flog = Buffer.from(
      '0c0000000c0000c0000000c00300000018000000180000c00c0000c001000000' +
        `${'00'.repeat(32)}0f0000000f0000c0030000c0030000001b0000001b0000c00f0000c001000000${'00'.repeat(32)}`,
      'hex',
    );
    assert.equal(secondSlotOf(flog), 1);
    const lanes = [0, 64].map((at) => laneState(flog, at, 1));
    assert.deepEqual(lanes, [
      { sector: 24, oldBlock: 24, newBlock: 12, sequence: 1, oldIsBad: false, nextSlot: 0, nextSequence: 2 },
      { sector: 27, oldBlock: 27, newBlock: 15, sequence: 1, oldIsBad: false, nextSlot: 0, nextSequence: 2 },
    ]);
  });

  it('has the info block of the specification at both ends', () => {
    const memory = new PlainMemory(2 ** 24 + 4096);
    const parentUuid = '00112233-4455-6677-8899-aabbccddeeff';
    Btt.format(memory, { uuid: UUID, parentUuid });
    const block = memory.bytes.subarray(4096, 8192);
    assert.equal(block.toString('latin1', 0, 16), 'BTT_ARENA_INFO\0\0');
    assert.equal(block.toString('hex', 16, 32), UUID.replaceAll('-', ''));
    assert.equal(block.toString('hex', 32, 48), '00112233445566778899aabbccddeeff');
    assert.equal(block.readUInt32LE(48), 0);
    assert.deepEqual([block.readUInt16LE(52), block.readUInt16LE(54)], [1, 1]);
    const words = [56, 60, 64, 68, 72, 76].map((at) => block.readUInt32LE(at));
    assert.deepEqual(words, [4096, 3829, 4096, 4085, 256, 4096]);
    const offsets = [80, 88, 96, 104, 112].map((at) => Number(block.readBigUInt64LE(at)));
    assert.deepEqual(offsets, [0, 4096, 16_740_352, 16_756_736, 16_773_120]);
    assert.ok(block.subarray(120, 4088).every((byte) => byte === 0));
    assert.ok(memory.bytes.subarray(2 ** 24, 2 ** 24 + 4096).equals(block));
    // The first 4 KiB are unused.
    assert.ok(memory.bytes.subarray(0, 4096).every((byte) => byte === 0));
  });

  it('has the blocks after the sectors free in a new flog', () => {
    const memory = new PlainMemory(2 ** 24 + 4096);
    Btt.format(memory);
    const flog = memory.bytes.subarray(4096 + 16_756_736, 4096 + 16_773_120);
    for (const lane of [0, 1, 255]) {
      const words = Array.from({ length: 16 }, (_, i) => flog.readUInt32LE(lane * 64 + 4 * i));
      assert.deepEqual(words, [lane, 3829 + lane, 3829 + lane, 1, ...new Array<number>(12).fill(0)]);
    }
  });

  it('has flog and map as Linux writes them', () => {
    const memory = new PlainMemory(2 ** 24);
    Btt.format(memory, { version: '2.0', nfree: 1 });
    const btt = Btt.open(memory);
    const { mapOffset, flogOffset, blockCount } = btt.info.arenas[0] as (typeof btt.info.arenas)[number];
    const spare = blockCount - 1;
    const entry = (slot: number) => [0, 4, 8, 12].map((at) => memory.bytes.readUInt32LE(flogOffset + 16 * slot + at));
    const map = (sector: number) => memory.bytes.readUInt32LE(mapOffset + 4 * sector);
    const sector = Buffer.alloc(4096, 7);
    btt.write(5, sector);
    assert.deepEqual(entry(1), [5, 5, spare, 2]);
    assert.equal(map(5), (0xc000_0000 | spare) >>> 0);
    btt.write(5, sector);
    assert.deepEqual(entry(0), [5, spare, 5, 3]);
    btt.write(4, sector);
    assert.deepEqual(entry(1), [4, 4, spare, 1]);
    btt.write(4, sector);
    assert.deepEqual(entry(0), [4, spare, 4, 2]);
    assert.deepEqual([map(4), map(5)], [0xc000_0004, 0xc000_0005]);
    btt.discard(4, 1);
    btt.discard(9, 1);
    assert.deepEqual([map(4), map(5), map(8), map(9)], [0x8000_0004, 0xc000_0005, 0, 0x8000_0009]);
    btt.close();
  });

  it('marks no sector as zero that shares a page with others: Linux would misread those', () => {
    for (const sectorSize of [512, 520, 528] as const) {
      const memory = new PlainMemory(2 ** 24);
      Btt.format(memory, { version: '2.0', nfree: 1, sectorSize });
      const btt = Btt.open(memory);
      const [{ mapOffset = 0 } = {}] = btt.info.arenas;
      btt.write(0, Buffer.alloc(4 * sectorSize, 7));
      btt.writeZeroes(1, 1);
      btt.discard(2, 1);
      const found = Buffer.alloc(4 * sectorSize);
      btt.read(0, found);
      const expected = Buffer.alloc(4 * sectorSize, 7).fill(0, sectorSize, 3 * sectorSize);
      assert.deepEqual(found, expected);
      for (const sector of [0, 1, 2, 3]) assert.equal(memory.bytes.readUInt32LE(mapOffset + 4 * sector) >>> 30, 3);
      btt.close();
    }
  });

  it('has the checksum of Fletcher, in words of 4 bytes', () => {
    const block = Buffer.alloc(4096);
    assert.equal(checksum(block), 0n);
    // 1 in the first of 1024 words: the sum is 1, the sum of sums 1024.
    block.writeUInt32LE(1, 0);
    assert.equal(checksum(block), (1024n << 32n) | 1n);
    // 2^32 - 1 in the last word that counts adds to both, modulo 2^32; the sum of sums has it three times.
    block.writeUInt32LE(0xffff_ffff, 4084);
    assert.equal(checksum(block), ((1024n - 3n) << 32n) | 0n);
    block.writeBigUInt64LE(0x1234n, 4088);
    assert.equal(checksum(block), ((1024n - 3n) << 32n) | 0n);
  });

  describe('The flog of a BTT', () => {
    const lane = (...entries: (readonly [slot: number, sequence: number])[]) => {
      const bytes = Buffer.alloc(64);
      for (const [slot, sequence] of entries) {
        bytes.writeUInt32LE(100 + slot, 16 * slot);
        bytes.writeUInt32LE(0xc000_0000 + 200 + slot, 16 * slot + 4);
        bytes.writeUInt32LE(0x8000_0000 + 300 + slot, 16 * slot + 8);
        bytes.writeUInt32LE(sequence, 16 * slot + 12);
      }
      return bytes;
    };

    for (const second of [1, 2] as const) {
      it(`is read with slots 0 and ${second}, in all sequences`, () => {
        for (const [a, b, newer] of [
          [1, 2, second],
          [3, 2, 0],
          [3, 1, second],
          [2, 1, 0],
          [2, 3, second],
          [1, 3, 0],
          [1, 0, 0],
        ] as const) {
          const bytes = lane([0, a], [second, b]);
          assert.equal(secondSlotOf(bytes), second);
          const state = laneState(bytes, 0, second);
          assert.ok(typeof state !== 'string');
          assert.equal(state.sector, 100 + newer, `${a}, ${b}`);
          assert.deepEqual([state.oldBlock, state.newBlock], [200 + newer, 300 + newer]);
          assert.equal(state.nextSlot, newer === 0 ? second : 0);
          const sequence = newer === 0 ? a : b;
          assert.equal(state.nextSequence, (sequence % 3) + 1);
        }
      });
    }

    it('is refused with sequence numbers that do not say which is the newer', () => {
      for (const [a, b] of [
        [0, 0],
        [1, 1],
        [3, 3],
        [4, 1],
        [1, 0xffff_ffff],
        [0, 1],
        [2, 0],
        [3, 0],
      ] as const) {
        assert.equal(typeof laneState(lane([0, a], [1, b]), 0, 1), 'string', `${a}, ${b}`);
      }
    });

    it('is refused where lanes use unknown or different slots', () => {
      const fresh = Buffer.alloc(64);
      newLane(fresh, 0, 9);
      assert.equal(secondSlotOf(fresh), 1);
      assert.equal(secondSlotOf(Buffer.concat([fresh, lane([0, 1], [2, 2])])), 2);
      assert.equal(secondSlotOf(lane([0, 1], [3, 2])), undefined);
      assert.equal(secondSlotOf(lane([1, 1])), undefined);
      assert.equal(secondSlotOf(lane([0, 1], [1, 2], [2, 3])), undefined);
      assert.equal(secondSlotOf(Buffer.concat([lane([0, 1], [1, 2]), lane([0, 1], [2, 2])])), undefined);
      assert.equal(secondSlotOf(Buffer.alloc(64)), undefined);
    });
  });

  it('refuses info blocks with a right checksum that make no sense', () => {
    const memory = SimulatedMemory.create({ size: 2 ** 24 + 4096 });
    Btt.format(memory);
    const good = Buffer.from(memory.view(4096, 4096));
    assert.ok('info' in parseInfo(good, 2 ** 24));
    for (const [at, value] of [
      [52, 3],
      [56, 0],
      [56, 511],
      [56, 4097],
      [60, 0],
      [60, 3830],
      [64, 4095],
      [68, 0xffff_ffff],
      [72, 0],
      [72, 0xffff_ffff],
      [76, 512],
      [80, 4096],
      [84, 0xffff_ffff],
      [88, 0],
      [88, 0x7fff_ffff],
      [96, 0],
      [96, 16_740_353],
      [100, 0xffff_ffff],
      [104, 0],
      [104, 16_756_740],
      [112, 0],
      [112, 2 ** 24],
      [116, 0xffff_ffff],
    ] as const) {
      const block = Buffer.from(good);
      block.writeUInt32LE(value, at);
      assert.ok('why' in parseInfo(block, 2 ** 24), `without a checksum, ${at}`);
      block.writeBigUInt64LE(checksum(block), 4088);
      const parsed = parseInfo(block, 2 ** 24);
      assert.ok('why' in parsed && parsed.sound, `${value} at ${at}`);
    }
  });
});

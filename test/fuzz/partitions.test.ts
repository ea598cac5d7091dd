/** Damaged partition tables by the hundred thousand: `npm run test:fuzz`. */

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { openPartition, PmemDisk, readPartitionTable, writePartitionTable } from 'pmem/block';
import { PlainMemory } from '../support/plain-memory.js';
import { Random } from '../support/random.js';

const { FUZZ_SEED = '1', FUZZ_COUNT = '600000' } = process.env;
const [SEED, COUNT] = [Number(FUZZ_SEED), Number(FUZZ_COUNT)];

const SIZE = 2 ** 17;
const SECTORS = SIZE / 512;
const BYTES = [0, 1, 5, 0x0f, 0x55, 0x7f, 0x80, 0xaa, 0xee, 0xff];

/** Tables as they should be; the second has a chain of logical partitions, laid by hand. */
function originals(): Buffer[] {
  const [gpt, mbr] = [new PlainMemory(SIZE), new PlainMemory(SIZE)];
  writePartitionTable(PmemDisk.open(gpt), {
    label: 'gpt',
    alignment: 512,
    partitions: [{ size: '8KiB', name: 'one' }, { size: '8KiB' }, {}],
  });
  writePartitionTable(PmemDisk.open(mbr), {
    label: 'mbr',
    alignment: 512,
    partitions: [{ size: '8KiB' }, { size: '16KiB' }],
  });
  const chain = Buffer.from(mbr.bytes);
  const record = (at: number, type: number, start: number, count: number) => {
    chain[at + 4] = type;
    chain.writeUInt32LE(start, at + 8);
    chain.writeUInt32LE(count, at + 12);
  };
  record(446 + 2 * 16, 5, 100, 100);
  for (const [link, next] of [
    [100, 20],
    [120, 40],
    [140, 0],
  ] as const) {
    record(link * 512 + 446, 0x83, 1, 10);
    if (next > 0) record(link * 512 + 446 + 16, 5, next, 20);
    chain.writeUInt16LE(0xaa55, link * 512 + 510);
  }
  return [gpt.bytes, mbr.bytes, chain];
}

/** Makes the checksums of a GPT header right. */
function seal(bytes: Buffer, sector: number): void {
  const header = bytes.subarray(sector * 512, sector * 512 + 512);
  const length = header.readUInt32LE(12);
  if (length < 92 || length > 512) return;
  const [entries, count, size] = [Number(header.readBigUInt64LE(72)), header.readUInt32LE(80), header.readUInt32LE(84)];
  if (entries * 512 + count * size <= bytes.length) {
    header.writeUInt32LE(crc32(bytes.subarray(entries * 512, entries * 512 + count * size)), 88);
  }
  header.writeUInt32LE(0, 16);
  header.writeUInt32LE(crc32(header.subarray(0, length)), 16);
}

const PLACES = [
  446,
  446,
  510,
  512,
  524,
  584,
  1024,
  1024,
  100 * 512 + 446,
  120 * 512 + 446,
  140 * 512 + 446,
  SIZE - 512,
  SIZE - 512 + 72,
];

function mutate(bytes: Buffer, random: Random): void {
  for (let i = 0; i <= random.below(6); i++) {
    const at = Math.min(SIZE - 1, random.pick(PLACES) + random.below(random.pick([2, 16, 64, 128])));
    bytes[at] = random.pick([random.pick(BYTES), random.below(256)]);
  }
  if (random.below(2) === 0) seal(bytes, random.pick([1, SECTORS - 1]));
}

describe('readPartitionTable', () => {
  it(`reads ${COUNT} damaged tables, or throws coded errors, with seed ${SEED}`, () => {
    const images = originals();
    const memory = new PlainMemory(SIZE);
    const counts: Record<string, number> = {};
    const sector = Buffer.alloc(512);
    for (let i = 0; i < COUNT; i++) {
      const random = new Random(SEED * 2 ** 20 + i);
      random.pick(images).copy(memory.bytes);
      memory.stores = 0;
      mutate(memory.bytes, random);
      let outcome = 'none';
      try {
        const disk = PmemDisk.open(memory);
        const table = readPartitionTable(disk);
        outcome = table?.label ?? outcome;
        for (const partition of table?.partitions ?? []) {
          const { firstSector: start, sectorCount: count } = partition;
          assert.ok(start > 0 && count > 0 && start + count <= SECTORS, `${start} + ${count}`);
          openPartition(disk, partition).read(0, sector);
        }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ERR_PMEM_PARTITION_TABLE') throw new Error(`image ${i} of seed ${SEED}`, { cause: error });
        outcome = code;
      }
      assert.equal(memory.stores, 0, `image ${i} of seed ${SEED} was stored into`);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
    console.log(`      ${JSON.stringify(counts)}`);
  });
});

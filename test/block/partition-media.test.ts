/** Partition tables where sectors are bad, or hold something that only looks like a table. */

import assert from 'node:assert/strict';
import {
  BadBlocks,
  type NewGpt,
  type NewMbr,
  openPartition,
  PmemDisk,
  readPartitionTable,
  writePartitionTable,
} from 'pmem/block';
import { throwsCode } from '../support/errors.js';
import { LossyMemory } from '../support/lossy-memory.js';

const MIB = 2 ** 20;
const SIZE = 4 * MIB;
const LAST = SIZE / 512 - 1;

const GPT: NewGpt = { label: 'gpt', partitions: [{ size: '1MiB' }, {}] };
const MBR: NewMbr = {
  label: 'mbr',
  partitions: [{ size: '1MiB' }],
  logical: [{ size: '256KiB' }, {}],
  alignment: '64KiB',
};

/** A disk with a table, opened again with bad sectors. */
function withBad(memory: LossyMemory, ...sectors: number[]): PmemDisk {
  return PmemDisk.open(memory, { badBlocks: sectors.map((start) => ({ start, count: 1 })) });
}

describe('writePartitionTable on a disk with bad sectors', () => {
  for (const before of [undefined, GPT, MBR]) {
    for (const after of [GPT, MBR]) {
      for (const [name, sector] of Object.entries({ first: 0, second: 1, third: 2, last: LAST })) {
        it(`writes ${after.label} over ${before?.label ?? 'nothing'} where the ${name} sector is bad`, () => {
          const memory = new LossyMemory(SIZE);
          if (before !== undefined) writePartitionTable(PmemDisk.open(memory), before);
          const disk = withBad(memory, sector);
          const table = writePartitionTable(disk, after, { force: true });
          assert.equal(table.label, after.label);
          assert.deepEqual(table.problems, []);
          assert.deepEqual(readPartitionTable(disk), table);
        });
      }
    }
  }

  for (const table of [GPT, MBR]) {
    it(`stores nothing of an ${table.label} where sector 0 is bad and lasting`, () => {
      const badBlocks = new BadBlocks();
      badBlocks.add(0, 1, { lasting: true });
      const memory = new LossyMemory(SIZE);
      const disk = PmemDisk.open(memory, { badBlocks });
      memory.calls.length = 0;
      throwsCode(() => writePartitionTable(disk, table, { force: true }), 'EIO', {
        message: /sector 0 of the disk is bad/,
      });
      assert.deepEqual(
        memory.calls.filter((call) => /^(write|fill)/.test(call)),
        [],
      );
    });
  }

  it('leaves a table whose chain is read up to a bad record, which problems names', () => {
    const memory = new LossyMemory(SIZE);
    const whole = writePartitionTable(PmemDisk.open(memory), MBR);
    const records = whole.partitions.filter(({ number }) => number > 4).map(({ firstSector: start }) => start - 128);
    assert.equal(records.length, 2);
    for (const [i, record] of records.entries()) {
      const table = readPartitionTable(withBad(memory, record));
      assert.deepEqual(table?.partitions, whole.partitions.slice(0, 2 + i));
      assert.deepEqual(table?.problems, [`the record of logical partitions in sector ${record} cannot be read`]);
    }
  });
});

describe('Contents that look like a partition table:', () => {
  it('the backup of a GPT within a partition stays when an MBR is written around it', () => {
    const disk = PmemDisk.open(new LossyMemory(SIZE));
    const around: NewMbr = { label: 'mbr', partitions: [{}] };
    const [outer] = writePartitionTable(disk, around).partitions;
    assert.ok(outer !== undefined && outer.firstSector + outer.sectorCount === disk.sectorCount);
    const inner = writePartitionTable(openPartition(disk, outer), { ...GPT, alignment: 4096 });
    assert.deepEqual(inner.problems, []);
    writePartitionTable(disk, around);
    assert.deepEqual(readPartitionTable(openPartition(disk, outer)), inner);
  });

  it("the disk's own old GPT is wiped by a new MBR, and a damaged header stays, as it is no GPT", () => {
    const disk = PmemDisk.open(new LossyMemory(SIZE));
    writePartitionTable(disk, GPT);
    const sector = Buffer.alloc(512);
    disk.read(LAST, sector);
    sector.writeUInt8(Number(sector[60]) ^ 1, 60);
    disk.write(LAST, sector);
    writePartitionTable(disk, { label: 'mbr', partitions: [{}] }, { force: true });
    const found = Buffer.alloc(512);
    disk.read(LAST, found);
    assert.deepEqual(found, sector);
    disk.read(1, found);
    assert.ok(found.every((byte) => byte === 0));
  });

  /** A volume without partitions: a boot sector of FAT or NTFS, with code where a table would be. */
  function volume(change: (sector: Buffer) => void): LossyMemory {
    const memory = new LossyMemory(SIZE);
    const sector = Buffer.alloc(512);
    sector.set([0xeb, 0x58, 0x90]);
    sector.write('mkfs.fat', 3, 'latin1');
    sector.writeUInt16LE(0xaa55, 510);
    change(sector);
    memory.write(0, sector);
    return memory;
  }

  for (let i = 0; i < 4; i++) {
    it(`a volume with text in place of record ${i + 1} has no partitions`, () => {
      const memory = volume((sector) => {
        // Three records that would do, and one of text.
        for (let j = 0; j < 4; j++) sector.writeUInt8(0x83, 446 + 16 * j + 4);
        for (let j = 0; j < 4; j++) sector.writeUInt32LE(100 * (j + 1), 446 + 16 * j + 8);
        for (let j = 0; j < 4; j++) sector.writeUInt32LE(100, 446 + 16 * j + 12);
        sector.write('is missing\r\nPres', 446 + 16 * i, 'latin1');
      });
      assert.equal(readPartitionTable(PmemDisk.open(memory)), undefined);
    });
  }

  it('an MBR with any number of active partitions is a partition table', () => {
    const memory = volume((sector) => {
      for (let j = 0; j < 4; j++) {
        sector.writeUInt8(j < 2 ? 0x80 : 0, 446 + 16 * j);
        sector.writeUInt8(0x83, 446 + 16 * j + 4);
        sector.writeUInt32LE(100 * (j + 1), 446 + 16 * j + 8);
        sector.writeUInt32LE(100, 446 + 16 * j + 12);
      }
    });
    assert.equal(readPartitionTable(PmemDisk.open(memory))?.partitions.length, 4);
  });

  it('a protective MBR with an odd indicator still protects a GPT', () => {
    const memory = new LossyMemory(SIZE);
    writePartitionTable(PmemDisk.open(memory), GPT);
    memory.write(446, Buffer.from([1]));
    assert.equal(readPartitionTable(PmemDisk.open(memory))?.label, 'gpt');
  });
});

describe('readPartitionTable', () => {
  /** A disk with these records in its MBR, and others in its only extended boot record. */
  function disk(records: [type: number, start: number, count: number][], logical: [number, number][] = []): PmemDisk {
    const memory = new LossyMemory(SIZE);
    const store = (at: number, type: number, start: number, count: number) => {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt8(type, 4);
      bytes.writeUInt32LE(start, 8);
      bytes.writeUInt32LE(count, 12);
      memory.write(at, bytes);
    };
    for (const [i, record] of records.entries()) store(446 + 16 * i, ...record);
    memory.write(510, Buffer.from([0x55, 0xaa]));
    const extended = records.find(([type]) => type === 5);
    for (const [start, count] of logical) {
      store(Number(extended?.[1]) * 512 + 446, 0x83, start, count);
      memory.write(Number(extended?.[1]) * 512 + 510, Buffer.from([0x55, 0xaa]));
    }
    return PmemDisk.open(memory);
  }

  function problems(...args: Parameters<typeof disk>): readonly string[] | undefined {
    return readPartitionTable(disk(...args))?.problems;
  }

  it('finds that a large partition overlaps all that lie in it', () => {
    const found = problems([
      [0x83, 100, 1000],
      [0x83, 200, 10],
      [0x83, 500, 10],
      [0x83, 1100, 10],
    ]);
    assert.deepEqual(found, ['partitions 1 and 2 overlap', 'partitions 1 and 3 overlap']);
  });

  it('names a logical partition that reaches out of the extended one', () => {
    const extended: [number, number, number][] = [[5, 1000, 1000]];
    assert.deepEqual(problems(extended, [[10, 990]]), []);
    for (const logical of [[10, 991] as [number, number], [1500, 10] as [number, number]]) {
      assert.deepEqual(problems(extended, [logical]), ['partition 5 does not lie in the extended partition']);
    }
  });
});

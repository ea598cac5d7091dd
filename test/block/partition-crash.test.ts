/** Power cuts in the middle of writing a partition table, by every table that can be there before. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import {
  type NewGpt,
  type NewMbr,
  type PartitionTable,
  PmemDisk,
  readPartitionTable,
  writePartitionTable,
} from 'pmem/block';
import { exploreCrashes, SimulatedMemory } from 'pmem/testing';

const SIZE = 2 ** 19;

type SectorSize = 512 | 4096;

/** GUIDs that are the same on every run. */
function counted(): () => string {
  let count = 0;
  return () => `00000000-0000-4000-8000-${String(++count).padStart(12, '0')}`;
}

/** What is in force, told apart by names, places and types. */
function inForce(memory: Memory, sectorSize: SectorSize): string {
  let table: PartitionTable | undefined;
  try {
    table = readPartitionTable(PmemDisk.open(memory, { sectorSize }));
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
  if (table === undefined) return 'none';
  const places = table.partitions.map((one) =>
    JSON.stringify(one, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
  );
  return [table.label === 'gpt' ? table.guid : table.signature, ...places].join('\n');
}

function write(memory: Memory, table: NewGpt | NewMbr, sectorSize: SectorSize): void {
  const fixed = table.label === 'gpt' ? { ...table, randomGuid: counted() } : table;
  writePartitionTable(PmemDisk.open(memory, { sectorSize }), { alignment: 4096, ...fixed }, { force: true });
}

const OLD_GPT: NewGpt = {
  label: 'gpt',
  guid: 'A0000000-0000-4000-8000-00000000000A',
  partitions: Array(7).fill({ size: '32KiB', type: 'swap' }),
};

type Make = (memory: Memory, sectorSize: SectorSize) => void;

/** A GPT, one byte of which is changed afterwards. */
function damaged(at: (sectorSize: SectorSize) => number): Make {
  return (memory, sectorSize) => {
    write(memory, OLD_GPT, sectorSize);
    const byte = Buffer.alloc(1);
    memory.read(at(sectorSize), byte);
    memory.write(at(sectorSize), Buffer.from([Number(byte[0]) ^ 0xff]), 'persist');
  };
}

const BEFORE: Record<string, Make> = {
  nothing: () => {},
  'an MBR': (memory, sectorSize) =>
    write(memory, { label: 'mbr', signature: 5, partitions: [{ size: '64KiB' }, { type: 'swap' }] }, sectorSize),
  'an MBR with logical partitions': (memory, sectorSize) => {
    const partitions = [{ size: '64KiB' }, { size: '32KiB' }];
    const logical = [{ size: '32KiB', type: 'swap' }, { size: '16KiB' }, {}];
    write(memory, { label: 'mbr', signature: 6, partitions, logical }, sectorSize);
  },
  'an MBR with logical partitions where a GPT lies': (memory, sectorSize) => {
    const logical = [{ size: sectorSize }, { size: '300KiB' }, { size: sectorSize }, {}];
    write(memory, { label: 'mbr', signature: 7, partitions: [], logical, alignment: sectorSize }, sectorSize);
  },
  'a GPT': (memory, sectorSize) => write(memory, OLD_GPT, sectorSize),
  'a GPT, its primary header damaged': damaged((sectorSize) => sectorSize + 60),
  'a GPT, its primary entries damaged': damaged((sectorSize) => 2 * sectorSize + 60),
  'a GPT, its backup header damaged': damaged((sectorSize) => SIZE - sectorSize + 60),
  'a GPT, its backup entries damaged': damaged((sectorSize) => SIZE - sectorSize - 16384 + 60),
};

const AFTER: Record<string, NewGpt | NewMbr> = {
  'a GPT': {
    label: 'gpt',
    guid: 'B0000000-0000-4000-8000-00000000000B',
    partitions: [
      { size: '64KiB', type: 'efi' },
      { size: '64KiB', name: 'x' },
    ],
  },
  'an MBR': { label: 'mbr', signature: 8, partitions: [{ size: '48KiB', type: 'efi' }, { size: '16KiB' }] },
  'an MBR with logical partitions': {
    label: 'mbr',
    signature: 9,
    partitions: [{ size: '96KiB', type: 'efi' }],
    logical: [{ size: '16KiB' }, { size: '16KiB', type: 'lvm' }],
  },
};

/** Whatever a power cut leaves of the new table on top of the old one: one of both is in force, or none where there may be none. */
function explore(name: string, make: Make, table: NewGpt | NewMbr, sectorSize: SectorSize, lineOffset = 0): void {
  const memory = SimulatedMemory.create({ size: SIZE });
  make(memory, sectorSize);
  const before = inForce(memory, sectorSize);
  write(memory, table, sectorSize);
  const after = inForce(memory, sectorSize);
  assert.notEqual(before, after);
  // Between two GPTs there is never none.
  const isBetweenGpts = name.startsWith('a GPT') && table.label === 'gpt';
  const allowed = isBetweenGpts ? [before, after] : [before, after, 'none'];
  const { crashPoints } = exploreCrashes({
    size: SIZE,
    lineOffset,
    setup: (fresh) => make(fresh, sectorSize),
    workload: (fresh, crash) => crash.operation('write', () => write(fresh, table, sectorSize)),
    recover: (fresh) => inForce(fresh, sectorSize),
    check: (state, { finished }) => {
      assert.ok((finished.length > 0 ? [after] : allowed).includes(state), `in force: ${state}`);
    },
    budget: lineOffset === 0 ? 1000 : 150,
  });
  assert.ok(crashPoints > 0);
}

describe('writePartitionTable', () => {
  for (const sectorSize of [512, 4096] as const) {
    for (const [name, make] of Object.entries(BEFORE)) {
      for (const [other, table] of Object.entries(AFTER)) {
        it(`leaves the old table, the new one or none at a power cut, from ${name} to ${other}, sectors of ${sectorSize} bytes`, () =>
          explore(name, make, table, sectorSize));
      }
    }
  }

  // A slice can begin anywhere; nothing here relies on what shares a line, or a word.
  for (const lineOffset of [1, 6, 7, 40, 63]) {
    it(`leaves the old table, the new one or none at a power cut of memory that begins ${lineOffset} bytes into a cache line`, () => {
      for (const name of ['an MBR', 'an MBR with logical partitions', 'a GPT', 'a GPT, its primary header damaged']) {
        for (const table of Object.values(AFTER)) explore(name, BEFORE[name] as Make, table, 512, lineOffset);
      }
    });
  }
});

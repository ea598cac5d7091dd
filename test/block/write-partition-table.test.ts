import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Region } from 'pmem';
import { type NewGpt, type NewMbr, PmemDisk, readPartitionTable, writePartitionTable } from 'pmem/block';
import { codeOf, throwsCode } from '../support/errors.js';
import { LossyMemory } from '../support/lossy-memory.js';
import { newRegion } from '../support/regions.js';
import { onTmpfs } from '../support/temp.js';
import { needsTool, succeedTool } from '../support/tools.js';

const MIB = 2 ** 20;

/** GUIDs that are the same on every run. */
function counted(): () => string {
  let count = 0;
  return () => `00000000-0000-4000-8000-${String(++count).padStart(12, '0')}`;
}

const GPT: NewGpt = {
  label: 'gpt',
  guid: 'a0000000-0000-4000-8000-00000000000a',
  randomGuid: counted(),
  partitions: [
    { size: '2MiB', type: 'efi', name: 'Bööt' },
    { size: '1MiB', type: 'swap', attributes: 2n ** 63n },
    { start: '8MiB', guid: 'B0000000-0000-4000-8000-00000000000B' },
  ],
};
const MBR: NewMbr = {
  label: 'mbr',
  signature: 0xcafe_f00d,
  partitions: [
    { size: '2MiB', bootable: true },
    { size: '1MiB', type: 'efi' },
  ],
  logical: [{ size: '1MiB' }, { size: '2MiB', type: 'swap' }, {}],
};

describe('writePartitionTable', () => {
  const file = onTmpfs();

  it('tells where no sector is free', () => {
    using region = newRegion(file('small'), '1MiB');
    const table: NewMbr = { label: 'mbr', partitions: [{ size: 4096 }] };
    throwsCode(() => writePartitionTable(PmemDisk.open(region), table), 'ERR_OUT_OF_RANGE', {
      message: /^partitions\[0\]\.size must be within the disk, which has no free sector from 2048 on; got 4096$/,
    });
  });

  describe('writes a table that other programs read:', () => {
    function written(table: NewGpt | NewMbr, size = '64MiB', sectorSize: 512 | 4096 = 512): string {
      const path = file('written');
      const region = newRegion(path, size, { sparse: true });
      writePartitionTable(PmemDisk.open(region, { sectorSize }), table);
      region.close();
      return path;
    }

    it('a GPT, which sgdisk and sfdisk accept', function () {
      needsTool(this, 'sgdisk', 'sfdisk');
      const path = written(GPT);
      assert.match(succeedTool('sgdisk', ['-v', path]), /^No problems found/m);
      assert.match(succeedTool('sfdisk', ['--verify', path]), /No errors detected/);
      const { partitiontable } = JSON.parse(succeedTool('sfdisk', ['-J', path])) as {
        partitiontable: { label: string; id: string; partitions: Record<string, unknown>[] };
      };
      assert.equal(partitiontable.label, 'gpt');
      assert.equal(partitiontable.id, 'A0000000-0000-4000-8000-00000000000A');
      assert.deepEqual(
        partitiontable.partitions.map(({ start, size, type, name, attrs }) => [start, size, type, name, attrs]),
        [
          [2048, 4096, 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B', 'Bööt', undefined],
          [6144, 2048, '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F', undefined, 'GUID:63'],
          [16384, 114655, '0FC63DAF-8483-4772-8E79-3D69D8477DE4', undefined, undefined],
        ],
      );
      assert.equal(partitiontable.partitions[2]?.['uuid'], 'B0000000-0000-4000-8000-00000000000B');
    });

    it('a GPT with 128 partitions, and one with none', function () {
      needsTool(this, 'sgdisk');
      const many: NewGpt = { label: 'gpt', partitions: Array(128).fill({ size: 4096 }), alignment: 4096 };
      assert.match(succeedTool('sgdisk', ['-v', written(many)]), /^No problems found/m);
      assert.match(succeedTool('sgdisk', ['-v', written({ label: 'gpt', partitions: [] })]), /^No problems found/m);
    });

    it('a GPT on a disk with more sectors than an MBR can count', function () {
      needsTool(this, 'sgdisk', 'sfdisk');
      const path = written({ label: 'gpt', partitions: [{}] }, '5TiB');
      assert.match(succeedTool('sgdisk', ['-v', path]), /^No problems found/m);
      assert.match(succeedTool('sfdisk', ['--verify', path]), /No errors detected/);
    });

    it('an MBR with logical partitions', function () {
      needsTool(this, 'sfdisk');
      const path = written(MBR);
      assert.match(succeedTool('sfdisk', ['--verify', path]), /No errors detected/);
      const dump = succeedTool('sfdisk', ['-d', path]);
      assert.match(dump, /label-id: 0xcafef00d/);
      const lines = [...dump.matchAll(/(\d+) : start= *(\d+), size= *(\d+), type=(\w+)(, bootable)?/g)];
      assert.deepEqual(
        lines.map(([, ...fields]) => fields),
        [
          ['1', '2048', '4096', '83', ', bootable'],
          ['2', '6144', '2048', 'ef', undefined],
          ['3', '8192', '122880', '5', undefined],
          ['5', '10240', '2048', '83', undefined],
          ['6', '14336', '4096', '82', undefined],
          ['7', '20480', '110592', '83', undefined],
        ],
      );
    });

    it('logical partitions that say where they begin', function () {
      needsTool(this, 'sfdisk');
      const table: NewMbr = {
        label: 'mbr',
        partitions: [{ size: '8MiB' }],
        logical: [{ start: '30MiB', size: '4MiB' }, { size: '1MiB' }, { start: '50MiB', size: '2MiB' }],
      };
      const { partitiontable } = JSON.parse(succeedTool('sfdisk', ['--json', written(table)])) as {
        partitiontable: { partitions: { node: string; start: number; size: number }[] };
      };
      assert.deepEqual(
        partitiontable.partitions.map(({ node, start, size }) => [Number(node.at(-1)), start / 2048, size / 2048]),
        [
          [1, 1, 8],
          [2, 29, 35],
          [5, 30, 4],
          [6, 35, 1],
          [7, 50, 2],
        ],
      );
    });

    it('a GPT and an MBR in sectors of 4096 bytes', function () {
      needsTool(this, 'fdisk');
      const gpt = succeedTool('fdisk', ['-b', '4096', '-l', written(GPT, '64MiB', 4096)]);
      assert.match(gpt, /1 +256 +767 +512 +2M EFI System\n/);
      const mbr = succeedTool('fdisk', ['-b', '4096', '-l', written(MBR, '64MiB', 4096)]);
      assert.match(mbr, /7 +2560 +16383 +13824 +54M 83 Linux\n/);
    });

    it('one kind over the other, of which nothing is left', function () {
      needsTool(this, 'sfdisk', 'sgdisk');
      const path = written(GPT);
      const region = Region.open(path, { assumePersistent: true });
      const disk = PmemDisk.open(region);
      assert.equal(writePartitionTable(disk, MBR, { force: true }).label, 'mbr');
      region.close();
      assert.match(succeedTool('sfdisk', ['--verify', path]), /No errors detected/);
      assert.match(succeedTool('sgdisk', ['-p', path]), /converting MBR to GPT format/);
    });
  });

  function newDisk(size = 16 * MIB, sectorSize: 512 | 4096 = 512): PmemDisk {
    return PmemDisk.open(new LossyMemory(size), { sectorSize });
  }

  it('returns the table that it wrote', () => {
    const disk = newDisk();
    const table = writePartitionTable(disk, GPT);
    assert.deepEqual(table, readPartitionTable(disk));
    assert.deepEqual(
      table.partitions.map(({ firstSector: start, sectorCount: count }) => [start, count]),
      [
        [2048, 4096],
        [6144, 2048],
        [16384, 16351],
      ],
    );
  });

  it('takes places in sectors, and numbers of partitions', () => {
    const gpt = writePartitionTable(newDisk(), {
      label: 'gpt',
      partitions: [
        { number: 3, firstSector: 100, sectorCount: 7 },
        { size: '1MiB' },
        { number: 128, start: '8MiB', sectorCount: 1 },
      ],
    });
    assert.deepEqual(
      gpt.partitions.map(({ number, firstSector, sectorCount }) => [number, firstSector, sectorCount]),
      [
        [3, 100, 7],
        [4, 2048, 2048],
        [128, 16384, 1],
      ],
    );
  });

  it('writes a table that was read, with the same partitions at the same places', () => {
    const attributed: NewGpt = { ...GPT, partitions: GPT.partitions.map((one, i) => ({ ...one, number: 2 * i + 1 })) };
    const placed: NewMbr = {
      label: 'mbr',
      partitions: [
        { number: 2, size: '1MiB', bootable: true },
        { number: 4, start: '12MiB', type: '0c' },
      ],
      logical: [
        { firstSector: 6000, sectorCount: 100 },
        { firstSector: 6101, sectorCount: 99 },
        { firstSector: 9000, sectorCount: 999 },
      ],
    };
    for (const table of [GPT, attributed, MBR, placed]) {
      const read = writePartitionTable(newDisk(), table);
      assert.deepEqual(read.problems, []);
      assert.deepEqual(writePartitionTable(newDisk(), read), read);
    }
  });

  it('keeps the boot code of sector 0', () => {
    const disk = newDisk();
    disk.write(0, Buffer.alloc(512, 0x90));
    writePartitionTable(disk, MBR, { force: true });
    writePartitionTable(disk, GPT, { force: true });
    const sector = Buffer.alloc(512);
    disk.read(0, sector);
    assert.ok(sector.subarray(0, 440).every((byte) => byte === 0x90));
  });

  const refused: [table: unknown, code: string][] = [
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_VALUE'],
    [{ label: 'bsd', partitions: [] }, 'ERR_INVALID_ARG_VALUE'],
    ...(['gpt', 'mbr'] as const).flatMap((label): [unknown, string][] => [
      [{ label }, 'ERR_INVALID_ARG_TYPE'],
      [{ label, partitions: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ label, partitions: [null] }, 'ERR_INVALID_ARG_TYPE'],
      [{ label, partitions: [null], problems: [] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, problems: [] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label: 'bsd', partitions: [], problems: [] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, partitions: [7] }, 'ERR_INVALID_ARG_TYPE'],
      [{ label, partitions: [], uuid: '' }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, partitions: [{ begin: 0 }] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, partitions: [{ size: 0 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ size: 100 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ size: -512 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ size: '16MiB' }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ size: '9MiB' }, { size: '9MiB' }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{}, {}] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ start: 0 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ start: 513 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ start: '16MiB' }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ start: '4MiB', size: '13MiB' }] }, 'ERR_OUT_OF_RANGE'],
      [
        {
          label,
          partitions: [
            { start: '4MiB', size: '2MiB' },
            { start: '5MiB', size: '2MiB' },
          ],
        },
        'ERR_OUT_OF_RANGE',
      ],
      [{ label, partitions: [{ start: '4MiB' }, { start: '4MiB' }] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, partitions: [{ type: 7 }] }, 'ERR_INVALID_ARG_TYPE'],
      [{ label, partitions: [{ type: 'beos' }] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, partitions: [{ type: 'toString' }] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, partitions: [{ firstSector: '64' }] }, 'ERR_INVALID_ARG_TYPE'],
      [{ label, partitions: [{ firstSector: 0 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ firstSector: 64.5 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ firstSector: 32768 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ sectorCount: -1 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ sectorCount: 0 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ sectorCount: 32768 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ start: '1MiB', firstSector: 2048 }] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, partitions: [{ size: '1MiB', sectorCount: 2048 }] }, 'ERR_INVALID_ARG_VALUE'],
      [{ label, partitions: [{ number: '1' }] }, 'ERR_INVALID_ARG_TYPE'],
      [{ label, partitions: [{ number: 0 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ number: 129 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [{ number: 2, size: 512 }, { number: 2 }] }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [], alignment: 0 }, 'ERR_OUT_OF_RANGE'],
      [{ label, partitions: [], alignment: 100 }, 'ERR_OUT_OF_RANGE'],
    ]),
    [{ label: 'gpt', partitions: Array(129).fill({ size: 512 }), alignment: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'gpt', partitions: [], guid: 'x' }, 'ERR_INVALID_ARG_VALUE'],
    [{ label: 'gpt', partitions: [], randomGuid: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ label: 'gpt', partitions: [], randomGuid: () => 'x' }, 'ERR_INVALID_ARG_VALUE'],
    [{ label: 'gpt', partitions: [{ guid: 'x' }] }, 'ERR_INVALID_ARG_VALUE'],
    [{ label: 'gpt', partitions: [{ name: 7 }] }, 'ERR_INVALID_ARG_TYPE'],
    [{ label: 'gpt', partitions: [{ name: 'x'.repeat(37) }] }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'gpt', partitions: [{ name: 'a\0b' }] }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'gpt', partitions: [{ attributes: 7 }] }, 'ERR_INVALID_ARG_TYPE'],
    [{ label: 'gpt', partitions: [{ attributes: -1n }] }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'gpt', partitions: [{ type: '00000000-0000-0000-0000-000000000000' }] }, 'ERR_INVALID_ARG_VALUE'],
    [{ label: 'gpt', partitions: [{ bootable: true }] }, 'ERR_INVALID_ARG_VALUE'],
    [{ label: 'mbr', partitions: Array(5).fill({ size: 512 }), alignment: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'mbr', partitions: Array(4).fill({ size: 512 }), logical: [{}], alignment: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'mbr', partitions: [], logical: Array(57).fill({ size: 512 }), alignment: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'mbr', partitions: [], logical: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ label: 'mbr', partitions: [{}], logical: [{}] }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'mbr', partitions: [], logical: [{ start: 0 }] }, 'ERR_OUT_OF_RANGE'],
    [
      {
        label: 'mbr',
        partitions: [],
        logical: [
          { start: '8MiB', size: '1MiB' },
          { start: '4MiB', size: '1MiB' },
        ],
      },
      'ERR_INVALID_ARG_VALUE',
    ],
    [{ label: 'mbr', partitions: [{ number: 5 }] }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'mbr', partitions: [], logical: [{ number: 5 }] }, 'ERR_INVALID_ARG_VALUE'],
    [
      { label: 'mbr', partitions: [{ start: '4MiB', size: '1MiB' }], logical: [{ start: '3MiB', size: '2MiB' }] },
      'ERR_INVALID_ARG_VALUE',
    ],
    [
      { label: 'mbr', partitions: [{ start: '4MiB', size: '1MiB' }], logical: [{ start: '5MiB', size: '2MiB' }] },
      'ERR_INVALID_ARG_VALUE',
    ],
    [{ label: 'mbr', partitions: [], signature: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ label: 'mbr', partitions: [], signature: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ label: 'mbr', partitions: [{ bootable: 1 }] }, 'ERR_INVALID_ARG_TYPE'],
    [{ label: 'mbr', partitions: [{ name: 'x' }] }, 'ERR_INVALID_ARG_VALUE'],
    ...['00', '05', '0f', '85', 'ee', '0xEE', '100', ''].map((type): [unknown, string] => [
      { label: 'mbr', partitions: [{ type }] },
      'ERR_INVALID_ARG_VALUE',
    ]),
  ];
  it('refuses a table that makes no sense, and stores nothing', () => {
    const memory = new LossyMemory(16 * MIB);
    const disk = PmemDisk.open(memory);
    for (const [table, code] of refused) {
      memory.calls.length = 0;
      assert.equal(
        codeOf(() => writePartitionTable(disk, table as never)),
        code,
        inspect(table),
      );
      assert.deepEqual(
        memory.calls.filter((call) => call.startsWith('write')),
        [],
      );
    }
  });

  it('refuses a disk that is too small or read-only, and a value that is no disk', () => {
    throwsCode(() => writePartitionTable(newDisk(67 * 512), { label: 'gpt', partitions: [] }), 'ERR_OUT_OF_RANGE');
    writePartitionTable(newDisk(69 * 512), { label: 'gpt', partitions: [{}], alignment: 512 });
    const readOnly = PmemDisk.open(new LossyMemory(16 * MIB), { readOnly: true });
    throwsCode(() => writePartitionTable(readOnly, GPT), 'ERR_PMEM_READ_ONLY');
    throwsCode(() => writePartitionTable(readOnly, MBR), 'ERR_PMEM_READ_ONLY');
    throwsCode(() => writePartitionTable({} as never, GPT), 'ERR_INVALID_ARG_TYPE');
  });

  describe('without force', () => {
    const two: NewGpt = { label: 'gpt', partitions: [{ size: '2MiB' }, { size: '2MiB' }] };
    const mbr: NewMbr = { label: 'mbr', partitions: [{ size: '2MiB' }], logical: [{ size: '1MiB' }, { size: '1MiB' }] };

    /** It is refused, and nothing is stored. */
    function refuses(memory: LossyMemory, table: NewGpt | NewMbr, message: RegExp, disk = PmemDisk.open(memory)): void {
      memory.calls.length = 0;
      throwsCode(() => writePartitionTable(disk, table), 'ERR_PMEM_IN_USE', { message });
      assert.deepEqual(
        memory.calls.filter((call) => /^(write|fill|store)/.test(call)),
        [],
      );
    }

    it('writes to a disk of ones', () => {
      const memory = new LossyMemory(4 * MIB);
      memory.fill(0, 4 * MIB, 0xff);
      assert.equal(writePartitionTable(PmemDisk.open(memory), { label: 'gpt', partitions: [] }).label, 'gpt');
    });

    it('refuses a byte of data in the first or the last MiB, and ignores data between them', () => {
      for (const empty of [
        { label: 'gpt', partitions: [] },
        { label: 'mbr', partitions: [] },
      ] as const) {
        for (const at of [0, MIB - 1, 3 * MIB, 4 * MIB - 1]) {
          const memory = new LossyMemory(4 * MIB);
          memory.write(at, Buffer.from([1]));
          refuses(memory, empty, /the disk holds data; force destroys it/);
          assert.equal(writePartitionTable(PmemDisk.open(memory), empty, { force: true }).label, empty.label);
        }
        const between = new LossyMemory(4 * MIB);
        between.write(2 * MIB, Buffer.from([1]));
        assert.equal(writePartitionTable(PmemDisk.open(between), empty).label, empty.label);
      }
    });

    for (const table of [two, mbr]) {
      it(`keeps the partitions of an old ${table.label}, or refuses and names the partition that would be lost`, () => {
        const memory = new LossyMemory(16 * MIB);
        const disk = PmemDisk.open(memory);
        const old = writePartitionTable(disk, table);
        // Data in the partitions, and in the disk's last MiB.
        for (const { firstSector } of old.partitions) {
          if (firstSector % 2048 === 0) memory.write(firstSector * 512 + 1080, Buffer.from([0x53, 0xef]));
        }
        assert.deepEqual(writePartitionTable(disk, old), old);
        const [first, ...others] = old.partitions;
        assert(first !== undefined);
        const without = { ...old, partitions: others } as typeof old;
        refuses(memory, without as never, /with partition 1 \(sectors 2048 to 6143\), which the new one does not have/);
        const shorter = { ...first, sectorCount: first.sectorCount - 1 };
        refuses(memory, { ...old, partitions: [shorter, ...others] } as never, /with partition 1 /);
        const moved = { ...first, firstSector: first.firstSector + 1, sectorCount: first.sectorCount - 1 };
        refuses(memory, { ...old, partitions: [moved, ...others] } as never, /with partition 1 /);
        const other = table.label === 'gpt' ? 'mbr' : 'gpt';
        refuses(memory, { label: other, partitions: [] }, table.label === 'gpt' ? /holds a GPT/ : /holds an MBR/);
        assert.equal(writePartitionTable(disk, without, { force: true }).partitions.length, old.partitions.length - 1);
      });
    }

    it('adds, grows and names partitions', () => {
      const disk = newDisk();
      const table = writePartitionTable(disk, two);
      assert(table.label === 'gpt');
      const [first, second] = table.partitions;
      assert(first !== undefined && second !== undefined);
      const longer = { ...second, sectorCount: 2 * second.sectorCount, name: 'longer' };
      const places = [first, longer].map(({ typeName: _, ...one }) => one);
      const partitions = [...places, { size: '1MiB' }];
      const changed = writePartitionTable(disk, { label: 'gpt', guid: table.guid, partitions });
      assert.equal(changed.partitions.length, 3);
      assert.equal(changed.partitions[1]?.sectorCount, longer.sectorCount);
    });

    it('refuses to replace a GPT of which neither copy is whole', () => {
      const memory = new LossyMemory(4 * MIB);
      writePartitionTable(PmemDisk.open(memory), { label: 'gpt', partitions: [{}] });
      for (const at of [512 + 60, 4 * MIB - 512 + 60]) memory.write(at, Buffer.from([1, 2, 3]));
      refuses(memory, { label: 'gpt', partitions: [{}] }, /the disk holds a GPT; force/);
    });

    it('refuses to replace a table that has a partition past the end of the disk', () => {
      const memory = new LossyMemory(4 * MIB);
      const old = writePartitionTable(PmemDisk.open(memory), { label: 'mbr', partitions: [{ size: '1MiB' }, {}] });
      // The second one reaches past the disk's end.
      memory.write(446 + 16 + 12, Buffer.from([0xff, 0xff, 0xff, 0]));
      const disk = PmemDisk.open(memory);
      const { partitions } = readPartitionTable(disk) ?? { partitions: [] };
      assert.equal(partitions.length, 1);
      refuses(memory, { ...old, partitions } as never, /with partition 2, which the new one does not have/);
    });
  });

  it('makes random GUIDs and signatures by default', () => {
    const plain: NewGpt = { label: 'gpt', partitions: [{ size: '1MiB' }, { size: '1MiB' }] };
    const guids = [newDisk(), newDisk()].flatMap((disk) => {
      const table = writePartitionTable(disk, plain);
      assert(table.label === 'gpt');
      return [table.guid, ...table.partitions.map(({ guid }) => guid)];
    });
    assert.equal(new Set(guids).size, 6);
  });
});

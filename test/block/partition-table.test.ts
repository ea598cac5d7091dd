import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { openPartition, type PartitionTable, PmemDisk, readPartitionTable, writePartitionTable } from 'pmem/block';
import { throwsCode } from '../support/errors.js';
import { edit, editHeader, IMAGES, IMAGES_4096, makeCrowdedGpt, makeImage } from '../support/images.js';
import { LossyMemory } from '../support/lossy-memory.js';
import { Random } from '../support/random.js';
import { onTmpfs } from '../support/temp.js';
import { needsTool, succeedTool } from '../support/tools.js';

const GUID = '11111111-2222-3333-4444-555555555555';

function places(table: PartitionTable | undefined): [number, number, number][] {
  return (table?.partitions ?? []).map(({ number, firstSector: start, sectorCount: count }) => [number, start, count]);
}

describe('readPartitionTable', () => {
  const file = onTmpfs();

  /** Makes an image, and reads its table. */
  function read(make: ((path: string) => void) | undefined, sectorSize: 512 | 4096 = 512): PartitionTable | undefined {
    const path = file('image');
    assert(make !== undefined);
    make(path);
    const region = Region.open(path, { readOnly: true });
    try {
      return readPartitionTable(PmemDisk.open(region, { sectorSize }));
    } finally {
      region.close();
    }
  }

  it('returns undefined where there is no table', () => {
    for (const name of ['no table', 'one sector', 'a GPT without an MBR']) assert.equal(read(IMAGES[name]), undefined);
  });

  it('reads an MBR', () => {
    assert.deepEqual(read(IMAGES['an MBR']), {
      label: 'mbr',
      signature: 1,
      partitions: [
        {
          number: 1,
          firstSector: 2048,
          sectorCount: 20480,
          type: '83',
          typeName: 'Linux',
          kind: 'primary',
          bootable: true,
        },
        {
          number: 2,
          firstSector: 22528,
          sectorCount: 10240,
          type: '0c',
          typeName: 'W95 FAT32 (LBA)',
          kind: 'primary',
          bootable: false,
        },
      ],
      problems: [],
    });
  });

  it('reads logical partitions', () => {
    const table = read(IMAGES['logical partitions']);
    assert.deepEqual(places(table), [
      [1, 2048, 2048],
      [2, 4096, 2048],
      [3, 6144, 2048],
      [4, 8192, 100000],
      [5, 10240, 5000],
      [6, 18432, 6000],
      [7, 26624, 7000],
    ]);
    assert.deepEqual(table?.problems, []);
  });

  it('ends at a loop in the chain of logical partitions, and past the end of the disk', () => {
    const loop = read(IMAGES['logical partitions in a loop']);
    assert.deepEqual(places(loop).slice(4), [
      [5, 10240, 5000],
      [6, 18432, 6000],
      [7, 26624, 7000],
    ]);
    assert.match(String(loop?.problems), /comes back to sector 16384/);
    const own = read(IMAGES['logical partitions that lead to themselves']);
    assert.deepEqual(places(own).slice(4), [[5, 10240, 5000]]);
    const far = read(IMAGES['logical partitions that lead past the end']);
    assert.match(String(far?.problems), /leads to sector 2147491839, past the disk's end/);
  });

  it('leaves out partitions that do not lie on the disk', () => {
    const table = read(IMAGES['an MBR whose partition lies past the end']);
    assert.deepEqual(table?.partitions, []);
    assert.deepEqual(table?.problems, ['partition 1 does not lie on the disk']);
  });

  it('reads a GPT', () => {
    const table = read(IMAGES['a GPT']);
    assert(table?.label === 'gpt');
    assert.deepEqual([table.guid, table.copy, table.firstUsable, table.problems], [GUID, 'primary', 2048, []]);
    assert.deepEqual(places(table), [
      [1, 2048, 20480],
      [2, 22528, 10240],
      [3, 32768, 4000],
    ]);
    const [root, efi, swap] = table.partitions;
    assert.equal(root?.name, 'root fs');
    assert.deepEqual([root?.typeName, efi?.typeName, swap?.typeName], ['Linux filesystem', 'EFI System', 'Linux swap']);
    assert.match(String(root?.guid), /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/);
  });

  it('reads the backup where the primary copy is damaged, and names that as a problem', () => {
    const whole = places(read(IMAGES['a GPT']));
    for (const part of ['header', 'entries']) {
      const primary = read(IMAGES[`a GPT, its primary ${part} damaged`]);
      assert(primary?.label === 'gpt');
      assert.deepEqual([primary.copy, places(primary)], ['backup', whole]);
      assert.deepEqual(primary.problems, ['the primary copy is damaged or missing']);
      const backup = read(IMAGES[`a GPT, its backup ${part} damaged`]);
      assert(backup?.label === 'gpt');
      assert.deepEqual([backup.copy, places(backup)], ['primary', whole]);
      assert.deepEqual(backup.problems, ['the backup copy is damaged or missing']);
    }
  });

  it('names as a problem that the backup is not at the end', () => {
    assert.deepEqual(read(IMAGES['a GPT on a disk that grew'])?.problems, [
      "the backup copy is not in the disk's last sector",
    ]);
  });

  for (const name of [
    'a protective MBR alone',
    'a GPT, both headers damaged',
    'a GPT, both entries damaged',
    'a GPT on a disk that shrank',
  ]) {
    it(`refuses ${name} rather than read it as free or as an MBR`, () => {
      throwsCode(() => read(IMAGES[name]), 'ERR_PMEM_PARTITION_TABLE', { name: 'PmemError' });
    });
  }

  it('refuses a GPT of another sector size, and names the way out', () => {
    throwsCode(() => read(IMAGES['a GPT'], 4096), 'ERR_PMEM_PARTITION_TABLE', { message: /sector size is not 4096/ });
  });

  for (const [name, make] of Object.entries(IMAGES)) {
    it(`reads ${name}, or throws a coded error`, () => {
      try {
        const table = read(make);
        for (const { firstSector: start, sectorCount: count } of table?.partitions ?? [])
          assert.ok(start > 0 && count > 0);
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ERR_PMEM_PARTITION_TABLE', (error as Error).stack);
      }
    });
  }

  it('leaves out partitions outside of the usable sectors', () => {
    for (const name of ['ends before it begins', 'is endless']) {
      const table = read(IMAGES[`a GPT whose partition ${name}`]);
      assert.deepEqual(places(table), [
        [2, 22528, 10240],
        [3, 32768, 4000],
      ]);
      assert.deepEqual(table?.problems.slice(-1), ['partition 1 does not lie in the usable sectors']);
    }
  });

  it('reads sectors of 4096 bytes', () => {
    assert.deepEqual(places(read(IMAGES_4096['an MBR'], 4096)), [[1, 256, 2048]]);
    assert.deepEqual(places(read(IMAGES_4096['a GPT'], 4096)), [
      [1, 256, 2048],
      [2, 2304, 1024],
    ]);
    assert.deepEqual(
      places(read(IMAGES_4096['logical partitions'], 4096)).map(([number]) => number),
      [1, 2, 5, 6],
    );
  });

  it('reads the backup where the primary copy lies on bad sectors', () => {
    const path = file('bad');
    IMAGES['a GPT']?.(path);
    const region = Region.open(path, { readOnly: true });
    const table = readPartitionTable(PmemDisk.open(region, { badBlocks: [{ start: 5, count: 1 }] }));
    assert(table?.label === 'gpt');
    assert.equal(table.copy, 'backup');
    throwsCode(() => readPartitionTable(PmemDisk.open(region, { badBlocks: [{ start: 0, count: 1 }] })), 'EIO');
    region.close();
  });

  it('reads a GPT of 131,072 partitions, which writePartitionTable refuses, as it writes 128 at most', () => {
    const path = file('crowded');
    makeCrowdedGpt(path, 131_072);
    using region = Region.open(path, { assumePersistent: true });
    const disk = PmemDisk.open(region);
    const table = readPartitionTable(disk);
    assert(table?.label === 'gpt');
    assert.equal(table.partitions.length, 131_072);
    assert.deepEqual(table.problems, []);
    throwsCode(() => writePartitionTable(disk, table), 'ERR_OUT_OF_RANGE', { message: /at most 128/ });
  });

  it('returns partitions that openPartition opens as devices of their own', () => {
    const path = file('open');
    IMAGES['a GPT']?.(path);
    const region = Region.open(path, { assumePersistent: true });
    const disk = PmemDisk.open(region);
    const table = readPartitionTable(disk);
    const [, efi] = table?.partitions ?? [];
    assert(efi !== undefined);
    const device = openPartition(disk, efi);
    assert.deepEqual([device.sectorCount, device.start], [10240, 22528]);
    device.write(10239, Buffer.alloc(512, 9), { fua: true });
    const sector = Buffer.alloc(512);
    disk.read(32767, sector);
    assert.ok(sector.every((byte) => byte === 9));
    throwsCode(() => device.write(10240, sector), 'ERR_OUT_OF_RANGE');
    region.close();
  });

  it('agrees with sfdisk on random tables', function () {
    needsTool(this, 'sfdisk');
    const random = new Random(2024);
    for (let round = 0; round < 8; round++) {
      const label = random.pick(['gpt', 'dos']);
      const lines = [`label: ${label}`];
      let at = 2048;
      for (let i = 0; i < 1 + random.below(4); i++) {
        const [gap, size] = [random.below(4000), 1 + random.below(9000)];
        lines.push(`start=${at + gap},size=${size}`);
        at += gap + size;
      }
      const path = file('random');
      makeImage(path, 2 ** 26);
      succeedTool('sfdisk', ['-q', path], `${lines.join('\n')}\n`);
      const dump = succeedTool('sfdisk', ['-d', path]);
      const theirs = [...dump.matchAll(/(\d+) : start= *(\d+), size= *(\d+)/g)].map((one) => one.slice(1).map(Number));
      const region = Region.open(path, { readOnly: true });
      assert.deepEqual(places(readPartitionTable(PmemDisk.open(region))), theirs, lines.join('; '));
      region.close();
    }
  });

  it('survives 3,000 mutations of tables', () => {
    const seed = 77;
    const random = new Random(seed);
    const originals = ['logical partitions', 'a GPT'].map((name) => {
      const path = file('mutant');
      IMAGES[name]?.(path);
      const region = Region.open(path, { readOnly: true });
      const bytes = Buffer.from(region.view(0, 16384 * 512));
      region.close();
      return bytes;
    });
    const interesting = [0, 1, 5, 0x7f, 0x80, 0xee, 0xff];
    for (let i = 0; i < 3000; i++) {
      const bytes = Buffer.from(random.pick(originals).subarray(0, 1 << 20));
      for (let j = 0; j <= random.below(6); j++) {
        const at = random.pick([446, 446, 512, 512, 1024, 510]) + random.below(random.pick([2, 64, 128]));
        bytes[at] = random.pick([...interesting, random.below(256)]);
      }
      try {
        const table = readPartitionTable(PmemDisk.open(new LossyMemory(bytes)));
        for (const { firstSector: start, sectorCount: count } of table?.partitions ?? [])
          assert.ok(start > 0 && start + count <= 2048);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        assert.equal(code, 'ERR_PMEM_PARTITION_TABLE', `mutation ${i} of seed ${seed}: ${(error as Error).stack}`);
      }
    }
  });

  it('does not trust a header with a right checksum and too large an array', () => {
    const path = file('greedy');
    IMAGES['a GPT']?.(path);
    for (const [offset, value] of [
      [80, 0xffff_ffff],
      [84, 0xffff_ffff],
      [84, 0],
      [84, 127],
      [80, 0],
    ] as const) {
      editHeader(path, 512, (header) => {
        header.writeUInt32LE(128, 80);
        header.writeUInt32LE(128, 84);
        header.writeUInt32LE(value, offset);
      });
      const region = Region.open(path, { readOnly: true });
      const table = readPartitionTable(PmemDisk.open(region));
      assert(table?.label === 'gpt');
      assert.equal(table.copy, 'backup');
      region.close();
    }
    edit(path, 64 * 2 ** 20 - 512, 8, (bytes) => bytes.fill(0));
    const region = Region.open(path, { readOnly: true });
    throwsCode(() => readPartitionTable(PmemDisk.open(region)), 'ERR_PMEM_PARTITION_TABLE');
    region.close();
  });

  for (const wrong of [undefined, null, 7, {}, 'disk']) {
    it(`refuses ${String(wrong)} as a device`, () => {
      throwsCode(() => readPartitionTable(wrong as never), 'ERR_INVALID_ARG_TYPE', { name: 'TypeError' });
      throwsCode(() => openPartition(wrong as never, { firstSector: 1, sectorCount: 1 }), 'ERR_INVALID_ARG_TYPE');
    });
  }
});

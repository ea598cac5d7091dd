import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { PmemDisk, readPartitionTable, writePartitionTable } from 'pmem/block';
import { openDisk } from '#dist/cli/disk.js';
import { alignmentOf, listedPartitions } from '#dist/cli/partitions.js';
import { codeOf } from '../support/errors.js';
import { edit, IMAGES, makeImage } from '../support/images.js';
import { onTmpfs } from '../support/temp.js';
import { pmem } from './run.js';

const MIB = 2 ** 20;

describe('pmem partitions', () => {
  const file = onTmpfs();

  function image(size = 64 * MIB): string {
    const path = file('disk1');
    makeImage(path, size);
    return path;
  }

  /** A disk with a table of ours, and an XFS superblock in its first partition. */
  function written(table: Parameters<typeof writePartitionTable>[1]): string {
    const path = image();
    using region = Region.open(path, { assumePersistent: true });
    const { partitions } = writePartitionTable(PmemDisk.open(region), table);
    region.write((partitions[0]?.firstSector ?? 0) * 512, Buffer.from('XFSB'), 'persist');
    return path;
  }

  const gpt = () =>
    written({
      label: 'gpt',
      guid: '11111111-2222-3333-4444-555555555555',
      partitions: [
        { size: '8MiB', start: '2MiB', name: 'log' },
        { size: '4MiB', start: '11MiB' },
      ],
    });

  it('shows alignment, contents and names of a GPT', async () => {
    const path = gpt();
    const { code, stdout, stderr } = await pmem(['partitions', path]);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    const [head, label, , heading, ...rows] = stdout.trimEnd().split('\n');
    assert.equal(head, `${path}: 64 MiB, 131072 sectors of 512 bytes`);
    assert.equal(label, '  GPT, 11111111-2222-3333-4444-555555555555');
    assert.match(heading ?? '', /^DEVICE +START +SECTORS +SIZE +ALIGN +TYPE +CONTENTS +NAME +MOUNTED ON$/);
    assert.match(rows[0] ?? '', / 4096 +16384 +8 MiB +2 MiB +Linux filesystem +XFS file system +log +-$/);
    assert.match(rows[1] ?? '', / 22528 +8192 +4 MiB +1 MiB +Linux filesystem +- +- +-$/);
    assert.ok(rows[0]?.startsWith(`${path}p1 `));
    assert.equal(rows.length, 2);
  });

  it('prints a GPT as JSON, with the same names for every partition', async () => {
    const path = gpt();
    const { code, stdout } = await pmem(['partitions', path, '--json']);
    assert.equal(code, 0);
    const { partitions, ...disk } = JSON.parse(stdout);
    assert.deepEqual(
      [disk.path, disk.label, disk.guid, disk.copy, disk.size, disk.sectorSize, disk.problems, disk.contents],
      [path, 'gpt', '11111111-2222-3333-4444-555555555555', 'primary', 64 * MIB, 512, [], null],
    );
    const [first, second] = partitions;
    assert.match(first.guid, /^[0-9A-F-]{36}$/);
    assert.deepEqual(
      { ...first, guid: '' },
      {
        number: 1,
        device: `${path}p1`,
        firstSector: 4096,
        sectorCount: 16384,
        offset: 2 * MIB,
        size: 8 * MIB,
        alignment: 2 * MIB,
        type: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
        typeName: 'Linux filesystem',
        kind: null,
        bootable: null,
        guid: '',
        name: 'log',
        attributes: '0x0000000000000000',
        contents: 'an XFS file system',
        mountPoints: [],
      },
    );
    assert.deepEqual(Object.keys(second), Object.keys(first));
  });

  it('shows the kinds of partitions of an MBR', async () => {
    const path = written({
      label: 'mbr',
      partitions: [{ size: '8MiB', bootable: true }],
      logical: [{ size: '4MiB' }, { size: '4MiB' }],
    });
    const { code, stdout } = await pmem(['partitions', path]);
    assert.equal(code, 0);
    assert.match(stdout, /^ {2}MBR, signature 0x[0-9a-f]{8}$/m);
    assert.match(stdout, /XFS file system +primary, bootable +-$/m);
    assert.match(stdout, / +extended +-$/m);
    assert.equal(stdout.match(/ +logical +-$/gm)?.length, 2);
  });

  it('shows the problems of a damaged table below it', async () => {
    const path = gpt();
    edit(path, 64 * MIB - 512, 512, (bytes) => bytes.fill(0));
    const { code, stdout } = await pmem(['partitions', path]);
    assert.equal(code, 0);
    assert.match(stdout, /\nProblems:\n {2}the backup copy is damaged/);
    assert.equal(JSON.parse((await pmem(['partitions', path, '--json'])).stdout).problems.length, 1);
  });

  it('reads a GPT from its backup, and says so', async () => {
    const path = gpt();
    edit(path, 512, 512, (bytes) => bytes.fill(0));
    const { code, stdout } = await pmem(['partitions', path]);
    assert.equal(code, 0);
    assert.match(stdout, /GPT, \S+, read from its backup\n/);
  });

  it('fails where both copies of a GPT are damaged', async () => {
    const path = gpt();
    for (const at of [512, 64 * MIB - 512]) edit(path, at, 512, (bytes) => bytes.fill(0));
    const { code, stdout, stderr } = await pmem(['partitions', path]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^pmem: ERR_PMEM_PARTITION_TABLE: /);
  });

  it('says what a disk without a table holds', async () => {
    const path = image();
    assert.match((await pmem(['partitions', path])).stdout, /\n {2}no partition table; blank\n$/);
    edit(path, 0, 4, (bytes) => bytes.write('XFSB', 'latin1'));
    const { code, stdout } = await pmem(['partitions', path]);
    assert.equal(code, 0);
    assert.match(stdout, /\n {2}no partition table; holds an XFS file system\n$/);
    const { label, contents, partitions } = JSON.parse((await pmem(['partitions', path, '--json'])).stdout);
    assert.deepEqual([label, contents, partitions], [null, 'an XFS file system', []]);
  });

  it('shows an empty table', async () => {
    const { stdout } = await pmem(['partitions', written({ label: 'gpt', partitions: [] })]);
    assert.match(stdout, /\n\nNo partitions\.\n$/);
  });

  it('lists the partitions of every image that the library reads', () => {
    for (const [name, make] of Object.entries(IMAGES)) {
      const path = file('image');
      make(path);
      using opened = openDisk(path, undefined);
      if (codeOf(() => readPartitionTable(opened.disk)) === 'ERR_PMEM_PARTITION_TABLE') continue;
      const table = readPartitionTable(opened.disk);
      if (table === undefined) continue;
      const listed = listedPartitions(path, table, 512, opened.region, () => ['/mnt']);
      assert.equal(listed.length, table.partitions.length, name);
      for (const { offset, size, mountPoints } of listed) {
        assert.ok(offset >= 0 && size > 0 && offset + size <= opened.disk.size, name);
        assert.deepEqual(mountPoints, ['/mnt']);
      }
    }
  });

  it('fails on a missing file, a directory, and a file without a sector', async () => {
    for (const [path, message] of [
      [file('missing'), /ENOENT: there is no '.*missing'\. Name an existing file or device/],
      ['/tmp', /EISDIR/],
      [image(100), /EINVAL: .* has no sectors of 512 bytes/],
    ] as const) {
      const { code, stderr } = await pmem(['partitions', path]);
      assert.equal(code, 1);
      assert.match(stderr, message);
    }
    const { code, stderr } = await pmem(['partitions', image(), '-b', '520']);
    assert.equal(code, 2);
    assert.match(stderr, /--sector-size must be 512 or 4096; got '520'/);
  });
});

describe('alignmentOf', () => {
  it('is the greatest power of two that divides an offset, up to 1 GiB', () => {
    for (const [offset, alignment] of [
      [0, 2 ** 30],
      [512, 512],
      [MIB, MIB],
      [3 * MIB, MIB],
      [6 * MIB, 2 * MIB],
      [2 ** 40 + 512, 512],
      [2 ** 40, 2 ** 30],
    ] as const) {
      assert.equal(alignmentOf(offset), alignment);
    }
  });
});

/** Partition tables of ours are read by the kernel, sfdisk and sgdisk, and theirs by us; what we put into a partition mounts. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Region } from 'pmem';
import { openPartition, type PartitionTable, PmemDisk, readPartitionTable, writePartitionTable } from 'pmem/block';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const MIB = 2 ** 20;

interface Extent {
  readonly number: number;
  readonly start: number;
  readonly count: number;
}

function run(command: string, args: readonly string[], input?: string): string {
  return execFileSync(command, args, { encoding: 'utf8', input: input ?? '', stdio: ['pipe', 'pipe', 'pipe'] });
}

const device = () => place('raw').path;
const node = (number: number) => `${device()}p${number}`;

/** Runs with the device as a disk of ours; what was stored is on the device afterwards. */
function withDisk<T>(work: (disk: PmemDisk) => T): T {
  using region = Region.open(device());
  using disk = PmemDisk.open(region);
  const result = work(disk);
  disk.flush();
  return result;
}

/** The partitions that the kernel finds when it looks anew, in sectors of 512 bytes. */
function byKernel(): Extent[] {
  run('blockdev', ['--rereadpt', device()]);
  const attribute = (number: number, name: string) =>
    Number(readFileSync(`/sys/class/block/${basename(node(number))}/${name}`, 'utf8'));
  const numbers = Array.from({ length: 16 }, (_, i) => i + 1);
  return numbers
    .filter((number) => existsSync(`/sys/class/block/${basename(node(number))}`))
    .map((number) => ({ number, start: attribute(number, 'start'), count: attribute(number, 'size') }));
}

interface Sfdisk {
  readonly partitiontable: {
    readonly label: string;
    readonly partitions: readonly { readonly node: string; readonly start: number; readonly size: number }[];
  };
}

function bySfdisk(): { label: string; partitions: Extent[] } {
  const { label, partitions } = (JSON.parse(run('sfdisk', ['--json', device()])) as Sfdisk).partitiontable;
  const number = (path: string) => Number(/p(\d+)$/.exec(path)?.[1]);
  return {
    label,
    partitions: partitions.map(({ node: path, start, size }) => ({ number: number(path), start, count: size })),
  };
}

function byUs(): PartitionTable {
  const table = withDisk(readPartitionTable);
  assert(table !== undefined, 'no partition table was found');
  return table;
}

function extents({ partitions }: PartitionTable): Extent[] {
  return partitions.map(({ number, firstSector: start, sectorCount: count }) => ({ number, start, count }));
}

/** The kernel shows of an extended partition only where it begins. */
function withoutExtended(table: PartitionTable): Extent[] {
  if (table.label === 'gpt') return extents(table);
  return extents({ ...table, partitions: table.partitions.filter(({ kind }) => kind !== 'extended') });
}

function assertKernelAgrees(): void {
  const ours = withoutExtended(byUs());
  const numbers = new Set(ours.map(({ number }) => number));
  assert.deepEqual(
    byKernel().filter(({ number }) => numbers.has(number)),
    ours,
  );
}

describe('A partition table', () => {
  after(() => {
    run('sgdisk', ['--zap-all', device()]);
    run('blockdev', ['--rereadpt', device()]);
  });

  it('of type GPT that we wrote is read by the kernel, sfdisk and sgdisk', () => {
    withDisk((disk) =>
      writePartitionTable(
        disk,
        {
          label: 'gpt',
          partitions: [{ size: '16MiB', name: 'first' }, { size: '8MiB', type: 'swap' }, { start: '40MiB' }],
        },
        { force: true },
      ),
    );
    assertKernelAgrees();
    assert.equal(byKernel().length, 3);
    assert.deepEqual(bySfdisk(), { label: 'gpt', partitions: extents(byUs()) });
    assert.match(run('sgdisk', ['--verify', device()]), /No problems found/);
  });

  it('of type MBR that we wrote, with logical partitions, is read by the kernel and sfdisk', () => {
    withDisk((disk) =>
      writePartitionTable(
        disk,
        {
          label: 'mbr',
          partitions: [
            { size: '16MiB', bootable: true },
            { size: '8MiB', type: 'swap' },
          ],
          logical: [{ size: '4MiB' }, {}],
        },
        { force: true },
      ),
    );
    assertKernelAgrees();
    assert.deepEqual(
      byKernel().map(({ number }) => number),
      [1, 2, 3, 5, 6],
    );
    assert.deepEqual(bySfdisk(), { label: 'dos', partitions: extents(byUs()) });
  });

  it('that sfdisk or sgdisk wrote is read by us as by the kernel', () => {
    run(
      'sfdisk',
      ['--quiet', '--wipe', 'always', device()],
      'label: gpt\nsize=8MiB\nsize=4MiB, name="second"\nsize=+\n',
    );
    assertKernelAgrees();
    assert.equal(byUs().label, 'gpt');
    run('sfdisk', ['--quiet', '--wipe', 'always', device()], 'label: dos\nsize=8MiB\ntype=5\nsize=4MiB\nsize=+\n');
    assertKernelAgrees();
    assert.deepEqual(bySfdisk(), { label: 'dos', partitions: extents(byUs()) });
    run('sgdisk', ['--zap-all', device()]);
    run('sgdisk', ['--new=2:4M:+8M', '--new=1:20M:0', device()]);
    assertKernelAgrees();
    assert.deepEqual(bySfdisk().partitions, extents(byUs()));
  });

  it('has a partition through which we write a file system that the kernel mounts', () => {
    const home = mkdtempSync(join(tmpdir(), 'partition-'));
    const contents = join(home, 'contents');
    const image = join(home, 'image');
    const mounted = join(home, 'mounted');
    for (const directory of [contents, mounted]) mkdirSync(directory);
    const text = 'written by user space, read by the kernel\n'.repeat(1000);
    writeFileSync(join(contents, 'file'), text);
    run('mkfs.ext4', ['-q', '-F', '-b', '4096', '-d', contents, image, '16M']);
    withDisk((disk) => {
      writePartitionTable(disk, { label: 'gpt', partitions: [{ size: '8MiB' }, { size: '16MiB' }] }, { force: true });
      const second = readPartitionTable(disk)?.partitions[1];
      assert(second !== undefined);
      using partition = openPartition(disk, second);
      const bytes = readFileSync(image);
      for (let at = 0; at < bytes.length; at += MIB) partition.write(at / 512, bytes.subarray(at, at + MIB));
      partition.flush();
    });
    assert.equal(byKernel().length, 2);
    run('e2fsck', ['-fn', node(2)]);
    run('mount', ['-o', 'ro', node(2), mounted]);
    try {
      assert.equal(readFileSync(join(mounted, 'file'), 'utf8'), text);
    } finally {
      run('umount', [mounted]);
      rmSync(home, { recursive: true, force: true });
    }
  });
});

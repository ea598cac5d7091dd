/** `pmem partitions PATH`: the partition table as this library reads it. */

import { basename, join } from 'node:path';
import { type PartitionTable, readPartitionTable } from '../block/partitions/partition-table.js';
import { mountPoints } from '../linux/blockdev/mounts.js';
import { HOST } from '../linux/host.js';
import { mountTable } from '../linux/mounts.js';
import { contentsOf, type ReadableBytes, signaturesOn } from '../memory/contents.js';
import type { Region } from '../memory/region/region.js';
import { formatSize } from '../units.js';
import type { Arguments } from './arguments.js';
import type { Command } from './command.js';
import { type OpenedDisk, openDisk, partitionName, SECTOR_SIZES } from './disk.js';
import { JSON_OBJECT, SECTOR_SIZE } from './options.js';
import { print, printJson } from './terminal/output.js';
import { colours, indented } from './terminal/style.js';
import { type Column, printTable } from './terminal/table.js';

const UNKNOWN = '-';

/** A mapping has pages of 4 KiB, 2 MiB or 1 GiB: a partition that begins at none of them cannot be mapped with the size. */
const LARGEST_PAGE = 2 ** 30;

/** A partition, as scripts get it. Offsets and sizes are bytes. */
export interface Listed {
  readonly number: number;
  readonly device: string;
  readonly firstSector: number;
  readonly sectorCount: number;
  readonly offset: number;
  readonly size: number;
  /** The greatest power of two, up to 1 GiB, that divides the offset: the largest page by which it can be mapped. */
  readonly alignment: number;
  readonly type: string;
  readonly typeName: string | undefined;
  /** MBR. */
  readonly kind: string | undefined;
  readonly bootable: boolean | undefined;
  /** GPT. */
  readonly guid: string | undefined;
  readonly name: string | undefined;
  /** GPT: hexadecimal, because JSON has no 64-bit numbers. */
  readonly attributes: string | undefined;
  /** The format whose mark is there: `an XFS file system`. Undefined if none is known, and for an extended partition. */
  readonly contents: string | undefined;
  readonly mountPoints: readonly string[];
}

/** A window of what can be read. */
function part(bytes: ReadableBytes, begin: number, size: number): ReadableBytes {
  return { size, read: (offset, target) => bytes.read(begin + offset, target) };
}

/** The greatest power of two, up to 1 GiB, that divides the offset. */
export function alignmentOf(offset: number): number {
  let alignment = LARGEST_PAGE;
  while (offset % alignment !== 0) alignment /= 2;
  return alignment;
}

/** The partitions of a table that was read from the bytes. */
export function listedPartitions(
  path: string,
  { partitions }: PartitionTable,
  sectorSize: number,
  bytes: ReadableBytes,
  mountedOn: (number: number) => string[],
): Listed[] {
  return partitions.map((one) => {
    const { number, firstSector, sectorCount, type, typeName } = one;
    const [offset, size] = [firstSector * sectorSize, sectorCount * sectorSize];
    const mbr = 'kind' in one ? one : undefined;
    const gpt = 'guid' in one ? one : undefined;
    const [found] = mbr?.kind === 'extended' ? [] : signaturesOn(part(bytes, offset, size));
    return {
      number,
      device: partitionName(path, number),
      firstSector,
      sectorCount,
      offset,
      size,
      alignment: alignmentOf(offset),
      type,
      typeName,
      kind: mbr?.kind,
      bootable: mbr?.bootable,
      guid: gpt?.guid,
      name: gpt?.name,
      attributes: gpt && `0x${gpt.attributes.toString(16).padStart(16, '0')}`,
      contents: found?.signature.what,
      mountPoints: mountedOn(number),
    };
  });
}

const COLUMNS: readonly Column[] = [
  { heading: 'DEVICE' },
  { heading: 'START', right: true },
  { heading: 'SECTORS', right: true },
  { heading: 'SIZE', right: true },
  { heading: 'ALIGN', right: true },
  { heading: 'TYPE' },
  { heading: 'CONTENTS' },
];
const NAME: Column = { heading: 'NAME' };
const KIND: Column = { heading: 'KIND' };
const MOUNTS: Column = { heading: 'MOUNTED ON' };

function row(one: Listed): string[] {
  const { device, firstSector, sectorCount, size, alignment, type, typeName, contents, kind, bootable, name } = one;
  const mounts = one.mountPoints.length === 0 ? UNKNOWN : one.mountPoints.join(', ');
  const last = kind === undefined ? name || UNKNOWN : `${kind}${bootable === true ? ', bootable' : ''}`;
  const sizes = [String(firstSector), String(sectorCount), formatSize(size), formatSize(alignment)];
  return [device, ...sizes, typeName ?? type, contents?.replace(/^an? /, '') ?? UNKNOWN, last, mounts];
}

function tableInWords(table: PartitionTable): string {
  if (table.label === 'mbr') return `MBR, signature 0x${table.signature.toString(16).padStart(8, '0')}`;
  return `GPT, ${table.guid}${table.copy === 'backup' ? ', read from its backup' : ''}`;
}

/** Mount points by the number of a partition; none for a file. */
function mountsOn({ kind, device }: Region): (number: number) => string[] {
  if (kind !== 'block' || device === undefined) return () => [];
  const mounts = mountTable(HOST);
  return (number) => mountPoints(join(device, partitionName(basename(device), number)), mounts);
}

function inWords(path: string, { disk, region }: OpenedDisk, table: PartitionTable | undefined): void {
  const { bold, bad } = colours();
  const { sectorCount, sectorSize } = disk;
  print(`${bold(path)}: ${formatSize(disk.size)}, ${sectorCount} sectors of ${sectorSize} bytes`);
  if (table === undefined) {
    const contents = contentsOf(region);
    print(indented(`no partition table; ${contents === undefined ? 'blank' : `holds ${contents}`}`, 2));
    return;
  }
  print(indented(tableInWords(table), 2));
  const listed = listedPartitions(path, table, sectorSize, region, mountsOn(region));
  print();
  if (listed.length === 0) print('No partitions.');
  else printTable([...COLUMNS, table.label === 'gpt' ? NAME : KIND, MOUNTS], listed.map(row));
  if (table.problems.length === 0) return;
  print();
  print(bad('Problems:'));
  for (const problem of table.problems) print(indented(problem, 2));
}

function run(args: Arguments): number {
  const { path } = args;
  using opened = openDisk(path, args.choice('sector-size', SECTOR_SIZES));
  const { disk, region } = opened;
  const table = readPartitionTable(disk);
  if (!args.has('json')) {
    inWords(path, opened, table);
    return 0;
  }
  const { size, sectorSize, sectorCount } = disk;
  printJson({
    path,
    size,
    sectorSize,
    sectorCount,
    ...(table ?? { label: undefined }),
    partitions: table === undefined ? [] : listedPartitions(path, table, sectorSize, region, mountsOn(region)),
    problems: table?.problems ?? [],
    contents: table === undefined ? contentsOf(region) : undefined,
  });
  return 0;
}

export const partitions: Command = {
  description: [
    'Shows the MBR or GPT on PATH, a block device or a disk image, with what fdisk -l leaves out: the alignment that decides the size of pages (2 MiB, 1 GiB) when a partition is mapped, what each partition holds and where it is mounted, its name, and everything that is wrong with the table. Changes nothing. A disk without a table is no failure.',
    'START and SECTORS count sectors. writePartitionTable writes tables, from programs.',
  ],
  options: { 'sector-size': SECTOR_SIZE, json: JSON_OBJECT },
  examples: ['pmem partitions /dev/pmem0', 'pmem partitions disk.img --json'],
  alsoFails: 'a GPT of which both copies are damaged',
  run,
};

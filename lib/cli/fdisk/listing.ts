/** What `fdisk -l` prints for a disk. */

import { printable } from '../../printable.js';
import { printableCell } from './cells.js';
import { type Column, columns } from './columns.js';
import type { ListedDisk } from './disk.js';
import { type Label, type Row, readLabel } from './label.js';
import { type OtherLabel, readOtherLabel } from './other-labels.js';
import { longSize, shortSize } from './sizes.js';

/** Text for both streams, printable. */
export interface Listing {
  readonly stdout: string;
  readonly stderr: string;
}

const DEVICE: Column = { heading: 'Device', usual: 10 };
const NUMBERS: readonly Column[] = ['Start', 'End', 'Sectors', 'Size'].map((heading) => ({
  heading,
  right: true,
  usual: 5,
}));
const TYPE: Column = { heading: 'Type' };
const DOS_COLUMNS: readonly Column[] = [DEVICE, { heading: 'Boot' }, ...NUMBERS, { heading: 'Id', right: true }, TYPE];
const GPT_COLUMNS: readonly Column[] = [DEVICE, ...NUMBERS, TYPE];

/** The name of a disk's partition: `sda1`, `pmem0p1`. */
export function partitionName(path: string, number: number): string {
  if (/^\/dev\/disk\/by-(id|path|uuid|partuuid)\//.test(path)) return `${path}-part${number}`;
  return `${path}${/\d$/.test(path) ? 'p' : ''}${number}`;
}

function cells(path: string, label: Label, row: Row, sectorSize: number): string[] {
  const { number, active, first, count, id, type } = row;
  const name = printableCell(partitionName(path, number));
  const numbers = [first, first + (count > 0n ? count - 1n : 0n), count].map(String);
  // What is nonsense wraps around, as it does in C.
  const size = shortSize(BigInt.asUintN(64, count * BigInt(sectorSize)));
  if (label.kind === 'gpt') return [name, ...numbers, size, type];
  return [name, active ? '*' : '', ...numbers, size, id, type];
}

function isOutOfOrder(rows: readonly Row[]): boolean {
  return rows.some(({ first }, i) => i > 0 && first < (rows[i - 1] as Row).first);
}

function head(path: string, { disk, topology }: ListedDisk, other: OtherLabel | undefined): string[] {
  const { sectorCount, sectorSize } = disk;
  const { logical, physical, leastIo, bestIo, model } = topology;
  const bytes = BigInt(sectorCount) * BigInt(sectorSize);
  return [
    `Disk ${path}: ${longSize(bytes)}, ${bytes} bytes, ${sectorCount} sectors`,
    ...(model === undefined || model === '' ? [] : [`Disk model: ${model}`]),
    ...(other === undefined ? [] : [geometry(other)]),
    `Units: sectors of 1 * ${logical} = ${logical} bytes`,
    `Sector size (logical/physical): ${logical} bytes / ${physical} bytes`,
    `I/O size (minimum/optimal): ${leastIo} bytes / ${bestIo} bytes`,
  ];
}

function table(path: string, label: Label, sectorSize: number): string[] {
  const { kind, rows, identifier } = label;
  const lines = [`Disklabel type: ${kind}`, `Disk identifier: ${identifier}`];
  if (rows.length === 0) return lines;
  const heads = kind === 'gpt' ? GPT_COLUMNS : DOS_COLUMNS;
  return [
    ...lines,
    '',
    ...columns(
      heads,
      rows.map((row) => cells(path, label, row, sectorSize)),
    ),
  ];
}

/** Partitions that begin within a physical sector, which is slow; one line for each. */
function misaligned({ rows }: Label, { topology }: ListedDisk): string[] {
  const unit = BigInt(topology.physical / topology.logical);
  if (unit <= 1n) return [];
  return rows
    .filter(({ first }) => first % unit !== 0n)
    .map(({ number }) => `Partition ${number} does not start on physical sector boundary.`);
}

function geometry({ geometry: { heads, sectors, cylinders } }: OtherLabel): string {
  return `Geometry: ${heads} heads, ${sectors} sectors/track, ${cylinders} cylinders`;
}

/** Lists one disk; what it remarks while it reads comes first. */
export function listing(path: string, listed: ListedDisk): Listing {
  const { label, remarks } = readLabel(listed.disk);
  const other = label === undefined ? readOtherLabel(listed.disk) : undefined;
  const informations = remarks.filter(({ isWarning }) => !isWarning).map(({ text }) => text);
  let stdout = [...informations, ...head(path, listed, other)];
  let stderr = remarks.filter(({ isWarning }) => isWarning).map(({ text }) => text);
  if (other !== undefined) {
    stdout.push(`Disklabel type: ${other.kind}`);
    if (other.partitions > 0)
      stderr.push(`Partitions of a ${other.kind} label are not listed here; fdisk of util-linux does.`);
  }
  if (label !== undefined) {
    stdout = [...stdout, ...table(path, label, listed.disk.sectorSize)];
    const slow = misaligned(label, listed);
    const unordered = isOutOfOrder(label.rows);
    if (slow.length > 0 || unordered) stdout.push('');
    stderr = [...stderr, ...slow];
    if (unordered) stdout.push('Partition table entries are not in disk order.');
  }
  const text = (lines: string[]) => lines.map((line) => `${printable(line)}\n`).join('');
  return { stdout: text(stdout), stderr: text(stderr) };
}

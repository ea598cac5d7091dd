/** What `fdisk -l` prints for a disk. */

import { printable } from '../../printable.js';
import { type OpenedDisk, partitionName } from '../disk.js';
import { type Column, table as columns } from '../terminal/table.js';
import { printableCell } from './cells.js';
import { type Label, type Row, readLabel } from './label.js';
import { longSize, shortSize } from './sizes.js';

/** Printable text for both streams. */
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

function cells(path: string, label: Label, row: Row, sectorSize: number): string[] {
  const { number, active, first, count, id, type } = row;
  const name = printableCell(partitionName(path, number));
  const numbers = [first, first + (count > 0n ? count - 1n : 0n), count].map(String);
  // A nonsensical size wraps around, as it does in C.
  const size = shortSize(BigInt.asUintN(64, count * BigInt(sectorSize)));
  if (label.kind === 'gpt') return [name, ...numbers, size, type];
  return [name, active ? '*' : '', ...numbers, size, id, type];
}

function isOutOfOrder(rows: readonly Row[]): boolean {
  return rows.some(({ first }, i) => i > 0 && first < (rows[i - 1] as Row).first);
}

function head(path: string, { disk, topology }: OpenedDisk): string[] {
  const { sectorCount, sectorSize } = disk;
  const { logical, physical, leastIo, bestIo, model } = topology;
  const bytes = BigInt(sectorCount) * BigInt(sectorSize);
  return [
    `Disk ${path}: ${longSize(bytes)}, ${bytes} bytes, ${sectorCount} sectors`,
    ...(model === undefined || model === '' ? [] : [`Disk model: ${model}`]),
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
      1,
    ),
  ];
}

/** Partitions that begin within a physical sector, which is slow: a line for each. */
function misaligned({ rows }: Label, { topology }: OpenedDisk): string[] {
  const unit = BigInt(topology.physical / topology.logical);
  if (unit <= 1n) return [];
  return rows
    .filter(({ first }) => first % unit !== 0n)
    .map(({ number }) => `Partition ${number} does not start on physical sector boundary.`);
}

/** Lists one disk. Remarks made while reading come first. */
export function listing(path: string, listed: OpenedDisk): Listing {
  const { label, remarks } = readLabel(listed.disk);
  const informations = remarks.filter(({ isWarning }) => !isWarning).map(({ text }) => text);
  let stdout = [...informations, ...head(path, listed)];
  let stderr = remarks.filter(({ isWarning }) => isWarning).map(({ text }) => text);
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

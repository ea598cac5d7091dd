/** Partition tables: reads, writes and opens the parts of a disk. */

import { PmemError, wrongType, wrongValue } from '../../errors.js';
import { booleanOption, ownOptions, readOptions } from '../../options.js';
import { type BlockDevice, checkDevice } from '../block-device.js';
import { inputOutput, isInputOutput, readOnlyError } from '../block-errors.js';
import { NO_GUID } from '../guid.js';
import { SubDisk } from '../sub-disk.js';
import { type RawGpt, readGpt, readProtectiveMbr } from './gpt.js';
import type { GptEntry } from './gpt-format.js';
import { gptTypeName } from './gpt-types.js';
import { type NewGpt, writeGpt } from './gpt-write.js';
import type { Extent } from './layout.js';
import { type MbrEntry, type MbrNote, type RawMbr, readMbr } from './mbr.js';
import { isActive } from './mbr-format.js';
import { mbrTypeName } from './mbr-types.js';
import { type NewMbr, writeMbr } from './mbr-write.js';
import { refuseReplacing } from './old-contents.js';

/** A partition, in sectors of the disk: from `firstSector` to `firstSector + sectorCount - 1`. */
export interface Partition {
  /** As Linux numbers partitions: 1 of `/dev/pmem0p1`. */
  readonly number: number;
  readonly firstSector: number;
  readonly sectorCount: number;
  /** GPT: an upper-case GUID; MBR: two hexadecimal digits. */
  readonly type: string;
  /** The name of the type in util-linux; undefined where it has none. */
  readonly typeName: string | undefined;
}

export interface MbrPartition extends Partition {
  readonly kind: 'primary' | 'extended' | 'logical';
  readonly bootable: boolean;
}

export interface GptPartition extends Partition {
  readonly guid: string;
  readonly name: string;
  readonly attributes: bigint;
}

/** An MBR. `partitions` are the records that have a type and lie on the disk. */
export interface MbrTable {
  readonly label: 'mbr';
  readonly signature: number;
  readonly partitions: readonly MbrPartition[];
  /** What is wrong with the table, a sentence each. */
  readonly problems: readonly string[];
}

/** A GPT. `partitions` are the entries that have a type and lie in the usable sectors. */
export interface GptTable {
  readonly label: 'gpt';
  readonly guid: string;
  /** The copy that was read: the primary copy, unless it is damaged. */
  readonly copy: 'primary' | 'backup';
  readonly firstUsable: number;
  readonly lastUsable: number;
  readonly partitions: readonly GptPartition[];
  /** What is wrong with the table, a sentence each. */
  readonly problems: readonly string[];
}

export type PartitionTable = MbrTable | GptTable;

/**
 * Names overlaps, which hybrid tables have on purpose. Each partition that begins within others is named once, with the one of
 * them that reaches farthest. (Extended partitions, which hold the logical ones, are no overlap.)
 */
function overlaps(partitions: readonly Partition[]): string[] {
  const order = [...partitions].sort((a, b) => a.firstSector - b.firstSector);
  const endOf = ({ firstSector, sectorCount }: Partition) => firstSector + sectorCount;
  const found: string[] = [];
  let farthest: Partition | undefined;
  for (const one of order) {
    if (farthest !== undefined && endOf(farthest) > one.firstSector) {
      found.push(`partitions ${farthest.number} and ${one.number} overlap`);
    }
    if (farthest === undefined || endOf(one) > endOf(farthest)) farthest = one;
  }
  return found;
}

function gptPartition(entry: GptEntry): GptPartition {
  const { number, first, last, type, guid, name, attributes } = entry;
  const firstSector = Number(first);
  const sectorCount = Number(last) - firstSector + 1;
  return { number, firstSector, sectorCount, type, typeName: gptTypeName(type), guid, name, attributes };
}

function gptTable(raw: RawGpt): GptTable {
  const { header, copy } = raw;
  const problems: string[] = [];
  if (raw.isOtherDamaged) problems.push(`the ${copy === 'primary' ? 'backup' : 'primary'} copy is damaged or missing`);
  if (raw.isBackupMisplaced) problems.push("the backup copy is not in the disk's last sector");
  const used = raw.entries.filter(({ type }) => type !== NO_GUID);
  const isInside = ({ first, last }: GptEntry) =>
    first <= last && first >= header.firstUsable && last <= header.lastUsable;
  for (const { number } of used.filter((one) => !isInside(one))) {
    problems.push(`partition ${number} does not lie in the usable sectors`);
  }
  const partitions = used.filter(isInside).map(gptPartition);
  return {
    label: 'gpt',
    guid: header.guid,
    copy,
    firstUsable: Number(header.firstUsable),
    lastUsable: Number(header.lastUsable),
    partitions,
    problems: [...problems, ...overlaps(partitions)],
  };
}

function problemOf(note: MbrNote): string {
  switch (note.kind) {
    case 'second-extended':
      return `partition ${note.number} is a second extended one, whose logical partitions do not count`;
    case 'bad-extended':
      return 'the extended partition begins at sector 0';
    case 'outside':
      return `the chain of logical partitions leads to sector ${note.lba}, past the disk's end`;
    case 'unreadable':
      return `the record of logical partitions in sector ${note.lba} cannot be read`;
    case 'loop':
      return `the chain of logical partitions comes back to sector ${note.lba}`;
    case 'too-many':
      return `partitions after number ${note.number} do not count`;
    case 'extra-link':
      return `the record of partition ${note.number} has more than one link`;
    case 'extra-data':
      return `the record of partition ${note.number} has more than one partition`;
    case 'empty-logical':
      return `logical partition ${note.number} is empty, and left out`;
    case 'bad-magic':
      return `the record of partition ${note.number} does not end in 55 AA`;
  }
}

function mbrPartition(entry: MbrEntry): MbrPartition {
  const { number, start, count, type, kind } = entry;
  const id = type.toString(16).padStart(2, '0');
  const place = { number, firstSector: start, sectorCount: count };
  return { ...place, type: id, typeName: mbrTypeName(type), kind, bootable: isActive(entry) };
}

function mbrTable({ signature, entries, notes }: RawMbr, sectorCount: number): MbrTable {
  const problems = notes.map(problemOf);
  const used = entries.filter(({ type }) => type !== 0);
  const isOnDisk = ({ start, count }: MbrEntry) => count > 0 && start > 0 && start + count <= sectorCount;
  for (const { number } of used.filter((one) => !isOnDisk(one))) {
    problems.push(`partition ${number} does not lie on the disk`);
  }
  const partitions = used.filter(isOnDisk).map(mbrPartition);
  const apart = partitions.filter(({ kind }) => kind !== 'logical');
  const logical = partitions.filter(({ kind }) => kind === 'logical');
  // Of several extended partitions the first one has the chain.
  const extended = entries.find(({ kind }) => kind === 'extended');
  for (const { number, firstSector: start, sectorCount: count } of logical) {
    if (extended === undefined || start < extended.start || start + count > extended.start + extended.count) {
      problems.push(`partition ${number} does not lie in the extended partition`);
    }
  }
  return { label: 'mbr', signature, partitions, problems: [...problems, ...overlaps(apart), ...overlaps(logical)] };
}

/**
 * Reads the partition table: a GPT if an MBR protects it, from its backup if the primary copy is damaged; else an MBR; undefined if
 * there is neither, as on a disk with one file system on all of it. Damage that leaves the table readable is in `problems`.
 *
 * @throws PmemError `ERR_PMEM_PARTITION_TABLE` where the MBR says that there is a GPT and both of its copies are damaged: read as an
 *   MBR, the disk would look full or free. `EIO` where sector 0 cannot be read.
 */
export function readPartitionTable(device: BlockDevice): PartitionTable | undefined {
  checkDevice(device);
  if (readProtectiveMbr(device) !== undefined) {
    const gpt = readGpt(device);
    if (gpt !== undefined) return gptTable(gpt);
    throw new PmemError(
      'ERR_PMEM_PARTITION_TABLE',
      `the MBR says that there is a GPT, but neither its copy from sector 1 on nor the one at the disk's end is whole. ` +
        `If the sector size is not ${device.sectorSize}, open the disk with the right one; else restore a copy, or write a new table with force: true`,
    );
  }
  const mbr = readMbr(device);
  return mbr === undefined ? undefined : mbrTable(mbr, device.sectorCount);
}

interface OldTable {
  readonly table: PartitionTable;
  /** Numbers of its partitions that it does not list. */
  readonly unlisted: readonly number[];
}

/** The table that will be replaced; undefined where there is none, or it cannot be read. */
function oldTable(device: BlockDevice): OldTable | undefined {
  try {
    const table = readPartitionTable(device);
    if (table === undefined) return undefined;
    const raw =
      table.label === 'gpt'
        ? readGpt(device)?.entries.filter(({ type }) => type !== NO_GUID)
        : readMbr(device)?.entries.filter(({ type }) => type !== 0);
    const listed = new Set(table.partitions.map(({ number }) => number));
    return { table, unlisted: (raw ?? []).map(({ number }) => number).filter((number) => !listed.has(number)) };
  } catch (error) {
    if (isInputOutput(error) || (error as { code?: string }).code === 'ERR_PMEM_PARTITION_TABLE') return undefined;
    throw error;
  }
}

/** A partition as a block device of its own: a {@link SubDisk}, which ends with the disk. */
export function openPartition(device: BlockDevice, partition: Pick<Partition, 'firstSector' | 'sectorCount'>): SubDisk {
  checkDevice(device);
  if (typeof partition !== 'object' || partition === null) throw wrongType('partition', 'a Partition', partition);
  const { firstSector: start, sectorCount: count } = readOptions(
    partition,
    ['firstSector', 'sectorCount'],
    'partition',
  );
  return SubDisk.open(device, { start, count });
}

function wasRead(table: NewGpt | NewMbr | PartitionTable): table is PartitionTable {
  if (!Object.hasOwn(table, 'problems') || !Array.isArray(table.partitions)) return false;
  const areObjects = table.partitions.every((one) => typeof one === 'object' && one !== null);
  return areObjects && (table.label === 'gpt' || table.label === 'mbr');
}

/** A table that was read, as a new one: the same partitions, at the same places, with the same numbers. */
function asNew(table: PartitionTable): NewGpt | NewMbr {
  if (table.label === 'gpt') {
    const partitions = table.partitions.map(({ typeName: _, ...partition }) => partition);
    return { label: 'gpt', guid: table.guid, partitions };
  }
  const ofKind = (wanted: MbrPartition['kind']) => table.partitions.filter(({ kind }) => kind === wanted);
  const logical = ofKind('logical').map(({ kind: _, typeName: __, number: ___, ...partition }) => partition);
  const partitions = ofKind('primary').map(({ kind: _, typeName: __, ...partition }) => partition);
  return { label: 'mbr', signature: table.signature, partitions, logical };
}

/** Options of {@link writePartitionTable}. */
export interface WriteTableOptions {
  /** Write over any contents. Default false: `ERR_PMEM_IN_USE`. */
  readonly force?: boolean;
}

/**
 * Writes a new table; durable on return. Everything is checked before anything is stored. The partitions' contents stay.
 *
 * Without `force` it writes to a blank disk, whose first and last MiB are all 0x00 or all 0xFF, or replaces a table of the same
 * kind that can be read, if all its partitions keep their place and do not shrink. So adding, naming and growing partitions needs no
 * `force`; removing or shrinking one, changing from an MBR to a GPT, and a file system on the whole disk do.
 *
 * It also writes a table that {@link readPartitionTable} returned, here or on another disk with the same sector size: listed
 * partitions keep their place, number, type, name and GUID. The extended partition of an MBR is laid out anew
 * around the logical ones, which are numbered from 5 on in their order; an empty extended partition is left out.
 *
 * A power cut in the middle leaves the old table in force, or the new one, or none, never a mixture of both: see
 * `writeGpt` and `writeMbr` for the order of the stores. (Where an old partition covers the sectors of the new backup or of
 * the new logical partitions' records, its contents are overwritten before.)
 *
 * @throws TypeError and RangeError where the table makes no sense or does not fit; `EBUSY` where the kernel uses the disk; `ERR_PMEM_READ_ONLY` on a read-only device;
 *   `ERR_PMEM_IN_USE` without `force`, where the disk holds something that the table would be written over.
 */
export function writePartitionTable(
  device: BlockDevice,
  table: NewGpt | NewMbr | PartitionTable,
  options: WriteTableOptions = {},
): PartitionTable {
  checkDevice(device);
  const force = booleanOption(ownOptions(options, ['force']).force, 'force') ?? false;
  if (typeof table !== 'object' || table === null) throw wrongType('table', 'an object', table);
  const fresh = wasRead(table) ? asNew(table) : table;
  const refuse = (partitions: readonly Extent[]) => {
    if (device.readOnly) throw readOnlyError('writePartitionTable', 'the disk');
    device.refuseInUse();
    if (!force) refuseReplacing(device, oldTable(device), fresh.label, partitions);
  };
  if (fresh.label === 'gpt') writeGpt(device, fresh, refuse);
  else if (fresh.label === 'mbr') writeMbr(device, fresh, refuse);
  else throw wrongValue('table.label', "'gpt' or 'mbr'", (fresh as { label?: unknown }).label);
  const written = readPartitionTable(device);
  if (written === undefined) throw inputOutput('writePartitionTable', 'the table that was written cannot be read back');
  return written;
}

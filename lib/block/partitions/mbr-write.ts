/** Writes a fresh MBR, with its logical partitions. */

import { randomBytes } from 'node:crypto';
import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { greatest, least } from '../../numbers.js';
import { booleanOption, ownOptions } from '../../options.js';
import type { Size } from '../../units.js';
import type { BlockDevice } from '../block-device.js';
import { isInputOutput } from '../block-errors.js';
import { wholeHeader } from './gpt-format.js';
import { alignmentOf, alignUp, type Extent, type NewPartition, numbersOf, PLACE_OPTIONS, place } from './layout.js';
import {
  clearRecords,
  hasMagic,
  isExtended,
  PROTECTIVE,
  RECORDS,
  writeDiskSignature,
  writeMagic,
  writeRecord,
} from './mbr-format.js';
import { MBR_ALIASES, mbrTypeOf } from './mbr-types.js';

/** A partition of a new MBR. */
export interface NewMbrPartition extends NewPartition {
  /** From 1 to 4, ascending. Default: one more than the partition before it. Not for logical ones, which are numbered from 5 on. */
  readonly number?: number;
  /** Two hexadecimal digits, or `'linux'` (default), `'swap'`, `'efi'`, `'raid'`, `'lvm'`, `'fat32'`, `'ntfs'`. */
  readonly type?: string;
  /** Marked as bootable. Default false. */
  readonly bootable?: boolean;
}

/** A new MBR. */
export interface NewMbr {
  readonly label: 'mbr';
  /** At most 4; at most 3 beside logical ones. */
  readonly partitions: readonly NewMbrPartition[];
  /**
   * Logical partitions, numbered from 5 on. The extended partition around them reaches from the record before the first of them to
   * the next primary partition, or the end. They lie after all primary ones, unless each says where it begins.
   */
  readonly logical?: readonly NewMbrPartition[];
  /** The disk's signature, 32 bits. Default: random. */
  readonly signature?: number;
  /** Partitions are placed at multiples of this, in bytes: a multiple of the sector size. Default 1 MiB. */
  readonly alignment?: Size;
}

const KNOWN = ['label', 'partitions', 'logical', 'signature', 'alignment'] as const satisfies (keyof NewMbr)[];
const KNOWN_OF_PARTITION = [
  ...PLACE_OPTIONS,
  'number',
  'type',
  'bootable',
] as const satisfies (keyof NewMbrPartition)[];

const MOST_32 = 0xffff_ffff;
const MOST_LOGICAL = 56;
const EXTENDED = 0x05;

/** A partition, checked and placed. */
interface Planned extends Extent {
  readonly type: number;
  readonly active: boolean;
}

function typeOf(value: unknown, name: string): number {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  const type = mbrTypeOf(value);
  if (type === undefined || type === 0 || type === PROTECTIVE || isExtended(type)) {
    const limit = `two hexadecimal digits, but no extended or protective type, or one of ${MBR_ALIASES.join(', ')}`;
    throw wrongValue(name, limit, value);
  }
  return type;
}

function planned(wanted: readonly NewMbrPartition[], name: string, extents: readonly Extent[]): Planned[] {
  return wanted.map((one, i) => {
    return {
      ...(extents[i] as Extent),
      type: typeOf(one.type ?? 'linux', `${name}[${i}].type`),
      active: booleanOption(one.bootable, `${name}[${i}].bootable`) ?? false,
    };
  });
}

function signatureOf(value: unknown): number {
  if (value === undefined) return randomBytes(4).readUInt32LE();
  if (typeof value !== 'number') throw wrongType('signature', 'a number', value);
  if (!Number.isInteger(value) || value < 0 || value > MOST_32) {
    throw outOfRange('signature', 'an unsigned 32-bit integer', value);
  }
  return value;
}

/** Extended boot records, by their sectors. */
type BootRecords = readonly { readonly lba: number; readonly sector: Buffer }[];

/** Each record links to the next one. The first one's sector is the first of the extended partition. */
function bootRecords(logical: readonly Planned[], places: readonly number[], sectorSize: number): BootRecords {
  const origin = places[0] as number;
  return logical.map((one, i) => {
    const sector = Buffer.alloc(sectorSize);
    const lba = places[i] as number;
    writeRecord(sector, 0, { type: one.type, active: one.active, start: one.start - lba, count: one.count }, lba);
    const [next, at] = [logical[i + 1], places[i + 1]];
    if (next !== undefined && at !== undefined) {
      writeRecord(sector, 1, { type: EXTENDED, start: at - origin, count: next.start + next.count - at }, origin);
    }
    writeMagic(sector);
    return { lba, sector };
  });
}

interface Plan {
  readonly signature: number;
  /** The records of sector 0, by their numbers. */
  readonly primary: ReadonlyMap<number, Planned>;
  readonly records: BootRecords;
  /** The places of all partitions but the extended one. */
  readonly extents: readonly Extent[];
}

function listOf(value: readonly NewMbrPartition[], name: string, most: number): NewMbrPartition[] {
  if (!Array.isArray(value)) throw wrongType(name, 'an array', value);
  if (value.length > most) throw outOfRange(name, `at most ${most}`, value.length);
  return value.map((one: NewMbrPartition, i) => ownOptions(one, KNOWN_OF_PARTITION, `${name}[${i}]`));
}

function plan(device: BlockDevice, given: NewMbr): Plan {
  const table = ownOptions(given, KNOWN);
  const { sectorSize, sectorCount } = device;
  const logical = listOf(table.logical ?? [], 'logical', MOST_LOGICAL);
  const partitions = listOf(table.partitions, 'partitions', logical.length > 0 ? RECORDS - 1 : RECORDS);
  const signature = signatureOf(table.signature);
  const alignment = alignmentOf(table.alignment, sectorSize);
  // A record counts sectors in 32 bits.
  const space = { sectorSize, alignment, first: 1, end: Math.min(sectorCount, MOST_32) };
  const primary = planned(partitions, 'partitions', place(partitions, 'partitions', space));
  const numbers = numbersOf(partitions, 'partitions', RECORDS);
  const numbered = new Map(primary.map((one, i) => [numbers[i] as number, one]));
  if (logical.length === 0) return { signature, primary: numbered, records: [], extents: primary };
  const ends = primary.map((one) => one.start + one.count);
  // Logical partitions that say where they begin may lie before primary ones.
  const isPlaced = logical.every(
    (one) => typeof one === 'object' && one !== null && (one.start ?? one.firstSector) !== undefined,
  );
  const from = isPlaced ? space.first : alignUp(greatest(ends, space.first), alignment);
  const inside = { ...space, first: from, gap: alignment };
  const placed = planned(logical, 'logical', place(logical, 'logical', inside));
  for (const [i, one] of placed.entries()) {
    if ((logical[i] as NewMbrPartition).number !== undefined) {
      throw wrongValue(`logical[${i}].number`, 'left out: logical partitions are numbered from 5 on', one.start);
    }
    const before = placed[i - 1];
    if (before !== undefined && one.start < before.start) {
      throw wrongValue(`logical[${i}].start`, 'after the end of the logical partition before it', one.start);
    }
  }
  // Readers look for the first record only in the first sector of the extended partition.
  const [{ start: firstStart }] = placed as [Planned];
  const places = placed.map((one, i) => {
    const before = placed[i - 1];
    const free =
      before === undefined
        ? greatest(
            ends.filter((end) => end <= firstStart),
            space.first,
          )
        : before.start + before.count;
    return Math.max(free, one.start - alignment);
  });
  const start = places[0] as number;
  const nextStarts = primary.map((one) => one.start).filter((one) => one > firstStart);
  const extended: Planned = { start, count: least(nextStarts, space.end) - start, type: EXTENDED, active: false };
  const last = placed.at(-1) as Planned;
  const inTheWay = primary.findIndex((one) => one.start < last.start + last.count && one.start + one.count > start);
  if (inTheWay >= 0 || start >= firstStart) {
    throw wrongValue('logical', 'apart from the primary partitions, with a free sector before it', firstStart);
  }
  const free = Array.from({ length: RECORDS }, (_, i) => i + 1).find((number) => !numbered.has(number));
  if (free === undefined)
    throw outOfRange('partitions', `at most ${RECORDS - 1} beside logical ones`, partitions.length);
  const records = bootRecords(placed, places, sectorSize);
  return { signature, primary: numbered.set(free, extended), records, extents: [...primary, ...placed] };
}

/**
 * Sector 0, for {@link hideTable} and {@link replaceTable} to change. If it cannot be read, there is neither boot code nor
 * a table to keep: it is filled with zeroes, or this throws before anything else is stored.
 */
export function bootSector(device: BlockDevice): Buffer {
  const sector = Buffer.alloc(device.sectorSize);
  try {
    device.read(0, sector);
    return sector;
  } catch (error) {
    if (!isInputOutput(error)) throw error;
  }
  sector.fill(0);
  device.write(0, sector, { fua: true });
  return sector;
}

/** Takes the magic number out of sector 0, durably, with a store that does not tear: no table is in force any more. */
export function hideTable(device: BlockDevice, sector: Buffer): void {
  if (!hasMagic(sector)) return;
  writeMagic(sector, false);
  device.write(0, sector, { fua: true });
}

/**
 * Changes sector 0, and keeps its boot code. Where the device tears sectors, the sector is no boot record while it changes:
 * first its last 8 bytes lose the magic number, at last they get it back, each with a store that does not tear.
 */
export function replaceTable(device: BlockDevice, old: Buffer, change: (sector: Buffer) => void): void {
  const changed = Buffer.from(old);
  change(changed);
  writeMagic(changed);
  if (changed.equals(old)) return;
  if (!device.supports.atomicSectors) {
    hideTable(device, old);
    const hidden = Buffer.from(changed);
    writeMagic(hidden, false);
    device.write(0, hidden, { fua: true });
  }
  device.write(0, changed, { fua: true });
}

/** Whether the sector has a header of the disk's own GPT; false where it cannot be read. */
function holdsHeader(device: BlockDevice, lba: number): boolean {
  const sector = Buffer.alloc(device.sectorSize);
  try {
    device.read(lba, sector);
  } catch (error) {
    if (isInputOutput(error)) return false;
    throw error;
  }
  return wholeHeader(sector, lba) !== undefined;
}

/**
 * Wipes the headers of an old GPT: it would become the table again if sector 0 were ever lost. A header that names another sector,
 * such as that of an image in the last partition, is data.
 */
function wipeGpt(device: BlockDevice, used: readonly number[]): void {
  for (const lba of [1, device.sectorCount - 1]) {
    if (lba >= device.sectorCount || lba < 1 || used.includes(lba)) continue;
    if (holdsHeader(device, lba)) device.write(lba, Buffer.alloc(device.sectorSize), { fua: true });
  }
}

/**
 * Checks and lays out all of the table, then stores it, unless `refuse` throws. Each step is durable before the next one begins:
 *
 * 1. For a table with logical partitions, sector 0 loses its magic number, because an old chain may run through the sectors of the
 *    new one: no table is in force until step 3.
 * 2. The logical partitions' records.
 * 3. Sector 0, which changes from the old table to none, and to the new one.
 * 4. The headers of an old GPT are wiped. Without a protective partition in sector 0 they are not in force any more.
 */
export function writeMbr(device: BlockDevice, table: NewMbr, refuse: (partitions: readonly Extent[]) => void): void {
  const { signature, primary, records, extents } = plan(device, table);
  refuse(extents);
  const old = bootSector(device);
  if (records.length > 0) hideTable(device, old);
  for (const { lba, sector } of records) device.write(lba, sector, { fua: true });
  replaceTable(device, old, (sector) => {
    clearRecords(sector);
    writeDiskSignature(sector, signature);
    for (const [number, { active, type, start, count }] of primary) {
      writeRecord(sector, number - 1, { active, type, start, count });
    }
  });
  wipeGpt(
    device,
    records.map(({ lba }) => lba),
  );
}

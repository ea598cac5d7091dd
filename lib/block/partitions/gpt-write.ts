/** Writes a fresh GPT. */

import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { ownOptions } from '../../options.js';
import type { Size } from '../../units.js';
import type { BlockDevice } from '../block-device.js';
import { isGuid } from '../guid.js';
import { readGpt } from './gpt.js';
import {
  ENTRY_BYTES,
  type GptEntry,
  LEAST_ARRAY_BYTES,
  NAME_CHARACTERS,
  writeEntry,
  writeHeader,
} from './gpt-format.js';
import { GPT_ALIASES, gptTypeOf } from './gpt-types.js';
import { alignmentOf, type Extent, type NewPartition, numbersOf, PLACE_OPTIONS, place } from './layout.js';
import { clearRecords, hasChain, writeDiskSignature, writeProtective } from './mbr-format.js';
import { bootSector, hideTable, replaceTable } from './mbr-write.js';

/** A partition of a new GPT. */
export interface NewGptPartition extends NewPartition {
  /** From 1 to 128, as Linux numbers it; ascending. Default: one more than the partition before it. */
  readonly number?: number;
  /** A GUID, or `'linux'` (default), `'swap'`, `'home'`, `'efi'`, `'raid'`, `'lvm'`, `'bios-boot'`, `'microsoft-data'`. */
  readonly type?: string;
  /** At most 36 UTF-16 code units. */
  readonly name?: string;
  /** The partition's own GUID. Default: random. */
  readonly guid?: string;
  /** 64 bits (UEFI 2.11, table 5-7). Default 0n. */
  readonly attributes?: bigint;
}

/** A new GPT. */
export interface NewGpt {
  readonly label: 'gpt';
  readonly partitions: readonly NewGptPartition[];
  /** The disk's GUID. Default: random. */
  readonly guid?: string;
  /** Partitions are placed at multiples of this, in bytes: a multiple of the sector size. Default 1 MiB. */
  readonly alignment?: Size;
  /** Makes the GUIDs that are not given. Default: random GUIDs (RFC 9562, version 4). */
  readonly randomGuid?: () => string;
}

const KNOWN = ['label', 'partitions', 'guid', 'alignment', 'randomGuid'] as const satisfies (keyof NewGpt)[];
const KNOWN_OF_PARTITION = [
  ...PLACE_OPTIONS,
  'number',
  'type',
  'name',
  'guid',
  'attributes',
] as const satisfies (keyof NewGptPartition)[];

const ENTRIES = LEAST_ARRAY_BYTES / ENTRY_BYTES;

function guidOf(value: unknown, name: string, random: () => string): string {
  const guid = value ?? random();
  if (!isGuid(guid)) throw wrongValue(name, "a GUID such as '0FC63DAF-8483-4772-8E79-3D69D8477DE4'", guid);
  return guid.toUpperCase();
}

function typeOf(value: unknown, name: string): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  const type = gptTypeOf(value);
  if (type === undefined || /^[0-]*$/.test(type)) {
    throw wrongValue(name, `a GUID or one of ${GPT_ALIASES.join(', ')}`, value);
  }
  return type;
}

function nameOf(value: unknown, name: string): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  if (value.length > NAME_CHARACTERS || value.includes('\0')) {
    throw outOfRange(name, `at most ${NAME_CHARACTERS} UTF-16 code units without NUL`, value);
  }
  return value;
}

function attributesOf(value: unknown, name: string): bigint {
  if (typeof value !== 'bigint') throw wrongType(name, 'a bigint', value);
  if (value < 0n || value >= 2n ** 64n) throw outOfRange(name, 'from 0n to 2n ** 64n - 1n', value);
  return value;
}

/** One of the two copies, ready to be stored. */
interface Copy {
  readonly header: Buffer;
  readonly headerAt: number;
  readonly array: Buffer;
  readonly arrayAt: number;
}

/** A table, checked and laid out. */
interface Planned {
  readonly primary: Copy;
  readonly backup: Copy;
  readonly extents: readonly Extent[];
}

function plan(device: BlockDevice, given: NewGpt): Planned {
  const table = ownOptions(given, KNOWN);
  const { sectorSize, sectorCount } = device;
  const { partitions: list, randomGuid = randomUUID } = table;
  if (!Array.isArray(list)) throw wrongType('partitions', 'an array', list);
  if (list.length > ENTRIES) throw outOfRange('partitions', `at most ${ENTRIES}`, list.length);
  const partitions = list.map((one: NewGptPartition, i) => ownOptions(one, KNOWN_OF_PARTITION, `partitions[${i}]`));
  if (typeof randomGuid !== 'function') throw wrongType('randomGuid', 'a function', randomGuid);
  const arraySectors = Math.ceil(LEAST_ARRAY_BYTES / sectorSize);
  const first = 2 + arraySectors;
  const end = sectorCount - 1 - arraySectors;
  if (end <= first) {
    throw outOfRange('device.sectorCount', `at least ${first + arraySectors + 2}, to have a GPT`, sectorCount);
  }
  const guid = guidOf(table.guid, 'guid', randomGuid);
  const alignment = alignmentOf(table.alignment, sectorSize);
  const extents = place(partitions, 'partitions', { sectorSize, first, end, alignment });
  const array = Buffer.alloc(arraySectors * sectorSize);
  const numbers = numbersOf(partitions, 'partitions', ENTRIES);
  for (const [i, one] of partitions.entries()) {
    const { start, count } = extents[i] as { start: number; count: number };
    const entry: GptEntry = {
      number: numbers[i] as number,
      type: typeOf(one.type ?? 'linux', `partitions[${i}].type`),
      guid: guidOf(one.guid, `partitions[${i}].guid`, randomGuid),
      first: BigInt(start),
      last: BigInt(start + count - 1),
      attributes: attributesOf(one.attributes ?? 0n, `partitions[${i}].attributes`),
      name: nameOf(one.name ?? '', `partitions[${i}].name`),
    };
    writeEntry(array, entry);
  }
  const last = sectorCount - 1;
  const common = {
    guid,
    firstUsable: BigInt(first),
    lastUsable: BigInt(end - 1),
    entryCount: ENTRIES,
    entryBytes: ENTRY_BYTES,
    entriesCrc: crc32(array.subarray(0, LEAST_ARRAY_BYTES)),
  };
  const copy = (headerAt: number, otherAt: number, arrayAt: number): Copy => {
    const places = { own: BigInt(headerAt), other: BigInt(otherAt), entriesAt: BigInt(arrayAt) };
    return { header: writeHeader({ ...common, ...places }, sectorSize), headerAt, array, arrayAt };
  };
  return { primary: copy(1, last, 2), backup: copy(last, 1, end), extents };
}

/** UEFI 2.11, 5.2.3, tables 5-3 and 5-4: no signature, and one partition over all of the disk after sector 0. */
function protect(sector: Buffer, sectorCount: number): void {
  writeDiskSignature(sector, 0);
  clearRecords(sector);
  writeProtective(sector, sectorCount);
}

/**
 * Checks and lays out all of the table, then stores it, unless `refuse` throws. Each step is durable before the next one begins:
 *
 * 1. An MBR with logical partitions loses its magic number, because their chain may run through the sectors of the GPT: no table is
 *    in force until the last step.
 * 2. The backup's entries, then its header. Until the header is stored, the old table is in force.
 * 3. The primary's entries, then its header. Until the header is stored, the old primary's checksums fail, or there was none, and
 *    the backup is in force. Where the old primary copy is damaged, the old backup is in force, and this step comes before step 2.
 * 4. The protective MBR, if there is none yet. Until then an old MBR is in force, which the steps before do not touch.
 */
export function writeGpt(device: BlockDevice, table: NewGpt, refuse: (partitions: readonly Extent[]) => void): void {
  const { primary, backup, extents } = plan(device, table);
  refuse(extents);
  const { sectorCount } = device;
  const old = bootSector(device);
  if (hasChain(old)) hideTable(device, old);
  const isBackupInForce = readGpt(device)?.copy === 'backup';
  for (const { header, headerAt, array, arrayAt } of isBackupInForce ? [primary, backup] : [backup, primary]) {
    device.write(arrayAt, array, { fua: true });
    device.write(headerAt, header, { fua: true });
  }
  replaceTable(device, old, (sector) => protect(sector, sectorCount));
}

/**
 * The GUID partition table (UEFI 2.11, 5.3): a header in sector 1, an array of entries after it, and a copy of both at the
 * disk's end, the entries first.
 *
 * ```
 *   header                                        entry
 *      0    8  "EFI PART"                            0   16  type; all zeroes: unused
 *      8    4  revision, 0x00010000                 16   16  the partition's own GUID
 *     12    4  size of the header, from 92 on       32    8  first sector
 *     16    4  CRC32 of the header, with 0 here     40    8  last sector
 *     20    4  reserved                             48    8  attributes
 *     24    8  sector of this header                56   72  name, UTF-16LE, ends at a NUL
 *     32    8  sector of the other one
 *     40    8  first usable sector
 *     48    8  last usable sector
 *     56   16  the disk's GUID
 *     72    8  first sector of the entries
 *     80    4  number of entries
 *     84    4  bytes of an entry: 128 times a power of two
 *     88    4  CRC32 of the entries
 * ```
 */

import { crc32 } from 'node:zlib';
import { type NO_GUID, readGuid, writeGuid } from '../guid.js';

export const HEADER_BYTES = 92;
export const ENTRY_BYTES = 128;
export const NAME_CHARACTERS = 36;
/** Space for entries that every GPT has at least (UEFI 2.11, 5.3.1). */
export const LEAST_ARRAY_BYTES = 16384;
/** A table with more bytes of entries counts as damaged: 2,048 times the usual. */
const MOST_ARRAY_BYTES = 2 ** 25;

const MAGIC = 'EFI PART';
const REVISION = 0x0001_0000;

/** A header's fields. Sectors are bigints: in a damaged header they can be any 64 bits. */
export interface GptHeader {
  readonly headerBytes: number;
  readonly headerCrc: number;
  readonly own: bigint;
  readonly other: bigint;
  readonly firstUsable: bigint;
  readonly lastUsable: bigint;
  readonly guid: string;
  readonly entriesAt: bigint;
  readonly entryCount: number;
  readonly entryBytes: number;
  readonly entriesCrc: number;
}

/** An entry that is not blank; one whose type is {@link NO_GUID} is unused. */
export interface GptEntry {
  /** Its place in the array, from 1 on. */
  readonly number: number;
  readonly type: string;
  readonly guid: string;
  readonly first: bigint;
  readonly last: bigint;
  readonly attributes: bigint;
  readonly name: string;
}

/** Whether the sector begins with a header's magic number. */
function hasGptMagic(sector: Buffer): boolean {
  return sector.toString('latin1', 0, 8) === MAGIC;
}

function readHeader(sector: Buffer): GptHeader {
  return {
    headerBytes: sector.readUInt32LE(12),
    headerCrc: sector.readUInt32LE(16),
    own: sector.readBigUInt64LE(24),
    other: sector.readBigUInt64LE(32),
    firstUsable: sector.readBigUInt64LE(40),
    lastUsable: sector.readBigUInt64LE(48),
    guid: readGuid(sector, 56),
    entriesAt: sector.readBigUInt64LE(72),
    entryCount: sector.readUInt32LE(80),
    entryBytes: sector.readUInt32LE(84),
    entriesCrc: sector.readUInt32LE(88),
  };
}

/** The CRC32 that a header of this length should have. */
function headerCrc(sector: Buffer, length: number): number {
  const copy = Buffer.from(sector.subarray(0, length));
  copy.writeUInt32LE(0, 16);
  return crc32(copy);
}

/** The header in the sector, if it is whole and names this sector: a copy of it elsewhere does not. */
export function wholeHeader(sector: Buffer, lba: number): GptHeader | undefined {
  if (!hasGptMagic(sector)) return undefined;
  const header = readHeader(sector);
  const { headerBytes, headerCrc: sum, own } = header;
  if (headerBytes < HEADER_BYTES || headerBytes > sector.length) return undefined;
  return headerCrc(sector, headerBytes) === sum && own === BigInt(lba) ? header : undefined;
}

/** Whether the array's size makes sense, so that it can be read. */
export function isReadableArray({ entryCount, entryBytes }: GptHeader): boolean {
  const bytes = entryCount * entryBytes;
  return entryBytes >= ENTRY_BYTES && bytes > 0 && bytes <= MOST_ARRAY_BYTES;
}

export function writeHeader(header: Omit<GptHeader, 'headerBytes' | 'headerCrc'>, sectorSize: number): Buffer {
  const sector = Buffer.alloc(sectorSize);
  sector.write(MAGIC, 0, 'latin1');
  sector.writeUInt32LE(REVISION, 8);
  sector.writeUInt32LE(HEADER_BYTES, 12);
  sector.writeBigUInt64LE(header.own, 24);
  sector.writeBigUInt64LE(header.other, 32);
  sector.writeBigUInt64LE(header.firstUsable, 40);
  sector.writeBigUInt64LE(header.lastUsable, 48);
  writeGuid(sector, 56, header.guid);
  sector.writeBigUInt64LE(header.entriesAt, 72);
  sector.writeUInt32LE(header.entryCount, 80);
  sector.writeUInt32LE(header.entryBytes, 84);
  sector.writeUInt32LE(header.entriesCrc, 88);
  sector.writeUInt32LE(headerCrc(sector, HEADER_BYTES), 16);
  return sector;
}

function readName(bytes: Buffer): string {
  const text = bytes.toString('utf16le');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** The entries that are not blank: those with a type, which are partitions, and those with a first sector. */
export function readEntries(array: Buffer, { entryCount, entryBytes }: GptHeader): GptEntry[] {
  const entries: GptEntry[] = [];
  for (let i = 0; i < entryCount; i++) {
    const bytes = array.subarray(i * entryBytes, i * entryBytes + ENTRY_BYTES);
    if (bytes.readBigUInt64LE(0) === 0n && bytes.readBigUInt64LE(8) === 0n && bytes.readBigUInt64LE(32) === 0n)
      continue;
    entries.push({
      number: i + 1,
      type: readGuid(bytes, 0),
      guid: readGuid(bytes, 16),
      first: bytes.readBigUInt64LE(32),
      last: bytes.readBigUInt64LE(40),
      attributes: bytes.readBigUInt64LE(48),
      name: readName(bytes.subarray(56, 56 + 2 * NAME_CHARACTERS)),
    });
  }
  return entries;
}

/** Stores an entry at its place. */
export function writeEntry(array: Buffer, entry: GptEntry): void {
  const bytes = array.subarray((entry.number - 1) * ENTRY_BYTES, entry.number * ENTRY_BYTES);
  writeGuid(bytes, 0, entry.type);
  writeGuid(bytes, 16, entry.guid);
  bytes.writeBigUInt64LE(entry.first, 32);
  bytes.writeBigUInt64LE(entry.last, 40);
  bytes.writeBigUInt64LE(entry.attributes, 48);
  bytes.write(entry.name, 56, 2 * NAME_CHARACTERS, 'utf16le');
}

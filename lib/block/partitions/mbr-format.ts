/**
 * The master boot record, and the extended boot records that have the same form (UEFI 2.11, 5.2.1).
 *
 * ```
 *      0  440  boot code
 *    440    4  disk signature
 *    444    2  unknown
 *    446   16  partition record 1            0  1  boot indicator: 0x80 = active
 *    462   16  partition record 2            1  3  first sector as cylinder, head, sector
 *    478   16  partition record 3            4  1  type
 *    494   16  partition record 4            5  3  last sector as cylinder, head, sector
 *    510    2  0x55 0xAA                     8  4  first sector
 *                                           12  4  sectors
 * ```
 *
 * Numbers are little-endian. On disks with larger sectors the record is the beginning of sector 0.
 */

import { chsBytes, hasChs } from '../geometry.js';

export const BOOT_RECORD_BYTES = 512;
export const RECORDS = 4;

const SIGNATURE = 440;
const RECORD = 446;
const RECORD_BYTES = 16;
const MAGIC = 510;

const ACTIVE = 0x80;
const EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);
/** The type that protects a GPT from programs that know no GPT (UEFI 2.11, 5.2.3). */
export const PROTECTIVE = 0xee;

/** One partition record. */
export interface PartitionRecord {
  readonly indicator: number;
  readonly type: number;
  /** In sectors: in the MBR from the disk's beginning; in an extended boot record from another one. */
  readonly start: number;
  /** Sectors. */
  readonly count: number;
  /** Every byte is 0. */
  readonly isBlank: boolean;
}

/** Whether the type is that of a partition that holds a chain of further records. */
export function isExtended(type: number): boolean {
  return EXTENDED.has(type);
}

export function isActive({ indicator }: Pick<PartitionRecord, 'indicator'>): boolean {
  return indicator === ACTIVE;
}

/** The last two bytes, 55 AA in a boot record. */
export function magicOf(sector: Buffer): readonly [number, number] {
  return [sector[MAGIC] as number, sector[MAGIC + 1] as number];
}

export function hasMagic(sector: Buffer): boolean {
  return sector.readUInt16LE(MAGIC) === 0xaa55;
}

export function diskSignature(sector: Buffer): number {
  return sector.readUInt32LE(SIGNATURE);
}

export function readRecord(sector: Buffer, index: number): PartitionRecord {
  const bytes = sector.subarray(RECORD + index * RECORD_BYTES, RECORD + (index + 1) * RECORD_BYTES);
  return {
    indicator: bytes.readUInt8(0),
    type: bytes.readUInt8(4),
    start: bytes.readUInt32LE(8),
    count: bytes.readUInt32LE(12),
    isBlank: bytes.every((byte) => byte === 0),
  };
}

/** The record that {@link writeRecord} stores. */
export interface NewRecord {
  readonly active?: boolean;
  readonly type: number;
  readonly start: number;
  readonly count: number;
}

/** @param origin the sector that `start` is relative to: addresses as cylinder, head and sector are the disk's */
export function writeRecord(sector: Buffer, index: number, record: NewRecord, origin = 0): void {
  const bytes = sector.subarray(RECORD + index * RECORD_BYTES, RECORD + (index + 1) * RECORD_BYTES);
  const first = origin + record.start;
  bytes[0] = record.active === true ? ACTIVE : 0;
  bytes.set(chsBytes(first), 1);
  bytes[4] = record.type;
  bytes.set(chsBytes(first + record.count - 1), 5);
  bytes.writeUInt32LE(record.start, 8);
  bytes.writeUInt32LE(record.count, 12);
}

/** The partition that protects a GPT. On large disks the address of its last sector as cylinder, head and sector is FF FF FF. */
export function writeProtective(sector: Buffer, sectorCount: number): void {
  const last = sectorCount - 1;
  writeRecord(sector, 0, { type: PROTECTIVE, start: 1, count: Math.min(last, 0xffff_ffff) });
  if (!hasChs(last)) sector.fill(0xff, RECORD + 5, RECORD + 8);
}

export function writeDiskSignature(sector: Buffer, signature: number): void {
  sector.writeUInt32LE(signature, SIGNATURE);
  sector.writeUInt16LE(0, SIGNATURE + 4);
}

export function clearRecords(sector: Buffer): void {
  sector.fill(0, RECORD, MAGIC);
}

/** Whether a boot indicator is neither 00 nor 80. */
export function hasOddIndicator(sector: Buffer): boolean {
  const indicators = Array.from({ length: RECORDS }, (_, i) => readRecord(sector, i).indicator);
  return indicators.some((indicator) => indicator !== 0 && indicator !== ACTIVE);
}

/** Whether the table in sector 0 has a chain of logical partitions, and does not protect a GPT. */
export function hasChain(sector: Buffer): boolean {
  const types = Array.from({ length: RECORDS }, (_, i) => readRecord(sector, i).type);
  return hasMagic(sector) && types.some(isExtended) && !types.includes(PROTECTIVE);
}

/** Stores the magic number; with `valid` false takes it out, so that the sector is no boot record any more. */
export function writeMagic(sector: Buffer, valid = true): void {
  sector.writeUInt16LE(valid ? 0xaa55 : 0, MAGIC);
}

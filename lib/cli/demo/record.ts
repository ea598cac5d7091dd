/**
 * The demo's file: a header, then records in the order of their numbers, each of the same size.
 *
 * ```
 * file    0  8  "PMEMDEMO"
 *      4096     record 1, record 2, …
 *
 * record  0  8  number, from 1 on
 *         8  4  round that wrote it
 *        12  4  0
 *        16 172 payload, which follows from the number
 *       188  4  CRC32C of all before
 * ```
 *
 * 192 bytes are three cache lines, and do not divide a page: a crash can leave any part of a record.
 */

import { PmemError } from '../../errors.js';
import type { Memory } from '../../memory/memory.js';
import type { Region } from '../../memory/region/region.js';

export const HEADER_SIZE = 4096;
export const RECORD_SIZE = 192;
const ROUND = 8;
const PAYLOAD = 16;
const CRC = 188;

/** The first 8 bytes of a file of the demo. */
export const MAGIC = Buffer.from('PMEMDEMO');

/** Memory that computes checksums. */
type Checksummed = Pick<Memory, 'size' | 'read'> & Pick<Region, 'crc32c'>;

/** How many records fit. */
export function capacity(size: number): number {
  return Math.floor((size - HEADER_SIZE) / RECORD_SIZE);
}

/** Where a record begins in the file. */
export function place(number: number): number {
  return HEADER_SIZE + (number - 1) * RECORD_SIZE;
}

function payloadWord(number: number, index: number): number {
  return Math.imul(number ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b) >>> 0;
}

/**
 * Makes a record in place, field by field, as a program on mapped memory would. It is whole once it has its checksum. None of it
 * is durable before its place is persisted.
 */
export function makeRecord(region: Region, view: Buffer, number: number, round: number): void {
  const at = place(number);
  view.writeBigUInt64LE(BigInt(number), at);
  view.writeUInt32LE(round, at + ROUND);
  view.writeUInt32LE(0, at + ROUND + 4);
  for (let i = 0, field = PAYLOAD; field < CRC; i++, field += 4) view.writeUInt32LE(payloadWord(number, i), at + field);
  view.writeUInt32LE(region.crc32c(at, CRC), at + CRC);
}

/** What a file holds. */
export interface Scan {
  /** The last of the good records that follow each other from the first; 0 for none. */
  readonly good: number;
  /** What follows it: nothing, part of a record, or the end of the file. */
  readonly next: 'empty' | 'unfinished' | 'end';
}

/** Whether the checksum fits, and the number its place. */
function isGood(memory: Checksummed, record: Buffer, number: number): boolean {
  if (record.readBigUInt64LE(0) !== BigInt(number)) return false;
  return memory.crc32c(place(number), CRC) === record.readUInt32LE(CRC);
}

/** A good checksum must mean a good payload. This proves that no torn record passes. */
function hasItsPayload(record: Buffer, number: number): boolean {
  for (let i = 0, field = PAYLOAD; field < CRC; i++, field += 4) {
    if (record.readUInt32LE(field) !== payloadWord(number, i)) return false;
  }
  return true;
}

/**
 * Reads the records from the first to the last good one, as a program does that opens its log again.
 *
 * @throws PmemError `ERR_PMEM_DEMO` when a checksum is good and the payload wrong.
 */
export function scan(memory: Checksummed): Scan {
  const record = Buffer.alloc(RECORD_SIZE);
  const most = capacity(memory.size);
  for (let number = 1; number <= most; number++) {
    memory.read(place(number), record);
    if (isGood(memory, record, number)) {
      if (!hasItsPayload(record, number)) {
        throw new PmemError(
          'ERR_PMEM_DEMO',
          `record ${number} has a good checksum and a payload that was never written`,
        );
      }
      continue;
    }
    return { good: number - 1, next: record.every((byte) => byte === 0) ? 'empty' : 'unfinished' };
  }
  return { good: most, next: 'end' };
}

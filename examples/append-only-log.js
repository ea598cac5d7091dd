// @ts-check
/**
 * A log of records: durable on return, read back in order. An interrupted append leaves all of its record, or nothing.
 *
 *     node examples/append-only-log.js FILE [TEXT...]
 *
 * Format, little-endian: records one after the other, each at a multiple of 8.
 *
 *     0  length    4 bytes, 1 to 4096; 0 ends the log
 *     4  checksum  CRC-32 of length and payload, continued from the checksum of the record before
 *     8  payload   padded with zeroes to a multiple of 8
 *
 * Why it is safe: a record counts only if its checksum is right, so one write and one drain are enough. The checksum continues the one
 * before, so that bytes of an older record never count. What an interrupted append left is cleared before the next append. A program
 * that was killed may have left a record that can be read and is not durable: opening makes it durable, before anything builds on it.
 */

import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { Region } from 'pmem';

const HEADER = 8;
const MOST = 4096;

/** @param {number} length of the payload */
const sizeOf = (length) => HEADER + 8 * Math.ceil(length / 8);

export class AppendOnlyLog {
  /** @type {import('pmem').Memory} */
  #memory;
  #tail = 0;
  #checksum = 0;
  /** Records that were there, oldest first. @type {Buffer[]} */
  entries = [];

  /** @param {import('pmem').Memory} memory all zero the first time */
  constructor(memory) {
    this.#memory = memory;
    for (let record = this.#next(); record !== undefined; record = this.#next()) this.entries.push(record);
    memory.persist(0, this.#tail);
    const rest = Math.min(sizeOf(MOST), memory.size - this.#tail);
    const left = Buffer.alloc(rest);
    memory.read(this.#tail, left);
    if (left.some((byte) => byte !== 0)) memory.fill(this.#tail, rest, 0, 'persist');
  }

  /** The record at the tail, which moves past it. Works on copies: memory that others can change is not checked in place. */
  #next() {
    if (this.#tail + HEADER > this.#memory.size) return undefined;
    const header = Buffer.alloc(HEADER);
    this.#memory.read(this.#tail, header);
    const length = header.readUInt32LE(0);
    if (length === 0 || length > MOST || this.#tail + sizeOf(length) > this.#memory.size) return undefined;
    const payload = Buffer.alloc(length);
    this.#memory.read(this.#tail + HEADER, payload);
    const checksum = this.#sum(header, payload);
    if (checksum !== header.readUInt32LE(4)) return undefined;
    this.#tail += sizeOf(length);
    this.#checksum = checksum;
    return payload;
  }

  /** @param {Buffer} header @param {Uint8Array} payload */
  #sum(header, payload) {
    return crc32(payload, crc32(header.subarray(0, 4), this.#checksum));
  }

  /** Durable on return. @param {Uint8Array} payload 1 to 4096 bytes */
  append(payload) {
    if (payload.length === 0 || payload.length > MOST) throw new RangeError(`1 to ${MOST} bytes`);
    const record = Buffer.alloc(sizeOf(payload.length));
    if (this.#tail + record.length > this.#memory.size) throw new Error('the log is full');
    record.writeUInt32LE(payload.length, 0);
    record.set(payload, HEADER);
    const checksum = this.#sum(record, payload);
    record.writeUInt32LE(checksum, 4);
    this.#memory.write(this.#tail, record, 'persist');
    this.#tail += record.length;
    this.#checksum = checksum;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path = 'log.pmem', ...texts] = process.argv.slice(2);
  const region = Region.open(path, { create: true, size: '1MiB' });
  const log = new AppendOnlyLog(region);
  for (const entry of log.entries) console.log(entry.toString());
  for (const text of texts) log.append(Buffer.from(text));
  region.close();
}

/** The simplest Memory: a Buffer that counts stores. For tests that make a great many. */

import type { Durability } from 'pmem';
import { DerivedMemory } from './derived-memory.js';

const DURABILITY: Durability = {
  granularity: 'byte',
  mapSync: true,
  pageSize: 4096,
  assumed: true,
  volatile: false,
  below: 'persistent',
  reason: 'a test says so',
};

/** A range out of bounds throws an error without a code: no layer may ask for one. */
export class PlainMemory extends DerivedMemory {
  readonly bytes: Buffer;
  readonly durability = DURABILITY;
  readonly lineOffset = 0;
  /** Calls that stored. */
  stores = 0;

  constructor(size: number) {
    super();
    this.bytes = Buffer.alloc(size);
  }

  get size(): number {
    return this.bytes.length;
  }

  view(offset = 0, length = this.size - offset): Buffer {
    this.#check(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  read(offset: number, target: Uint8Array): void {
    this.#check(offset, target.length);
    target.set(this.bytes.subarray(offset, offset + target.length));
  }

  write(offset: number, source: Uint8Array): void {
    this.#check(offset, source.length);
    this.stores++;
    this.bytes.set(source, offset);
  }

  fill(offset: number, length: number, byte = 0): void {
    this.#check(offset, length);
    this.stores++;
    this.bytes.fill(byte, offset, offset + length);
  }

  load64(offset: number): bigint {
    this.#check(offset, 8);
    if (offset % 8 !== 0) throw new Error(`load64 at ${offset}`);
    return this.bytes.readBigUInt64LE(offset);
  }

  store64(offset: number, value: bigint): void {
    this.#check(offset, 8);
    if (offset % 8 !== 0) throw new Error(`store64 at ${offset}`);
    this.stores++;
    this.bytes.writeBigUInt64LE(value, offset);
  }

  flush(offset: number, length: number): void {
    this.#check(offset, length);
  }

  drain(): void {}

  #check(offset: number, length: number): void {
    if (Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && offset + length <= this.bytes.length) return;
    throw new Error(`out of bounds: ${length} bytes at ${offset} of ${this.bytes.length}`);
  }
}

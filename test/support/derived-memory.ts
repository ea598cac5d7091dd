/** The calls of a Memory that can be made of others, for memories of tests. */

import type { ByteRange, Durability, Memory, WriteMode } from 'pmem';
import { crc32c } from '#dist/crc32c.js';

export abstract class DerivedMemory implements Memory {
  abstract readonly size: number;
  abstract readonly durability: Durability;
  abstract readonly lineOffset: number;
  abstract view(offset?: number, length?: number): Buffer;
  abstract read(offset: number, target: Uint8Array): void;
  abstract write(offset: number, source: Uint8Array, mode?: WriteMode): void;
  abstract fill(offset: number, length: number, byte?: number, mode?: WriteMode): void;
  abstract load64(offset: number): bigint;
  abstract store64(offset: number, value: bigint): void;
  abstract flush(offset: number, length: number): void;
  abstract drain(): void;

  persist(offset: number, length: number): void {
    this.flush(offset, length);
    this.drain();
  }

  persistAll(ranges: readonly ByteRange[]): void {
    for (const { offset, length } of ranges) this.flush(offset, length);
    this.drain();
  }

  readText(offset: number, length: number, encoding: BufferEncoding = 'utf8'): string {
    return this.#copy(offset, length).toString(encoding);
  }

  crc32c(offset: number, length: number, seed = 0): number {
    return crc32c(this.#copy(offset, length), seed);
  }

  slice(offset: number, length = this.size - offset): Memory {
    return new PartOfMemory(this, offset, length);
  }

  async readAsync(offset: number, target: Uint8Array): Promise<void> {
    this.read(offset, target);
  }

  async writeAsync(offset: number, source: Uint8Array, mode?: WriteMode): Promise<void> {
    this.write(offset, source, mode);
  }

  async fillAsync(offset: number, length: number, byte?: number, mode?: WriteMode): Promise<void> {
    this.fill(offset, length, byte, mode);
  }

  async persistAsync(offset: number, length: number): Promise<void> {
    this.persist(offset, length);
  }

  #copy(offset: number, length: number): Buffer {
    const copy = Buffer.alloc(length);
    this.read(offset, copy);
    return copy;
  }
}

/** A memory around another, as a partition is. Whoever uses it keeps to its size. */
export class PartOfMemory extends DerivedMemory {
  readonly size: number;
  readonly #memory: Memory;
  readonly #base: number;

  constructor(memory: Memory, base: number, size = memory.size - base) {
    super();
    this.#memory = memory;
    this.#base = base;
    this.size = size;
  }

  get durability(): Durability {
    return this.#memory.durability;
  }

  get lineOffset(): number {
    return (this.#memory.lineOffset + this.#base) % 64;
  }

  view(offset = 0, length = this.size - offset): Buffer {
    return this.#memory.view(this.#base + offset, length);
  }

  read(offset: number, target: Uint8Array): void {
    this.#memory.read(this.#base + offset, target);
  }

  write(offset: number, source: Uint8Array, mode?: WriteMode): void {
    this.#memory.write(this.#base + offset, source, mode);
  }

  fill(offset: number, length: number, byte?: number, mode?: WriteMode): void {
    this.#memory.fill(this.#base + offset, length, byte, mode);
  }

  load64(offset: number): bigint {
    return this.#memory.load64(this.#base + offset);
  }

  store64(offset: number, value: bigint): void {
    this.#memory.store64(this.#base + offset, value);
  }

  flush(offset: number, length: number): void {
    this.#memory.flush(this.#base + offset, length);
  }

  drain(): void {
    this.#memory.drain();
  }

  override persist(offset: number, length: number): void {
    this.#memory.persist(this.#base + offset, length);
  }
}

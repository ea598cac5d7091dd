/** Memory in an ArrayBuffer that reports every call to an observer. */

import { inspect } from 'node:util';
import { isUint8Array } from 'node:util/types';
import { crc32c } from '../../crc32c.js';
import { PmemError, wrongType } from '../../errors.js';
import {
  checkByte,
  checkEncoding,
  checkMode,
  checkRanges,
  checkSeed,
  checkWord,
  lengthFrom,
  lengthOf,
  misaligned,
  rangeError,
  within,
} from '../../memory/checks.js';
import type { ByteRange, Durability, Memory, WriteMode } from '../../memory/memory.js';
import { checkJob, type JobOptions } from '../../options.js';
import { LINE, type Media, type Placement, WORD } from './lines.js';
import type { StoreKind } from './store-log.js';

/** Is told of every call. Ranges are checked, and never empty; offsets count from the beginning of the memory's first line. */
export interface MemoryObserver {
  reading(offset: number, length: number): void;
  viewing(offset: number, length: number): void;
  /** The bytes are about to change. */
  storing(offset: number, length: number): void;
  /** The bytes have changed. */
  stored(kind: StoreKind, offset: number, length: number): void;
  flushing(offset: number, length: number): void;
  draining(): void;
}

const DURABILITY: Durability = Object.freeze({
  granularity: 'cache-line',
  mapSync: true,
  pageSize: 4096,
  assumed: true,
  volatile: false,
  below: 'persistent',
  reason: 'simulated memory in this process, which loses at a simulated power cut what was not flushed and drained',
});

/** Checks its arguments as a `Region` does, with the same errors. A slice shares the observer and the end of its whole. */
export class ObservedMemory implements Memory {
  /** Position of byte 0 in its cache line: 0 to 63. */
  readonly lineOffset: number;
  readonly #media: Media;
  readonly #bytes: Buffer;
  readonly #observer: MemoryObserver | undefined;
  /** Offset of byte 0 to the observer. */
  readonly #base: number;
  readonly #size: number;
  /** The memory that this one is a slice of; else this one. */
  readonly #whole: ObservedMemory;
  /** Only of a whole: its image is gone. */
  #revoked = false;

  /** @param whole for a slice, whose `lineOffset` counts from the beginning of the media */
  protected constructor(
    media: Media,
    { size, lineOffset }: Placement,
    observer?: MemoryObserver,
    whole?: ObservedMemory,
  ) {
    this.lineOffset = lineOffset % LINE;
    this.#media = media;
    this.#bytes = media.bytes.subarray(lineOffset, lineOffset + size);
    this.#observer = observer;
    this.#base = lineOffset;
    this.#size = size;
    this.#whole = whole ?? this;
  }

  /** @internal */
  static over(media: Media, placement: Placement, observer?: MemoryObserver): ObservedMemory {
    return new ObservedMemory(media, placement, observer);
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  get durability(): Durability {
    return DURABILITY;
  }

  /**
   * A zero-copy window. Stores through it are found by comparison with a copy: when its lines are flushed or stored into, and at every
   * drain and crash point. They count as stores made at that moment. Their words arrive in any order, and one of them may tear between
   * its bytes. Of two stores to one word in between, only the second is seen. Costs a copy of the window.
   */
  view(offset = 0, length?: number): Buffer {
    const count = lengthFrom(offset, length, this.#size);
    this.#aim(offset, count);
    if (count > 0) this.#observer?.viewing(this.#base + offset, count);
    return this.#bytes.subarray(offset, offset + count);
  }

  /** @inheritdoc */
  read(offset: number, target: Uint8Array): void {
    if (!isUint8Array(target)) throw wrongType('target', 'a Buffer or Uint8Array', target);
    const length = lengthOf.call(target);
    this.#aim(offset, length);
    if (length === 0) return;
    this.#observer?.reading(this.#base + offset, length);
    // Not by the target's own method, which may be the user's code.
    Uint8Array.prototype.set.call(target, this.#bytes.subarray(offset, offset + length));
  }

  /** @inheritdoc */
  readText(offset: number, length: number, encoding: BufferEncoding = 'utf8'): string {
    this.#aim(offset, length);
    checkEncoding(encoding);
    if (length === 0) return '';
    this.#observer?.reading(this.#base + offset, length);
    return this.#bytes.toString(encoding, offset, offset + length);
  }

  /** @inheritdoc */
  write(offset: number, source: Uint8Array, mode: WriteMode = 'store'): void {
    if (!isUint8Array(source)) throw wrongType('source', 'a Buffer or Uint8Array', source);
    const length = lengthOf.call(source);
    this.#aim(offset, length);
    checkMode(mode);
    if (length > 0) {
      this.#observer?.storing(this.#base + offset, length);
      this.#bytes.set(source, offset);
      this.#observer?.stored('write', this.#base + offset, length);
    }
    this.#complete(offset, length, mode);
  }

  /** @inheritdoc */
  fill(offset: number, length: number, byte = 0, mode: WriteMode = 'store'): void {
    this.#aim(offset, length);
    checkByte(byte);
    checkMode(mode);
    if (length > 0) {
      this.#observer?.storing(this.#base + offset, length);
      this.#bytes.fill(byte, offset, offset + length);
      this.#observer?.stored('fill', this.#base + offset, length);
    }
    this.#complete(offset, length, mode);
  }

  /** @inheritdoc */
  load64(offset: number): bigint {
    this.#aimWord(offset);
    this.#observer?.reading(this.#base + offset, WORD);
    return this.#bytes.readBigUInt64LE(offset);
  }

  /** @inheritdoc */
  store64(offset: number, value: bigint): void {
    checkWord(value);
    this.#aimWord(offset);
    this.#observer?.storing(this.#base + offset, WORD);
    this.#bytes.writeBigUInt64LE(value, offset);
    this.#observer?.stored('store64', this.#base + offset, WORD);
  }

  /** @inheritdoc */
  flush(offset: number, length: number): void {
    this.#aim(offset, length);
    if (length > 0) this.#observer?.flushing(this.#base + offset, length);
  }

  /** @inheritdoc */
  drain(): void {
    this.#aim(0, 0);
    this.#observer?.draining();
  }

  /** @inheritdoc */
  persist(offset: number, length: number): void {
    this.#aim(offset, length);
    this.#complete(offset, length, 'persist');
  }

  /** @inheritdoc */
  persistAll(ranges: readonly ByteRange[]): void {
    this.#aim(0, 0);
    for (const { offset, length } of checkRanges(ranges, this.#size, 'memory')) this.#complete(offset, length, 'flush');
    this.drain();
  }

  /** @inheritdoc */
  crc32c(offset: number, length: number, seed = 0): number {
    checkSeed(seed);
    this.#aim(offset, length);
    if (length > 0) this.#observer?.reading(this.#base + offset, length);
    return crc32c(this.#bytes.subarray(offset, offset + length), seed);
  }

  /** @inheritdoc */
  slice(offset: number, length?: number): Memory {
    const size = lengthFrom(offset, length, this.#size);
    this.#aim(offset, size);
    const placement = { size, lineOffset: this.#base + offset };
    return new ObservedMemory(this.#media, placement, this.#observer, this.#whole);
  }

  // Asynchronous calls do their work before they return: a workload has one thread.

  /** @inheritdoc */
  async readAsync(offset: number, target: Uint8Array, options: JobOptions = {}): Promise<void> {
    await this.#job(
      options,
      () => lengthOf.call(target),
      () => this.read(offset, target),
    );
  }

  /** @inheritdoc */
  async writeAsync(offset: number, source: Uint8Array, mode?: WriteMode, options: JobOptions = {}): Promise<void> {
    await this.#job(
      options,
      () => lengthOf.call(source),
      () => this.write(offset, source, mode),
    );
  }

  /** @inheritdoc */
  async fillAsync(offset: number, length: number, byte = 0, mode?: WriteMode, options: JobOptions = {}): Promise<void> {
    await this.#job(
      options,
      () => length,
      () => this.fill(offset, length, byte, mode),
    );
  }

  /** @inheritdoc */
  async persistAsync(offset: number, length: number, options: JobOptions = {}): Promise<void> {
    await this.#job(
      options,
      () => length,
      () => this.persist(offset, length),
    );
  }

  /** @internal Ends the memory and its slices: every later call throws `ERR_PMEM_CLOSED`. */
  static revoke(memory: ObservedMemory): void {
    memory.#whole.#revoked = true;
  }

  [inspect.custom](): string {
    return `SimulatedMemory { size: ${this.#size}, lineOffset: ${this.lineOffset} }`;
  }

  async #job(options: JobOptions, length: () => number, run: () => void): Promise<void> {
    const { signal, onProgress } = checkJob(options);
    signal?.throwIfAborted();
    run();
    const total = length();
    onProgress?.({ done: total, total });
  }

  #complete(offset: number, length: number, mode: WriteMode): void {
    if (mode === 'store') return;
    if (length > 0) this.#observer?.flushing(this.#base + offset, length);
    if (mode === 'persist') this.#observer?.draining();
  }

  #aim(offset: number, length: number): void {
    if (this.#whole.#revoked) {
      throw new PmemError(
        'ERR_PMEM_CLOSED',
        'this simulated memory has ended: setup, workload, recover and check get a new one for each call, and must not keep it',
      );
    }
    if (!within(offset, length, this.#size)) throw rangeError(offset, length, this.#size, 'memory');
  }

  #aimWord(offset: number): void {
    this.#aim(offset, WORD);
    if ((this.#base + offset) % WORD !== 0) throw misaligned(this.lineOffset, offset);
  }
}

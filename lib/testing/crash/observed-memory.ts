/** Memory in an ArrayBuffer that tells somebody of everything done to it. */

import { isUint8Array } from 'node:util/types';
import { PmemError, wrongType } from '../../errors.js';
import {
  checkByte,
  checkEncoding,
  checkMode,
  checkWord,
  lengthOf,
  misaligned,
  rangeError,
  within,
} from '../../memory/checks.js';
import type { Durability, Memory, WriteMode } from '../../memory/memory.js';
import { type Media, type Placement, WORD } from './lines.js';
import type { StoreKind } from './store-log.js';

/** Who is told. Ranges are checked, and empty ones are not announced. */
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
  reason:
    'simulated memory: lives in this process, and loses at a simulated power cut what was not flushed and drained',
});

/** Checks its arguments as a `Region` does, with the same errors. */
export class ObservedMemory implements Memory {
  /** In its cache line, where byte 0 lies: 0 to 63. */
  readonly lineOffset: number;
  readonly #bytes: Buffer;
  /** Is told of offsets from the line's beginning on. */
  readonly #observer: MemoryObserver | undefined;
  /** The size, and -1 once revoked: one comparison then refuses every range. */
  #limit: number;

  /** @internal */
  constructor({ bytes }: Media, { size, lineOffset }: Placement, observer?: MemoryObserver) {
    this.lineOffset = lineOffset;
    this.#bytes = bytes.subarray(lineOffset, lineOffset + size);
    this.#observer = observer;
    this.#limit = size;
  }

  /** Bytes. */
  get size(): number {
    return this.#bytes.length;
  }

  get durability(): Durability {
    return DURABILITY;
  }

  /**
   * A zero-copy window. Stores through it are found by comparing it with a copy whenever its lines are flushed or stored
   * into, and at every drain and crash point. They count as stores made then, whose words arrive in any order, one of
   * them perhaps torn between its bytes; of two stores to one word in between, only the second is seen. Costs a copy of the
   * window.
   */
  view(offset: number, length: number): Buffer {
    this.#aim(offset, length);
    if (length > 0) this.#observer?.viewing(this.lineOffset + offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }

  /** @inheritdoc */
  read(offset: number, target: Uint8Array): void {
    if (!isUint8Array(target)) throw wrongType('target', 'a Buffer or Uint8Array', target);
    const length = lengthOf.call(target);
    this.#aim(offset, length);
    if (length === 0) return;
    this.#observer?.reading(this.lineOffset + offset, length);
    // Not by a method or property of target, which may be its own.
    Uint8Array.prototype.set.call(target, this.#bytes.subarray(offset, offset + length));
  }

  /** @inheritdoc */
  readText(offset: number, length: number, encoding: BufferEncoding = 'utf8'): string {
    this.#aim(offset, length);
    checkEncoding(encoding);
    if (length === 0) return '';
    this.#observer?.reading(offset, length);
    return this.#bytes.toString(encoding, offset, offset + length);
  }

  /** @inheritdoc */
  write(offset: number, source: Uint8Array, mode: WriteMode = 'store'): void {
    if (!isUint8Array(source)) throw wrongType('source', 'a Buffer or Uint8Array', source);
    const length = lengthOf.call(source);
    this.#aim(offset, length);
    checkMode(mode);
    if (length > 0) {
      this.#observer?.storing(this.lineOffset + offset, length);
      this.#bytes.set(source, offset);
      this.#observer?.stored('write', this.lineOffset + offset, length);
    }
    this.#complete(offset, length, mode);
  }

  /** @inheritdoc */
  fill(offset: number, length: number, byte = 0, mode: WriteMode = 'store'): void {
    this.#aim(offset, length);
    checkByte(byte);
    checkMode(mode);
    if (length > 0) {
      this.#observer?.storing(this.lineOffset + offset, length);
      this.#bytes.fill(byte, offset, offset + length);
      this.#observer?.stored('fill', this.lineOffset + offset, length);
    }
    this.#complete(offset, length, mode);
  }

  /** @inheritdoc */
  load64(offset: number): bigint {
    this.#aimWord(offset);
    this.#observer?.reading(this.lineOffset + offset, WORD);
    return this.#bytes.readBigUInt64LE(offset);
  }

  /** @inheritdoc */
  store64(offset: number, value: bigint): void {
    checkWord(value);
    this.#aimWord(offset);
    this.#observer?.storing(this.lineOffset + offset, WORD);
    this.#bytes.writeBigUInt64LE(value, offset);
    this.#observer?.stored('store64', this.lineOffset + offset, WORD);
  }

  /** @inheritdoc */
  flush(offset: number, length: number): void {
    this.#aim(offset, length);
    if (length > 0) this.#observer?.flushing(this.lineOffset + offset, length);
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

  /** @internal The image that this was is gone: every later call throws `ERR_PMEM_CLOSED`. */
  static revoke(memory: ObservedMemory): void {
    memory.#limit = -1;
  }

  #complete(offset: number, length: number, mode: WriteMode): void {
    if (mode === 'store') return;
    if (length > 0) this.#observer?.flushing(this.lineOffset + offset, length);
    if (mode === 'persist') this.#observer?.draining();
  }

  #aim(offset: number, length: number): void {
    if (within(offset, length, this.#limit)) return;
    if (this.#limit < 0) {
      throw new PmemError(
        'ERR_PMEM_CLOSED',
        'this simulated memory is gone: setup, workload, recover and check get one of their own for each call, and must not keep it',
      );
    }
    throw rangeError(offset, length, this.#limit, 'memory');
  }

  #aimWord(offset: number): void {
    this.#aim(offset, WORD);
    if ((this.lineOffset + offset) % WORD !== 0) throw misaligned(this.lineOffset, offset);
  }
}

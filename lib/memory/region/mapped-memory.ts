/** The hot calls of a mapped region: each is one call of C++ with its numbers in the mailbox, and allocates nothing. */

import { isUint8Array } from 'node:util/types';
import {
  AT,
  Completion,
  EXTRA,
  HANDLE,
  LENGTH,
  MOST_RANGES,
  mailbox,
  native,
  OFFSET,
  type Outcome,
  RANGES,
  RESULT,
  STATUS,
  WORD,
  words,
} from '../../binding.js';
import { outOfRange, wrongType } from '../../errors.js';
import { formatSize } from '../../units.js';
import {
  checkByte,
  checkEncoding,
  checkRangeList,
  checkSeed,
  checkWord,
  isRangePolluted,
  lengthFrom,
  lengthOf,
  rangeAt,
  rangeError,
  within,
  wrongMode,
} from '../checks.js';
import type { ByteRange, Durability, Memory, WriteMode } from '../memory.js';
import { closedError, lastOutcome } from './failure.js';
import { failureIn, type Mapping } from './mapping.js';
import { sourceCache, targetCache } from './source-cache.js';
import { MOST_BUFFER_BYTES } from './windows.js';

// Calls of constants are what V8 compiles best.
const {
  flush,
  drain,
  persist,
  checkFile,
  flushRanges,
  write,
  writePart,
  read,
  readPart,
  fill,
  load64,
  store64,
  crc32c,
} = native;

/**
 * Where persistAll collects ranges until it has them all: to read one can run a getter, which can do anything with regions. A call
 * takes it for its time; a call that finds none makes another one.
 */
let spareRanges: Float64Array | undefined = new Float64Array(2 * MOST_RANGES);

/** How far C++ takes a store in this mode. */
export function completionOf(mode: WriteMode): number {
  if (mode === 'persist') return Completion.persist;
  if (mode === 'store') return Completion.store;
  if (mode === 'flush') return Completion.flush;
  throw wrongMode(mode);
}

/** What `Region` alone may do with its inside. */
interface Inside {
  /** Throws for a range that is not within the region, and when the region is closed. */
  check(memory: MappedMemory, operation: string, offset: number, length: number): void;
  /** Throws when the region is closed or damaged. */
  examine(memory: MappedMemory, operation: string): void;
  /** Throws when the file does not contain all of the region any more. Asks the kernel. */
  confirm(memory: MappedMemory, operation: string): void;
  failure(memory: MappedMemory, operation: string, outcome: Outcome, offset: number): Error;
  /** Refuses everything from now on. */
  end(memory: MappedMemory): void;
}

export let inside: Inside;

/** The base class of Region: its memory, and the calls on it. */
export class MappedMemory implements Omit<Memory, 'slice' | `${'read' | 'write' | 'fill' | 'persist'}Async`> {
  readonly #mapping: Mapping;
  readonly #handle: number;
  /** Where this region begins in the mapping. */
  readonly #base: number;
  readonly #size: number;
  /** `#size`, and -1 once closed: one comparison then refuses every range. */
  #limit: number;

  static {
    inside = {
      check: (memory, operation, offset, length) => {
        if (memory.closed || !within(offset, length, memory.#limit)) memory.#refuse(operation, offset, length);
      },
      examine: (memory, operation) => memory.#examine(operation),
      confirm: (memory, operation) => {
        memory.#aim(operation, 0, memory.#size);
        checkFile();
        if (mailbox[STATUS] !== 0) throw memory.#failure(operation);
      },
      failure: (memory, operation, outcome, offset) => memory.#failure(operation, outcome, offset),
      end: (memory) => {
        memory.#limit = -1;
      },
    };
  }

  protected constructor(mapping: Mapping, base: number, size: number) {
    this.#mapping = mapping;
    this.#handle = mapping.handle;
    this.#base = base;
    this.#size = size;
    this.#limit = size;
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** @inheritdoc */
  get lineOffset(): number {
    return this.#base % 64;
  }

  get durability(): Durability {
    return this.#mapping.durability;
  }

  get closed(): boolean {
    return this.#limit < 0 || this.#mapping.closed;
  }

  /**
   * A zero-copy Buffer on the memory itself. Stores through it are durable after {@link persist} of the same range. Its length is 0
   * once the region is closed.
   *
   * Stores into a Buffer of a read-only region do not reach the memory, and make every later call throw `ERR_PMEM_READ_ONLY`. After
   * such a store, and after a touch of a page that is gone, the region's Buffers can be private copies in part, and show no stores of
   * others any more.
   *
   * On DAX files and device-DAX the Buffer can be the source and the target of O_DIRECT I/O. For `/dev/mem` and PCI resources the
   * kernel has no page structures and answers EFAULT.
   *
   * Where another thread or process stores into the same bytes, do not decode text from the Buffer: `toString()`, a TextDecoder,
   * `JSON.parse(view)` and their like can then crash the process. {@link readText} decodes from a copy.
   *
   * @param offset in bytes, default 0
   * @param length in bytes, default up to the region's end; at most the longest Buffer (4 GiB on Node.js 20)
   */
  view(offset = 0, length?: number): Buffer {
    const count = lengthFrom(offset, length, this.#size);
    if (!within(offset, count, this.#limit)) this.#refuse('view', offset, count);
    this.#examine('view');
    if (count > MOST_BUFFER_BYTES) {
      throw outOfRange(
        'length',
        `at most ${formatSize(MOST_BUFFER_BYTES)}, the longest Buffer here; take several views`,
        count,
      );
    }
    return this.#mapping.windows.buffer(this.#base + offset, count);
  }

  /** @inheritdoc */
  read(offset: number, target: Uint8Array): void {
    const known = targetCache.find(target);
    if (known !== undefined) {
      this.#aim('read', offset, known.length);
      mailbox[AT] = known.start;
      readPart(known.buffer);
    } else {
      if (!isUint8Array(target)) throw wrongType('target', 'a Buffer or Uint8Array', target);
      const length = lengthOf.call(target);
      targetCache.missed(target, length);
      this.#aim('read', offset, length);
      read(target);
    }
    if (mailbox[STATUS] !== 0) throw this.#failure('read');
  }

  /**
   * @inheritdoc
   * @throws PmemError as {@link read}: `ERR_PMEM_TRUNCATED`, `ERR_PMEM_MEDIA` or `ERR_PMEM_FAULT` for a page that is gone
   */
  readText(offset: number, length: number, encoding: BufferEncoding = 'utf8'): string {
    if (!within(offset, length, this.#limit)) this.#refuse('readText', offset, length);
    checkEncoding(encoding);
    const copy = Buffer.allocUnsafe(length);
    this.#aim('readText', offset, length);
    read(copy);
    if (mailbox[STATUS] !== 0) throw this.#failure('readText');
    return copy.toString(encoding);
  }

  /**
   * Copies all of `source` in. In mode `'persist'` the bytes are durable on return, which is faster than a write and a persist; in
   * mode `'flush'` after the next {@link drain}; by default after {@link persist}. `source` may overlap the range. A power cut does
   * not tear 1, 2, 4 or 8 bytes aligned to their length. It can tear a longer copy at any multiple of 8 bytes if the copy begins and
   * ends at one ({@link lineOffset}), and any other copy at any byte.
   *
   * In mode `'flush'` large copies bypass the caches. Other threads may see them later than stores made afterwards, except for
   * {@link store64}, which waits for them.
   */
  write(offset: number, source: Uint8Array, mode: WriteMode = 'store'): void {
    const known = sourceCache.find(source);
    if (known !== undefined) {
      this.#aim('write', offset, known.length);
      mailbox[EXTRA] = completionOf(mode);
      mailbox[AT] = known.start;
      writePart(known.buffer);
    } else {
      if (!isUint8Array(source)) throw wrongType('source', 'a Buffer or Uint8Array', source);
      const length = lengthOf.call(source);
      sourceCache.missed(source, length);
      this.#aim('write', offset, length);
      mailbox[EXTRA] = completionOf(mode);
      write(source);
    }
    if (mailbox[STATUS] !== 0) throw this.#failure('write');
  }

  /** @inheritdoc */
  fill(offset: number, length: number, byte = 0, mode: WriteMode = 'store'): void {
    if (!within(offset, length, this.#limit)) this.#refuse('fill', offset, length);
    checkByte(byte);
    mailbox[HANDLE] = this.#handle;
    mailbox[OFFSET] = this.#base + offset;
    mailbox[LENGTH] = length;
    mailbox[EXTRA] = completionOf(mode);
    mailbox[RESULT] = byte;
    fill();
    if (mailbox[STATUS] !== 0) throw this.#failure('fill');
  }

  /** @inheritdoc */
  load64(offset: number): bigint {
    this.#aim('load64', offset, 8);
    load64();
    if (mailbox[STATUS] !== 0) throw this.#failure('load64');
    return words[WORD] as bigint;
  }

  /** @inheritdoc */
  store64(offset: number, value: bigint): void {
    checkWord(value);
    this.#aim('store64', offset, 8);
    words[WORD] = value;
    store64();
    if (mailbox[STATUS] !== 0) throw this.#failure('store64');
  }

  /**
   * Starts the write-back of the range: durable after the next {@link drain} of the same thread. On `page` granularity it only notes
   * the range.
   */
  flush(offset: number, length: number): void {
    this.#aim('flush', offset, length);
    flush();
    if (mailbox[STATUS] !== 0) throw this.#failure('flush');
  }

  /** @inheritdoc */
  drain(): void {
    this.#aim('drain', 0, 0);
    drain();
    if (mailbox[STATUS] !== 0) throw this.#failure('drain');
  }

  /**
   * Makes the range durable before it returns: {@link flush} and {@link drain}, or on `page` granularity an msync of the covering
   * pages. If the msync fails, this call throws its POSIX code (`EIO`) and every later call throws `ERR_PMEM_SYNC_FAILED`: the kernel
   * forgets the failure.
   */
  persist(offset: number, length: number): void {
    this.#aim('persist', offset, length);
    persist();
    if (mailbox[STATUS] !== 0) throw this.#failure('persist');
  }

  /** Makes all the ranges durable before it returns, waiting once: faster than a {@link persist} for each. */
  persistAll(ranges: readonly ByteRange[]): void {
    checkRangeList(ranges);
    const found = spareRanges ?? new Float64Array(2 * MOST_RANGES);
    spareRanges = undefined;
    const count = ranges.length;
    const polluted = isRangePolluted();
    for (let done = 0; done < count; done += MOST_RANGES) {
      const most = Math.min(count - done, MOST_RANGES);
      for (let i = 0; i < most; i++) {
        const { offset, length } = rangeAt(ranges, done + i, polluted);
        if (!within(offset, length, this.#limit)) this.#refuse('persistAll', offset, length);
        found[2 * i] = this.#base + offset;
        found[2 * i + 1] = length;
      }
      // From here to the call no code runs but this.
      for (let i = 0; i < 2 * most; i++) mailbox[RANGES + i] = found[i] as number;
      mailbox[HANDLE] = this.#handle;
      mailbox[EXTRA] = most;
      flushRanges();
      if (mailbox[STATUS] !== 0) throw this.#failure('persistAll');
    }
    spareRanges = found;
    this.#aim('persistAll', 0, 0);
    drain();
    if (mailbox[STATUS] !== 0) throw this.#failure('persistAll');
  }

  /**
   * CRC32C (Castagnoli; RFC 3720, section 12.1) of the range, computed by an instruction where the CPU has one.
   *
   * @param seed CRC of the bytes before, to continue it: an unsigned 32-bit integer, default 0
   */
  crc32c(offset: number, length: number, seed = 0): number {
    checkSeed(seed);
    this.#aim('crc32c', offset, length);
    mailbox[EXTRA] = seed;
    crc32c();
    if (mailbox[STATUS] !== 0) throw this.#failure('crc32c');
    return mailbox[RESULT] as number;
  }

  /** Puts the range of the next hot call into the mailbox. */
  #aim(operation: string, offset: number, length: number): void {
    if (!within(offset, length, this.#limit)) this.#refuse(operation, offset, length);
    mailbox[HANDLE] = this.#handle;
    mailbox[OFFSET] = this.#base + offset;
    mailbox[LENGTH] = length;
  }

  /** Throws if the region is closed or damaged, for calls that do not touch the memory themselves. */
  #examine(operation: string): void {
    this.#aim(operation, 0, 0);
    mailbox[EXTRA] = 0;
    crc32c();
    if (mailbox[STATUS] !== 0) throw this.#failure(operation);
  }

  /** Throws what is wrong with a range that is not within the region. */
  #refuse(operation: string, offset: unknown, length: unknown): never {
    if (this.closed) throw closedError(operation, this.#mapping.path);
    throw rangeError(offset, length, this.#size, 'region');
  }

  #failure(
    operation: string,
    outcome: Outcome = lastOutcome(),
    offset = (mailbox[OFFSET] as number) - this.#base,
  ): Error {
    return failureIn(this.#mapping, this.#base, operation, outcome, offset);
  }
}

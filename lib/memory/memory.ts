/** The contract that every layer is written against, whatever the memory is. */

import type { Below } from '../linux/volatile-backing/media.js';
import type { JobOptions } from '../options.js';

export type { Below };

/**
 * What a store needs before it survives a power cut: nothing but a fence (`byte`: the platform flushes the CPU caches,
 * eADR), write-back of its cache line (`cache-line`), or msync of its page (`page`).
 */
export type Granularity = 'byte' | 'cache-line' | 'page';

/** What a mapping needs to make stores durable, and why. */
export interface Durability {
  readonly granularity: Granularity;
  /** The kernel granted MAP_SYNC: the file's metadata is durable before a page can be stored into. */
  readonly mapSync: boolean;
  /**
   * Bytes in the smallest page that the kernel uses for this mapping: 4096, or what the device or the file system of huge
   * pages was configured for, or what a `DaxDevice` verified. Of a DAX file, whole 2 MiB are mapped at once where its extents
   * and its address allow: `region.pageSize()` tells what is mapped now.
   */
  readonly pageSize: number;
  /** True when the user asserts a persistence that the kernel does not confirm. */
  readonly assumed: boolean;
  /**
   * True when nothing makes stores here durable, because what is below forgets at power-off or cannot be flushed from here, and
   * nothing else was asserted: then every persist throws.
   */
  readonly volatile: boolean;
  /**
   * What holds the bytes in the end, whatever was asserted. On `unknown` a persist does all that can be done from here, and
   * `reason` says what is not known: what a container's overlay, a FUSE or network file system keeps, memory that
   * `memmap=` made.
   */
  readonly below: Below;
  /** Why, in a sentence. */
  readonly reason: string;
}

/**
 * How far a store is taken before the call returns: `store` (nothing durable yet), `flush` (write-back begun; durable
 * after the next drain of the same thread), `persist` (durable).
 */
export type WriteMode = 'store' | 'flush' | 'persist';

/** A piece of memory, in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Byte-addressable memory that can be made durable. Offsets and lengths are numbers of bytes, whole and within `size`; anything
 * else throws before a byte is touched (`TypeError`, or `RangeError` with code `ERR_OUT_OF_RANGE`).
 *
 * The hardware promises this, and a layer may rely on nothing else: an aligned 8-byte store is atomic across a power cut; nothing
 * larger is. {@link store64} and {@link write} say which calls are one such store. Unflushed lines may reach the media at any time
 * and in any order, each line with any prefix of its stores. (Streaming stores, and arm64, do not even promise the prefix.)
 *
 * Layers store through {@link write}, {@link fill} and {@link store64}, so that simulated memory sees each store. {@link view} is
 * for users' data.
 */
export interface Memory {
  /** Bytes. */
  readonly size: number;
  readonly durability: Durability;
  /**
   * Position of byte 0 in its cache line of 64 bytes: 0 to 63. It is 0 for all memory but slices that begin between lines. Code
   * that needs two words in one line must check it. Alignment in this contract is that of `lineOffset + offset`. A memory around
   * another one adds the offset at which it begins, modulo 64.
   */
  readonly lineOffset: number;

  /**
   * A zero-copy window. Stores through it are durable after {@link persist}, or {@link flush} and {@link drain}. A power cut can
   * tear them at any byte, those of `writeBigUInt64LE` too: Node.js stores byte by byte. Decode text that others may change with
   * {@link readText}, not with the window's `toString`.
   *
   * @param offset in bytes, default 0
   * @param length in bytes, default up to the end
   */
  view(offset?: number, length?: number): Buffer;

  /** Copies `target.length` bytes out. A page that is gone throws, and does not end the process. */
  read(offset: number, target: Uint8Array): void;

  /**
   * The text in `length` bytes, decoded from a private copy. Use it for memory that another thread or process may change meanwhile:
   * `toString`, a TextDecoder and their like read the bytes of a {@link view} twice, and V8 writes past the end of the string if
   * the bytes change in between. This call returns at worst a mixture of old and new bytes.
   *
   * @param encoding any of a Buffer's, default `'utf8'`
   * @throws TypeError `ERR_INVALID_ARG_VALUE` for an unknown encoding; Error `ERR_STRING_TOO_LONG` for more than a string can hold
   */
  readText(offset: number, length: number, encoding?: BufferEncoding): string;

  /**
   * Copies all of `source` in. Durable on return in mode `'persist'`; the default is `'store'`. A power cut does not tear 1, 2, 4
   * or 8 bytes aligned to their length. It can tear a longer copy at any multiple of 8 bytes if the copy begins and ends at one
   * ({@link lineOffset}), and any other copy at any byte.
   */
  write(offset: number, source: Uint8Array, mode?: WriteMode): void;

  /**
   * Sets every byte of the range, to 0 by default. Durable on return in mode `'persist'`; the default is `'store'`. A power cut
   * tears it as it tears a {@link write}.
   */
  fill(offset: number, length: number, byte?: number, mode?: WriteMode): void;

  /** The aligned 8 bytes at `offset`, little-endian on every supported CPU. Never torn. */
  load64(offset: number): bigint;

  /**
   * Stores aligned 8 bytes. Never torn, not even by a power cut. Durable after {@link persist}.
   *
   * A thread whose {@link load64} returns the value sees all that this thread stored before, by any call in any mode. Those stores
   * are durable only if this thread drained before. No other store gives this order: other threads may see a {@link write}, or a
   * store through a view, before stores that came earlier.
   */
  store64(offset: number, value: bigint): void;

  /** Starts the write-back of the range: durable after the next {@link drain} of the same thread. */
  flush(offset: number, length: number): void;

  /**
   * Waits until everything that this thread flushed is durable, and what asynchronous calls flushed whose promises are fulfilled.
   * Write-back belongs to one CPU, so each thread drains what it flushed itself: drain first, then tell others. (On `page`
   * granularity a drain takes other threads' ranges along. Do not rely on it.)
   */
  drain(): void;

  /** {@link flush} and {@link drain}: the range is durable on return. */
  persist(offset: number, length: number): void;

  /** Makes all the ranges durable and waits once: faster than a {@link persist} for each. */
  persistAll(ranges: readonly ByteRange[]): void;

  /**
   * CRC32C (Castagnoli; RFC 3720, section 12.1) of the range.
   *
   * @param seed CRC of the bytes before, to continue it: an unsigned 32-bit integer, default 0
   */
  crc32c(offset: number, length: number, seed?: number): number;

  /**
   * A part of this memory, which has the same contract. It ends when the whole memory does.
   *
   * @param length in bytes, default up to the end
   */
  slice(offset: number, length?: number): Memory;

  /** {@link read}, without keeping the event loop. Leave the target and its memory alone until the promise settles. */
  readAsync(offset: number, target: Uint8Array, options?: JobOptions): Promise<void>;

  /** {@link write}, without keeping the event loop. Leave the source and its memory alone until the promise settles. */
  writeAsync(offset: number, source: Uint8Array, mode?: WriteMode, options?: JobOptions): Promise<void>;

  /** {@link fill}, without keeping the event loop. */
  fillAsync(offset: number, length: number, byte?: number, mode?: WriteMode, options?: JobOptions): Promise<void>;

  /** {@link persist}, without keeping the event loop: the range is durable when the promise is fulfilled. */
  persistAsync(offset: number, length: number, options?: JobOptions): Promise<void>;
}

/** The contract that every layer is written against, whatever the memory is. */

import type { Below } from '../linux/volatile-backing.js';

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
 * Byte-addressable memory that can be made durable. Offsets and lengths are whole numbers of bytes within `size`; anything
 * else throws before a byte is touched (`TypeError`, or `RangeError` with code `ERR_OUT_OF_RANGE`).
 *
 * What the hardware promises, and all that a layer may rely on: an aligned 8-byte store is atomic across a power cut,
 * nothing larger is. What is one such store is said at `store64` and `write`. Unflushed lines may reach the media at any time,
 * in any order, a line with any prefix of its stores, which is taken for granted: streaming stores and arm64 order less. Layers
 * store through `write`, `fill` and `store64`; `view` is for users' data.
 */
export interface Memory {
  /** Bytes. */
  readonly size: number;
  readonly durability: Durability;
  /**
   * Where in its cache line of 64 bytes byte 0 lies: 0 to 63; 0 of all but slices that begin between lines. Whoever relies on two
   * words being in one line looks at it; and where this speaks of alignment, it is `lineOffset + offset` that is aligned. A
   * memory around another adds what it begins later, modulo 64.
   */
  readonly lineOffset: number;

  /**
   * A zero-copy window. Nothing stored through it is durable before `persist`, or `flush` and `drain`. A power cut can tear
   * it at any byte, `writeBigUInt64LE` and its like included: Node.js stores them byte by byte. Decode text that others may change
   * by {@link readText}, not by the window's `toString`.
   */
  view(offset: number, length: number): Buffer;

  /** Copies `target.length` bytes out, guarded: a page that is gone throws instead of killing the process. */
  read(offset: number, target: Uint8Array): void;

  /**
   * The text in `length` bytes, decoded from a private copy that is made as guarded as by {@link read}. The way to text in memory
   * that another thread or process may change meanwhile: `toString`, a TextDecoder and their like on a {@link view} look at the
   * bytes twice, and V8 writes past the end of the string where these have changed in between. Here it is at worst a mixture of
   * old and new bytes.
   *
   * @param encoding any of a Buffer's, by default `'utf8'`
   * @throws TypeError `ERR_INVALID_ARG_VALUE` for an unknown encoding; Error `ERR_STRING_TOO_LONG` for more than a string can hold
   */
  readText(offset: number, length: number, encoding?: BufferEncoding): string;

  /**
   * Copies all of `source` in, guarded. Durable on return in mode `persist`; the default is `store`. A power cut can tear it at
   * any multiple of 8 bytes, if it begins and ends at one ({@link lineOffset}); not at all, if it is 1, 2, 4 or 8 bytes aligned to their
   * length; otherwise at any byte.
   */
  write(offset: number, source: Uint8Array, mode?: WriteMode): void;

  /**
   * Sets every byte of the range, to 0 by default. Durable on return in mode `persist`; the default is `store`. A power cut can
   * tear it where it can tear a `write`.
   */
  fill(offset: number, length: number, byte?: number, mode?: WriteMode): void;

  /** The aligned 8 bytes at `offset`, little-endian on every supported CPU. Never torn. */
  load64(offset: number): bigint;

  /**
   * Stores aligned 8 bytes. Never torn, not even by a power cut. Not durable before `persist`. Another thread whose {@link load64}
   * sees the value sees all that this thread stored before, by whatever call and in whatever mode; durable that is only if this
   * thread drained before. No other store promises either: where a `write` or a store through a view tells of other stores, they
   * may be seen later.
   */
  store64(offset: number, value: bigint): void;

  /** Starts the write-back of the range: durable after the next {@link drain} of the same thread. */
  flush(offset: number, length: number): void;

  /**
   * Waits: everything that this thread flushed before is durable on return, and what asynchronous calls flushed whose promises
   * were fulfilled. What other threads flushed is durable when they drained: write-back is a matter of one CPU, and only that one
   * can wait for it. So drain first, then tell others. (On `page` granularity it takes what others flushed along, which nobody
   * may rely on.)
   */
  drain(): void;

  /** `flush` and `drain`: the range is durable on return. */
  persist(offset: number, length: number): void;
}

/** The contract that every layer is written against, whatever the memory is. */

/**
 * What a store needs before it survives a power cut: nothing but a fence (`byte`: the platform flushes the CPU caches,
 * eADR), write-back of its cache line (`cache-line`), or msync of its page (`page`).
 */
export type Granularity = 'byte' | 'cache-line' | 'page';

/**
 * What becomes at power-off of that which holds the bytes in the end, below file systems, partitions, device mapper, loop
 * devices and the like: `persistent` as far as the kernel and the platform say, `volatile`, or `unknown` where it cannot be seen
 * or nobody says.
 */
export type Below = 'persistent' | 'volatile' | 'unknown';

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
 * after the next drain), `persist` (durable).
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
   * A zero-copy window. Nothing stored through it is durable before `persist`, or `flush` and `drain`. A power cut can tear
   * it at any byte, `writeBigUInt64LE` and its like included: Node.js stores them byte by byte.
   */
  view(offset: number, length: number): Buffer;

  /** Copies `target.length` bytes out, guarded: a page that is gone throws instead of killing the process. */
  read(offset: number, target: Uint8Array): void;

  /**
   * Copies all of `source` in, guarded. Durable on return in mode `persist`; the default is `store`. A power cut can tear it at
   * any multiple of 8 bytes, if offset and length are multiples of 8; not at all, if it is 1, 2, 4 or 8 bytes aligned to their
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

  /** Stores aligned 8 bytes. Never torn, not even by a power cut. Not durable before `persist`. */
  store64(offset: number, value: bigint): void;

  /** Starts the write-back of the range. */
  flush(offset: number, length: number): void;

  /** Waits: everything flushed before is durable on return. */
  drain(): void;

  /** `flush` and `drain`: the range is durable on return. */
  persist(offset: number, length: number): void;
}

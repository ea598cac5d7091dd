/** The contract of everything that is read and written in sectors. */

/**
 * What a device can do. A method that is not supported throws `EOPNOTSUPP`, as Linux does (BLK_STS_NOTSUPP,
 * block/blk-core.c), once its arguments were found to be right.
 */
export interface BlockDeviceSupport {
  /** `fua` is cheaper than a write and a {@link BlockDevice.flush}. Where it is not, `fua` still works. */
  readonly fua: boolean;
  readonly discard: boolean;
  /** Discarded sectors read as zeroes. Without it they read as anything that once was there, or zeroes. */
  readonly discardZeroes: boolean;
  readonly writeZeroes: boolean;
  /** {@link BlockDevice.directAccess} and {@link BlockDevice.persist}. */
  readonly directAccess: boolean;
  /** After a power cut a sector holds all of its old bytes or all of its new ones. Without it only aligned 8 bytes do. */
  readonly atomicSectors: boolean;
}

/** Options of everything that stores. */
export interface BlockWriteOptions {
  /** Force unit access: durable on return. Default false. */
  readonly fua?: boolean;
}

/**
 * A block device. Sectors are counted from 0 (`lba`, logical block address), each of `sectorSize` bytes.
 *
 * **Errors.** Arguments of the wrong type throw a `TypeError`. The rest are a `PmemError` with a POSIX code, before a byte
 * is touched: `EINVAL` for an array that is not made of whole sectors and for a number that can be no sector's (negative,
 * fractional, NaN), as Linux refuses unaligned direct I/O (block/fops.c); `EIO` for sectors behind the end, as Linux
 * refuses such a request (bio_check_eod, block/blk-core.c); `EPERM` for storing on a read-only device
 * (blkdev_write_iter, block/fops.c); `ERR_PMEM_CLOSED` after {@link close}. `EIO` is also what the media say: then the
 * message names the sectors.
 *
 * **Durability.** What {@link write}, {@link writev}, {@link writeZeroes} and {@link discard} store is durable once a later
 * {@link flush} returned, or on return with `fua`. Until then any of it may be lost or there, in any order.
 */
export interface BlockDevice extends Disposable {
  /** Bytes of a sector: the unit of every address and length. */
  readonly sectorSize: number;
  readonly sectorCount: number;
  /** Bytes: `sectorSize * sectorCount`. */
  readonly size: number;
  readonly readOnly: boolean;
  readonly closed: boolean;
  readonly supports: BlockDeviceSupport;

  /** Reads `target.length` bytes, whole sectors, from `lba` on. */
  read(lba: number, target: Uint8Array): void;

  /** Writes all of `source`, whole sectors, from `lba` on. Durable on return with `fua`, else after {@link flush}. */
  write(lba: number, source: Uint8Array, options?: BlockWriteOptions): void;

  /** {@link read} into several arrays, one after the other; each is whole sectors. */
  readv(lba: number, targets: readonly Uint8Array[]): void;

  /** {@link write} from several arrays, one after the other; each is whole sectors. */
  writev(lba: number, sources: readonly Uint8Array[], options?: BlockWriteOptions): void;

  /** Everything that was stored before is durable on return. */
  flush(): void;

  /** The contents are not needed any more. What the sectors read as is in `supports.discardZeroes`. */
  discard(lba: number, count: number): void;

  /** The sectors read as zeroes. Durable on return with `fua`, else after {@link flush}. */
  writeZeroes(lba: number, count: number, options?: BlockWriteOptions): void;

  /**
   * A zero-copy Buffer on the sectors: neighbouring sectors are neighbouring bytes. What is stored through it is not
   * covered by {@link flush}: {@link persist} makes it durable.
   */
  directAccess(lba: number, count: number): Buffer;

  /** What was stored into the sectors, through {@link directAccess} too, is durable on return. */
  persist(lba: number, count: number): void;

  /** Ends the device; what it was made from stays open. Makes nothing durable. Closing twice is harmless. */
  close(): void;
}

/** The fast path of a BTT: sectors whose blocks a table in the region names, each read or written by one call of C++. */

import {
  AT,
  BEGUN,
  BLOCK,
  ENTRY,
  HANDLE,
  halves,
  INDEX,
  LENGTH,
  mailbox,
  native,
  OFFSET,
  RECORD,
  RESULT,
  STATUS,
  STRIDE,
  TAG,
} from '../../binding.js';
import { lengthOf, within } from '../checks.js';
import type { Durability } from '../memory.js';
import { sourceCache, targetCache } from './source-cache.js';

// Calls of constants are what V8 compiles best.
const { readBlock, readBlockPart, exchangeBlock, exchangeBlockPart } = native;

/** Where a table and its blocks are in a memory. Offsets are whole numbers of bytes within the memory. */
export interface SectorTable {
  /** The table: entries of 32 bits, the first aligned to 8 bytes. */
  readonly table: number;
  readonly entries: number;
  /** An entry is the number of its block plus this. */
  readonly tag: number;
  /** Block 0. */
  readonly data: number;
  /** Bytes from block to block. */
  readonly stride: number;
  readonly blocks: number;
}

/** What is asked of the region. */
interface Owner {
  readonly size: number;
  readonly closed: boolean;
  readonly durability: Durability;
}

/**
 * The fast path. Where anything is amiss, a call does nothing that the plain calls could not do again, and leaves the sector to
 * them: they know what is wrong. Both paths make the same stores in the same order, so that a power cut leaves the same images. The
 * caller checks that arrays are Uint8Arrays.
 */
export class FastSectors {
  readonly #region: Owner;
  readonly #handle: number;
  /** Where the region begins in the mapping. */
  readonly #base: number;
  readonly #size: number;
  readonly #layout: SectorTable;
  readonly #fail: (offset: number) => Error;
  readonly #exchanges: boolean;

  private constructor(
    region: Owner,
    handle: number,
    base: number,
    layout: SectorTable,
    fail: (offset: number) => Error,
  ) {
    this.#region = region;
    this.#handle = handle;
    this.#base = base;
    this.#size = region.size;
    this.#layout = layout;
    this.#fail = fail;
    // An msync takes so long that nothing is gained, and its failure is reported only once.
    this.#exchanges = region.durability.granularity !== 'page';
  }

  /**
   * @param base where the region begins in the mapping, in bytes
   * @param fail the error for the outcome of the last call, at an offset in the region
   * @returns undefined where the table or its blocks are not within the region, or the table is not aligned in the mapping
   */
  static of(
    region: Owner,
    handle: number,
    base: number,
    layout: SectorTable,
    fail: (offset: number) => Error,
  ): FastSectors | undefined {
    const { table, entries, data, stride, blocks } = layout;
    const fits = within(table, 4 * entries, region.size) && within(data, stride * blocks, region.size);
    return fits && (base + table) % 8 === 0 ? new FastSectors(region, handle, base, layout, fail) : undefined;
  }

  /** Fills the target with the beginning of the block that an entry names. Returns false, with a part filled perhaps, where it cannot. */
  read(entry: number, target: Uint8Array): boolean {
    const known = targetCache.find(target);
    const length = known !== undefined ? known.length : lengthOf.call(target);
    if (known === undefined) targetCache.missed(target, length);
    if (!this.#aim(entry, length)) return false;
    if (known !== undefined) {
      mailbox[AT] = known.start;
      readBlockPart(known.buffer);
    } else {
      readBlock(target);
    }
    return mailbox[STATUS] === 0;
  }

  /**
   * Writes `block`, which no entry names, and lets the entry name it. The block that the entry named is free from then on. In between,
   * a record of two words is stored: the entry and the block that it named; the new block and `sequence`. The block is durable before
   * the record is stored, and the record before the entry. The entry's write-back is started.
   *
   * @param record where in the memory the record goes, in bytes
   * @returns the block that the entry named; -1 where nothing was stored outside of the new block
   * @throws what the plain calls throw, once the record may have been stored
   */
  exchange(entry: number, block: number, source: Uint8Array, record: number, sequence: number): number {
    const known = sourceCache.find(source);
    const length = known !== undefined ? known.length : lengthOf.call(source);
    if (known === undefined) sourceCache.missed(source, length);
    if (!this.#exchanges || !within(record, 16, this.#size) || !this.#aim(entry, length)) return -1;
    mailbox[RECORD] = this.#base + record;
    mailbox[BEGUN] = 0;
    halves[2 * INDEX] = entry;
    halves[2 * BLOCK] = block;
    halves[2 * BLOCK + 1] = sequence;
    if (known !== undefined) {
      mailbox[AT] = known.start;
      exchangeBlockPart(known.buffer);
    } else {
      exchangeBlock(source);
    }
    if (mailbox[STATUS] === 0) return mailbox[RESULT] as number;
    if (mailbox[BEGUN] === 0) return -1;
    throw this.#fail(record);
  }

  /** Sets the entry of the next call, and where the blocks are. */
  #aim(entry: number, length: number): boolean {
    const { table, entries, tag, data, stride, blocks } = this.#layout;
    if (this.#region.closed || !(entry < entries && length <= stride)) return false;
    mailbox[HANDLE] = this.#handle;
    mailbox[OFFSET] = this.#base + data;
    mailbox[LENGTH] = length;
    mailbox[ENTRY] = this.#base + table + 4 * entry;
    mailbox[STRIDE] = stride;
    halves[2 * TAG] = tag;
    halves[2 * TAG + 1] = blocks;
    return true;
  }
}

/** Blocks of a region that a table in it names: each is read, or exchanged for another one, in one call of C++. */

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

/** Where a table and its blocks are in a memory. Offsets are bytes, and whole numbers within the memory. */
export interface BlockTableLayout {
  /** The table: entries of 32 bits, the first of them aligned to 8 bytes. */
  readonly table: number;
  readonly entries: number;
  /** What an entry is more than the number of its block. */
  readonly tag: number;
  /** Block 0. */
  readonly data: number;
  /** Bytes from block to block. */
  readonly stride: number;
  readonly blocks: number;
}

/** The region, as far as it is asked for something. */
interface Owner {
  readonly size: number;
  readonly closed: boolean;
  readonly durability: Durability;
}

/**
 * The short way, for what goes smoothly. Whatever does not is left to the plain calls, which know what is wrong: then nothing was
 * done that they could not do again. Their stores are the same, in the same order, so that what is true of the one way after a
 * power cut is true of the other. That the arrays are Uint8Arrays is for the caller to check.
 */
export class BlockTable {
  readonly #region: Owner;
  readonly #handle: number;
  /** Where the region begins in the mapping. */
  readonly #base: number;
  readonly #size: number;
  readonly #layout: BlockTableLayout;
  readonly #fail: (offset: number) => Error;
  readonly #exchanges: boolean;

  private constructor(
    region: Owner,
    handle: number,
    base: number,
    layout: BlockTableLayout,
    fail: (offset: number) => Error,
  ) {
    this.#region = region;
    this.#handle = handle;
    this.#base = base;
    this.#size = region.size;
    this.#layout = layout;
    this.#fail = fail;
    // An msync takes so long that nothing is gained, and why it failed is told once only.
    this.#exchanges = region.durability.granularity !== 'page';
  }

  /**
   * @param base where the region begins in the mapping, in bytes
   * @param fail the error for what the last call came to, at an offset in the region
   * @returns undefined where the layout is not within the region, or its words are not those of the mapping
   */
  static of(
    region: Owner,
    handle: number,
    base: number,
    layout: BlockTableLayout,
    fail: (offset: number) => Error,
  ): BlockTable | undefined {
    const { table, entries, data, stride, blocks } = layout;
    const fits = within(table, 4 * entries, region.size) && within(data, stride * blocks, region.size);
    return fits && (base + table) % 8 === 0 ? new BlockTable(region, handle, base, layout, fail) : undefined;
  }

  /** Fills the target with the beginning of the block that an entry names. Where it answers false, a part may be filled. */
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
   * Writes `block`, which no entry names, and lets the entry name it; the block that it named is left to the caller. In between
   * a record is stored, of two words: the entry and the block that it named, the new block and `sequence`. The block is durable
   * before the record is stored, and the record before the entry, whose write-back is only started.
   *
   * @param record where in the memory the record goes, in bytes
   * @returns the block that the entry named; -1 where nothing was stored but to the new block
   * @throws what the plain calls do, from the record on
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

  /** Names the entry of the next call, and says where blocks are. */
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

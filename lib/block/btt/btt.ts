/** A disk whose sectors are written whole or not at all: what Linux's BTT is to an NVDIMM (drivers/nvdimm/btt.c). */

import { wrongValue } from '../../errors.js';
import { partOf } from '../../memory/checks.js';
import type { Claim } from '../../memory/claim.js';
import type { Memory } from '../../memory/memory.js';
import { ownOptions } from '../../options.js';
import { bytesOf, checkMemory, isFua, lengthsOf, listOf } from '../arguments.js';
import type { BlockDevice, BlockDeviceSupport, BlockWriteOptions } from '../block-device.js';
import { readOnlyDevice, unsupported } from '../block-errors.js';
import { SectorLimits } from '../sector-limits.js';
import { Arena } from './arena.js';
import { type BttReport, check, examine, look, mapBytes } from './check.js';
import type { Discovery } from './discover.js';
import { enter } from './exclusive.js';
import { format } from './format.js';
import { maybeFurtherUp } from './further-up.js';
import { type BttInfo, describe } from './info.js';
import { checkLines } from './lines.js';
import {
  type BttAsyncOptions,
  type BttCheckOptions,
  type BttFormatOptions,
  type BttOpenOptions,
  CHECK_OPTIONS,
  checkAsyncOptions,
  checkCheckOptions,
  checkFormatOptions,
  checkOpenOptions,
  FORMAT_OPTIONS,
} from './options.js';
import { BttCorruptError, type BttProblem, isDangerous } from './problems.js';
import { readAhead } from './read-async.js';
import { atOnce, inPieces } from './steps.js';

const SUPPORTS: BlockDeviceSupport = Object.freeze({
  fua: true,
  discard: true,
  discardZeroes: true,
  writeZeroes: true,
  directAccess: false,
  atomicSectors: true,
});

/**
 * Linux's driver ends the read of a page at the first sector that is marked as reading zeroes (btt_read_pg,
 * drivers/nvdimm/btt.c, seen with Linux 6.1), so that the sectors behind it read as anything. Where several sectors share a
 * page, none may be marked.
 */
const LEAST_MARKED_BYTES = 4096;

/** Bytes, about, that are written at once where zeroes have to be. */
const ZEROES_BYTES = 65536;

/** Maps of this many bytes together are gone through when a BTT is opened: some 200 ms. */
const VERIFIED_BYTES = 16 * 2 ** 20;

const NOUN = 'the BTT';

const OPEN = Symbol('open');

/**
 * Sectors that a power cut, or the end of the process, leaves old or new and never torn, on any memory that begins on a cache line
 * and whose aligned 8 bytes do not tear. The layout is Linux's and UEFI's: what Linux calls a namespace in sector mode.
 *
 * **Durability.** A write is durable when it returns, with `fua` or without, as it is on Linux's. Of a write of several sectors
 * that is interrupted each sector is old or new. {@link writeZeroes} and {@link discard} are durable after {@link flush}, or with
 * `fua`: of sectors of 4096 bytes and more they change the map only.
 *
 * **Errors** beside those of a {@link BlockDevice}: `EIO` where a sector's block cannot be read, naming the sector, until it is
 * written again, to another block; where no free block can be written to; and for every write after one that failed half-way,
 * until the BTT is opened again. `ERR_PMEM_BTT_CORRUPT` (a {@link BttCorruptError}) where the map of a sector names no block.
 * A read that fails may have filled a part of its target.
 *
 * A write whose script is ended in the middle (the timeout of a vm, an interrupt) leaves each sector old or new, and on a Region the
 * next call completes it. On any other Memory, which may also have called back in the middle of a write, the next one is `EIO`, and
 * those of a later turn of the event loop complete it.
 *
 * **Who else.** Two that store would give the same free block to two sectors. So one that is open to store, a repair and a format
 * are alone in this process (`ERR_PMEM_BUSY`); those who only read, a check too, share. Regions are told apart by the bytes of the
 * file or device that they are, in whatever thread they were opened, attached or sliced; any other Memory by its being the same
 * object. One that was forgotten counts until it is collected, its Region is closed, or its thread ends. Other processes are
 * excluded by the Region's lock.
 *
 * Open, it takes memory in proportion to the lanes, some 30 bytes for each, and not to the size.
 */
export class Btt implements BlockDevice {
  readonly #memory: Memory;
  readonly #arenas: readonly Arena[];
  /** The one arena, where there are no more. */
  readonly #only: Arena | undefined;
  /** Number of the first sector of each arena. */
  readonly #bases: readonly number[];
  readonly #sectorSize: number;
  readonly #readOnly: boolean;
  readonly #info: BttInfo;
  /** Keeps others from it. */
  readonly #claim: Claim;
  readonly #limits: SectorLimits;

  /** @internal Use {@link Btt.open}. */
  constructor(guard: typeof OPEN, memory: Memory, { discovery, arenas, problems, readOnly, claim }: Opened) {
    if (guard !== OPEN) throw wrongValue('Btt', 'made by Btt.open', 'new');
    this.#memory = memory;
    this.#arenas = arenas;
    this.#only = arenas.length === 1 ? arenas[0] : undefined;
    let count = 0;
    this.#bases = arenas.map(({ sectorCount }) => {
      count += sectorCount;
      return count - sectorCount;
    });
    this.#info = describe(discovery, problems);
    this.#sectorSize = this.#info.sectorSize;
    this.#limits = new SectorLimits(NOUN, this.#sectorSize, count);
    this.#readOnly = readOnly;
    this.#claim = claim;
  }

  /**
   * Makes a BTT on all of the memory; what was there is gone. A power cut in the middle leaves none that can be opened, or all of it.
   *
   * @throws PmemError `ERR_PMEM_IN_USE` where the memory is not blank and `force` is not set, `EPERM` on read-only memory, `EINVAL` on
   *   memory that does not begin on a cache line of 64 bytes, `ERR_PMEM_BUSY`; TypeError and RangeError for options that are wrong or
   *   do not fit the memory.
   */
  static format(memory: Memory, options: BttFormatOptions = {}): void {
    checkMemory(memory);
    atOnce(format(memory, checkFormatOptions(options)));
  }

  /** {@link Btt.format} in pieces: the map of a TiB takes a while. */
  static async formatAsync(memory: Memory, given: BttFormatOptions & BttAsyncOptions = {}): Promise<void> {
    checkMemory(memory);
    const options = ownOptions(given, [...FORMAT_OPTIONS, 'signal', 'onProgress']);
    const { signal, onProgress, ...rest } = options;
    checkAsyncOptions(options);
    await inPieces(format(memory, checkFormatOptions(rest)), options);
  }

  /**
   * Finds everything that is wrong: info blocks, flog, and that each block belongs to exactly one sector or lane. Without
   * `repair` it stores nothing; with it, it repairs all that is wrong if all can be repaired, and otherwise stores nothing. With
   * `rewriteLog` too the flogs are made as new, once nothing is wrong. Takes a bit of memory for each block.
   *
   * @throws PmemError `ERR_PMEM_BTT_NOT_FOUND` where there is none; to repair, `EPERM` on read-only memory and `EINVAL` on memory
   *   that does not begin on a cache line; `ERR_PMEM_BUSY`.
   */
  static check(memory: Memory, options: BttCheckOptions = {}): BttReport {
    checkMemory(memory);
    return atOnce(check(memory, checkCheckOptions(options)));
  }

  /** {@link Btt.check} in pieces. */
  static async checkAsync(memory: Memory, given: BttCheckOptions & BttAsyncOptions = {}): Promise<BttReport> {
    checkMemory(memory);
    const options = ownOptions(given, [...CHECK_OPTIONS, 'signal', 'onProgress']);
    const { signal, onProgress, ...rest } = options;
    const checked = checkCheckOptions(rest);
    checkAsyncOptions(options);
    return await inPieces(check(memory, checked), options);
  }

  /**
   * Opens the BTT, and completes what a power cut interrupted. Looks at info blocks and flogs, and where the maps are of no more
   * than 16 MiB together (4 Mi sectors) goes through them too, as {@link Btt.check} does: that takes 200 ms at most, and a bit of
   * memory for each block. Of a map that is not gone through, damage is found only where it cannot be a block's number at all;
   * writing to a BTT with two sectors on one block destroys one of them. `verify` decides otherwise.
   *
   * A damaged BTT is not opened, unless `readOnly`: then those sectors are there that its maps still tell, `info.problems` says
   * what is wrong, and nothing is stored. A damaged copy of an info block does not matter.
   *
   * @throws PmemError `ERR_PMEM_BTT_NOT_FOUND` where there is none; {@link BttCorruptError} `ERR_PMEM_BTT_CORRUPT` where it is
   *   damaged; `EINVAL`, unless `readOnly`, on memory that does not begin on a cache line of 64 bytes; `ERR_PMEM_BUSY`.
   */
  static open(memory: Memory, options: BttOpenOptions = {}): Btt {
    const { readOnly, verify } = checkOpenOptions(memory, options);
    if (!readOnly) checkLines('open', memory);
    const claim = enter('open', memory, !readOnly);
    try {
      return new Btt(OPEN, memory, { ...opened(memory, readOnly, verify), readOnly, claim });
    } catch (error) {
      claim.end();
      throw error;
    }
  }

  get sectorSize(): number {
    return this.#sectorSize;
  }

  get sectorCount(): number {
    return this.#limits.sectorCount;
  }

  /** Bytes. */
  get size(): number {
    return this.#limits.sectorCount * this.#sectorSize;
  }

  get readOnly(): boolean {
    return this.#readOnly;
  }

  get closed(): boolean {
    return this.#limits.closed;
  }

  get supports(): BlockDeviceSupport {
    return SUPPORTS;
  }

  /** Version, UUIDs, arenas, and what was wrong when it was opened. */
  get info(): BttInfo {
    return this.#info;
  }

  /**
   * Copies sectors out, guarded.
   *
   * @throws PmemError `EIO` that names the sector which is bad; those before it may have been copied.
   */
  read(lba: number, target: Uint8Array): void {
    const length = bytesOf(target, 'target');
    this.#limits.check('read', lba, length / this.#sectorSize, length);
    this.#read(lba, length / this.#sectorSize, target);
  }

  /**
   * {@link read} on another thread where the memory can (a Region), otherwise at once. Blocks that are being read are not
   * written to: a write meanwhile takes another free block, and the read gives the sector as it was or is. Of several sectors,
   * each. The target must be left alone until the promise settles, and the BTT not be closed.
   */
  async readAsync(lba: number, target: Uint8Array, given: { signal?: AbortSignal } = {}): Promise<void> {
    const options = ownOptions(given, ['signal']);
    checkAsyncOptions(options);
    const { signal } = options;
    const length = bytesOf(target, 'target');
    this.#limits.check('readAsync', lba, length / this.#sectorSize, length);
    const still = (): void => this.#limits.check('readAsync', 0, 0);
    let at = 0;
    for (const [arena, base, first, count] of this.#pieces(lba, length / this.#sectorSize)) {
      const piece = partOf(target, at, at + count * this.#sectorSize);
      await readAhead({ memory: this.#memory, arena, base, sectorSize: this.#sectorSize, still, signal }, first, piece);
      at += piece.length;
    }
  }

  /** Copies sectors in: durable on return, each whole. `fua` changes nothing. */
  write(lba: number, source: Uint8Array, options?: BlockWriteOptions): void {
    if (options !== undefined) isFua(options);
    const length = bytesOf(source, 'source');
    this.#limits.check('write', lba, length / this.#sectorSize, length);
    if (this.#readOnly) throw readOnlyDevice('write', NOUN);
    this.#write(lba, length / this.#sectorSize, source);
  }

  /** @inheritdoc */
  readv(lba: number, targets: readonly Uint8Array[]): void {
    const list = listOf(targets, 'targets');
    const lengths = lengthsOf(list);
    this.#limits.checkList('readv', lba, lengths);
    let at = lba;
    for (const [i, target] of list.entries()) {
      const count = (lengths[i] ?? 0) / this.#sectorSize;
      this.#read(at, count, target);
      at += count;
    }
  }

  /** @inheritdoc */
  writev(lba: number, sources: readonly Uint8Array[], options?: BlockWriteOptions): void {
    isFua(options);
    const list = listOf(sources, 'sources');
    const lengths = lengthsOf(list);
    this.#limits.checkList('writev', lba, lengths);
    if (this.#readOnly) throw readOnlyDevice('writev', NOUN);
    let at = lba;
    for (const [i, source] of list.entries()) {
      const count = (lengths[i] ?? 0) / this.#sectorSize;
      this.#limits.check('writev', at, count);
      this.#write(at, count, source);
      at += count;
    }
  }

  /** Makes what {@link writeZeroes} and {@link discard} did durable; writes are already. */
  flush(): void {
    this.#limits.check('flush', 0, 0);
    this.#memory.drain();
  }

  /** The sectors read as zeroes from then on: the same as {@link writeZeroes}. */
  discard(lba: number, count: number): void {
    this.#limits.check('discard', lba, count);
    if (this.#readOnly) throw readOnlyDevice('discard', NOUN);
    this.#zero(lba, count);
  }

  /**
   * The sectors read as zeroes. Durable after {@link flush}, or on return with `fua`. With sectors of 4096 bytes and more, they
   * are marked in the map: 4 bytes are stored for each. Smaller ones are written, because Linux's driver misreads the
   * neighbours of a marked one.
   */
  writeZeroes(lba: number, count: number, options?: BlockWriteOptions): void {
    const fua = isFua(options);
    this.#limits.check('writeZeroes', lba, count);
    if (this.#readOnly) throw readOnlyDevice('writeZeroes', NOUN);
    this.#zero(lba, count);
    if (fua) this.#memory.drain();
  }

  /** Not supported: a sector has no place of its own, and stores into it could tear. */
  directAccess(lba: number, count: number): Buffer {
    this.#limits.check('directAccess', lba, count);
    throw unsupported('directAccess', 'the sectors of a BTT have no address; use a PmemDisk');
  }

  /** Not supported, because {@link directAccess} is not. */
  persist(lba: number, count: number): void {
    this.#limits.check('persist', lba, count);
    throw unsupported('persist', 'a BTT has no direct access, and what is written to it is durable');
  }

  /** Ends the device; the memory stays open. Closing twice is harmless. */
  close(): void {
    this.#limits.close();
    if (!this.#arenas.some(({ mayGoOn }) => mayGoOn)) {
      this.#claim.end();
      return;
    }
    // Called by the memory in the middle of a write, perhaps: that one ends before another may open it, and ends the claim itself.
    queueMicrotask(() => {
      if (!maybeFurtherUp()) this.#claim.end();
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(lba: number, count: number, target: Uint8Array): void {
    if (this.#only !== undefined) {
      this.#only.read(0, lba, count, target, 0);
      return;
    }
    let at = 0;
    for (const [arena, base, first, some] of this.#pieces(lba, count)) {
      arena.read(base, first, some, target, at);
      at += some * this.#sectorSize;
    }
  }

  #write(lba: number, count: number, source: Uint8Array): void {
    try {
      if (this.#only !== undefined) {
        this.#only.write(0, lba, count, source, 0);
        return;
      }
      let at = 0;
      for (const [arena, base, first, some] of this.#pieces(lba, count)) {
        arena.write(base, first, some, source, at);
        at += some * this.#sectorSize;
      }
    } finally {
      this.#afterChange();
    }
  }

  /** Closed meanwhile, by its own memory: no one else had it before this. */
  #afterChange(): void {
    if (this.#limits.closed) this.#claim.end();
  }

  #zero(lba: number, count: number): void {
    if (this.#sectorSize < LEAST_MARKED_BYTES) {
      const most = Math.floor(ZEROES_BYTES / this.#sectorSize);
      const zeroes = new Uint8Array(Math.min(count, most) * this.#sectorSize);
      for (let done = 0; done < count; done += most) {
        const some = Math.min(most, count - done);
        this.#limits.check('writeZeroes', lba + done, some);
        this.#write(lba + done, some, zeroes.subarray(0, some * this.#sectorSize));
      }
      return;
    }
    try {
      for (const [arena, base, first, some] of this.#pieces(lba, count)) arena.zero(base, first, some);
    } finally {
      this.#afterChange();
    }
  }

  /** A range by arenas: the arena, the number of its first sector, and the range in it. */
  *#pieces(lba: number, count: number): Generator<[arena: Arena, base: number, first: number, count: number]> {
    const end = lba + count;
    for (const [i, arena] of this.#arenas.entries()) {
      const base = this.#bases[i] as number;
      const from = Math.max(lba, base);
      const to = Math.min(end, base + arena.sectorCount);
      if (from < to) yield [arena, base, from - base, to - from];
    }
  }
}

interface Opened {
  readonly discovery: Discovery;
  readonly arenas: readonly Arena[];
  readonly problems: readonly BttProblem[];
  readonly readOnly: boolean;
  readonly claim: Claim;
}

/** Everything is looked at before anything is stored. */
function opened(
  memory: Memory,
  readOnly: boolean,
  verify: boolean | undefined,
): Pick<Opened, 'discovery' | 'arenas' | 'problems'> {
  const seen = look('open', memory);
  const thorough = verify ?? mapBytes(seen.discovery) <= VERIFIED_BYTES;
  const { discovery, flogs, problems } = thorough ? atOnce(examine(memory, seen)) : seen;
  const dangers = problems.filter(isDangerous);
  if (discovery.arenas.length === 0 || (!readOnly && dangers.length > 0)) throw new BttCorruptError('open', dangers);
  const arenas = discovery.arenas.map((arena, i) => new Arena(memory, arena, flogs[i] as (typeof flogs)[number]));
  if (!readOnly) for (const [i, arena] of arenas.entries()) arena.recover(flogs[i] as (typeof flogs)[number]);
  return { discovery, arenas, problems };
}

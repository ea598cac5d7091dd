/** A disk whose sectors are written whole or not at all: what Linux's BTT is to an NVDIMM (drivers/nvdimm/btt.c). */

import { wrongValue } from '../../errors.js';
import { Jobs } from '../../jobs.js';
import type { Claim } from '../../memory/claim.js';
import type { Memory } from '../../memory/memory.js';
import { JOB_OPTIONS, type JobOptions, jobOptions, ownOptions } from '../../options.js';
import { checkMemory } from '../arguments.js';
import { BlockDevice, type BlockDeviceSupport } from '../block-device.js';
import { isClosed } from '../memory-facts.js';
import { Arena } from './arena.js';
import { type BttReport, check, examine, look, mapBytes } from './check.js';
import type { Discovery } from './discover.js';
import { claimBtt } from './exclusive.js';
import type { FlogFindings } from './flog-check.js';
import { format } from './format.js';
import { type BttInfo, describe } from './info.js';
import { checkLines } from './lines.js';
import {
  type BttCheckOptions,
  type BttFormatOptions,
  type BttOpenOptions,
  CHECK_OPTIONS,
  checkCheckOptions,
  checkFormatOptions,
  checkOpenOptions,
  FORMAT_OPTIONS,
} from './options.js';
import { BttCorruptError, isDangerous } from './problems.js';
import { readAhead } from './read-async.js';
import { runSteps, runStepsAsync } from './steps.js';

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
 * drivers/nvdimm/btt.c, seen with Linux 6.1), so that the sectors after it read as anything. Where several sectors share a
 * page, none may be marked.
 */
const LEAST_MARKED_BYTES = 4096;

/** About how many bytes of zeroes are written at once. */
const ZEROES_BYTES = 65536;

/** Opening a BTT goes through maps of at most so many bytes together: some 200 ms. */
const VERIFIED_BYTES = 16 * 2 ** 20;

const OPEN = Symbol('open');

/**
 * Sectors that a power cut, or the end of the process, leaves old or new and never torn, on any memory that begins on a cache line
 * and whose aligned 8 bytes do not tear. The layout is Linux's and UEFI's: what Linux calls a namespace in sector mode.
 *
 * **Durability.** A write is durable when it returns, with `fua` or without, as it is on Linux's. Of an interrupted write of several
 * sectors, each sector is old or new. {@link writeZeroes} and {@link discard} do the same, and are durable after {@link flush}, or with
 * `fua`. With sectors of 4096 bytes and more they mark sectors in the map, 4 bytes for each; smaller ones they write, because Linux's
 * driver misreads the neighbours of a marked one.
 *
 * **Errors** beside those of a {@link BlockDevice}: `EIO`, naming the sector, where a sector's block cannot be read, until the sector
 * is written again, to another block; where no free block can be written to; and for every write after one that failed half-way,
 * until the BTT is opened again. `ERR_PMEM_BTT_CORRUPT` (a {@link BttCorruptError}) where the map of a sector names no block.
 * A read that fails may have filled a part of its target. A BTT has no direct access: its sectors have no place of their own.
 *
 * A write whose script is ended in the middle (the timeout of a vm, an interrupt) leaves each sector old or new, and on a Region the
 * next call completes it. On any other Memory, which may also have called back in the middle of a write, the next write is `EIO`, and
 * those of a later turn of the event loop complete it.
 *
 * **Exclusion.** Two writers would give the same free block to two sectors. So a BTT that is open to store, a repair and a format
 * are alone in this process (`ERR_PMEM_BUSY`); readers, also a check, share. Regions are the same memory where they map the same
 * bytes of a file or device, in whatever thread they were opened, attached or sliced; any other Memory where it is the same
 * object. A BTT that was forgotten counts until it is collected, its Region is closed, or its thread ends. Other processes are
 * excluded by the Region's lock.
 *
 * An open BTT takes memory in proportion to the lanes, some 30 bytes for each, and not to the size.
 */
export class Btt extends BlockDevice {
  readonly #memory: Memory;
  readonly #arenas: readonly Arena[];
  /** The one arena, where there are no more. */
  readonly #only: Arena | undefined;
  /** Number of the first sector of each arena. */
  readonly #bases: readonly number[];
  readonly #sectorSize: number;
  readonly #info: BttInfo;
  readonly #claim: Claim;
  /** Calls of {@link readAsync}. */
  readonly #jobs = new Jobs();
  #isClosed = false;

  private constructor(guard: typeof OPEN, memory: Memory, found: Opened) {
    if (guard !== OPEN) throw wrongValue('Btt', 'made by Btt.open', 'new');
    const { info, arenas, bases, readOnly, claim } = found;
    const { sectorSize, sectorCount } = info;
    super({ noun: 'the BTT', sectorSize, sectorCount, readOnly, supports: SUPPORTS });
    this.#memory = memory;
    this.#arenas = arenas;
    this.#only = arenas.length === 1 ? arenas[0] : undefined;
    this.#bases = bases;
    this.#info = info;
    this.#sectorSize = sectorSize;
    this.#claim = claim;
  }

  /**
   * Makes a BTT on all of the memory; the former contents are lost. Durable on return. A power cut in the middle leaves no BTT that
   * can be opened, or all of it.
   *
   * @throws PmemError `ERR_PMEM_IN_USE` where the memory is not blank and `force` is not set, `ERR_PMEM_READ_ONLY` on read-only memory,
   *   `ERR_PMEM_BUSY`, `EBUSY` where the kernel uses the file or device; TypeError and RangeError for options that are wrong or do not
   *   fit the memory, and for memory that does not begin on a cache line of 64 bytes
   */
  static format(memory: Memory, options: BttFormatOptions = {}): void {
    checkMemory(memory);
    runSteps(format(memory, checkFormatOptions(options)));
  }

  /** {@link Btt.format} in steps of some MiB: the map of a TiB takes a while. Progress counts bytes of metadata. */
  static async formatAsync(memory: Memory, given: BttFormatOptions & JobOptions = {}): Promise<void> {
    checkMemory(memory);
    const options = ownOptions(given, [...FORMAT_OPTIONS, ...JOB_OPTIONS]);
    const { signal, onProgress, ...rest } = options;
    const job = jobOptions(options);
    await runStepsAsync(format(memory, checkFormatOptions(rest)), job);
  }

  /**
   * Finds all damage: of info blocks and flog, and blocks that do not belong to exactly one sector or lane. Without `repair` it
   * stores nothing. With `repair` it repairs everything if everything can be repaired, and otherwise stores nothing; repairs are
   * durable on return. With `rewriteLog` too it makes the flogs as new, once nothing is wrong. Takes a bit of memory for each block.
   *
   * @throws PmemError `ERR_PMEM_BTT_NOT_FOUND` where there is no BTT; `ERR_PMEM_BUSY`; to repair, `ERR_PMEM_READ_ONLY` on read-only memory
   *   and RangeError on memory that does not begin on a cache line
   */
  static check(memory: Memory, options: BttCheckOptions = {}): BttReport {
    checkMemory(memory);
    return runSteps(check(memory, checkCheckOptions(options)));
  }

  /** {@link Btt.check} in steps. Progress counts bytes of metadata. */
  static async checkAsync(memory: Memory, given: BttCheckOptions & JobOptions = {}): Promise<BttReport> {
    checkMemory(memory);
    const options = ownOptions(given, [...CHECK_OPTIONS, ...JOB_OPTIONS]);
    const { signal, onProgress, ...rest } = options;
    const checked = checkCheckOptions(rest);
    return await runStepsAsync(check(memory, checked), jobOptions(options));
  }

  /**
   * Opens the BTT, and completes what a power cut interrupted. Looks at info blocks and flogs, and where the maps have no more
   * than 16 MiB together (4 Mi sectors) goes through them too, as {@link Btt.check} does: that takes 200 ms at most, and a bit of
   * memory for each block. Of a map that it does not go through, it finds only entries that no block has;
   * writing to a BTT with two sectors on one block destroys one of them. `verify` decides otherwise.
   *
   * A damaged BTT is not opened, unless `readOnly`: then those sectors can be read that its maps still tell, `info.problems` says
   * what is wrong, and nothing is stored. A damaged copy of an info block does not matter.
   *
   * @throws PmemError `ERR_PMEM_BTT_NOT_FOUND` where there is no BTT; {@link BttCorruptError} `ERR_PMEM_BTT_CORRUPT` where it is
   *   damaged; `ERR_PMEM_BUSY`; RangeError, unless `readOnly`, on memory that does not begin on a cache line of 64 bytes
   */
  static open(memory: Memory, options: BttOpenOptions = {}): Btt {
    const { readOnly, verify } = checkOpenOptions(memory, options);
    if (!readOnly) checkLines('open', memory);
    const claim = claimBtt('open', memory, !readOnly);
    try {
      return new Btt(OPEN, memory, { ...opened(memory, readOnly, verify), readOnly, claim });
    } catch (error) {
      claim.end();
      throw error;
    }
  }

  /** Version, UUIDs, arenas, and what was wrong when it was opened. */
  get info(): BttInfo {
    return this.#info;
  }

  /**
   * {@link read} on another thread where the memory can (a Region), otherwise at once. A write meanwhile takes another free block than
   * those that are being read, so that each sector is read as it was or as it is. Leave the target alone until the promise settles.
   *
   * @throws what {@link read} throws, `ERR_PMEM_CLOSED` also where the BTT is closed meanwhile; the signal's reason
   */
  async readAsync(lba: number, target: Uint8Array, given: JobOptions = {}): Promise<void> {
    const { signal, onProgress } = jobOptions(ownOptions(given, JOB_OPTIONS));
    const count = this._checkTarget('readAsync', lba, target);
    const total = count * this.#sectorSize;
    let done = 0;
    const onBytes = (bytes: number): void => {
      done += bytes;
      onProgress?.({ done, total });
    };
    await this.#jobs.track(this.#readAsync(lba, count, target, signal, onBytes));
  }

  async #readAsync(
    lba: number,
    count: number,
    target: Uint8Array,
    signal: AbortSignal | undefined,
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    const refuseClosed = (): void => this._refuseClosed('readAsync');
    let at = 0;
    for (const [arena, first, some] of this.#byArena(lba, count)) {
      const reader = { memory: this.#memory, arena, sectorSize: this.#sectorSize, signal, refuseClosed, onBytes };
      await readAhead(reader, first, some, target, at);
      at += some * this.#sectorSize;
    }
  }

  /** {@link close}, once no {@link readAsync} is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs.whenIdle(() => this.close());
  }

  protected override _read(lba: number, count: number, target: Uint8Array): void {
    if (this.#only !== undefined) {
      this.#only.read(lba, count, target, 0);
      return;
    }
    let at = 0;
    for (const [arena, first, some] of this.#byArena(lba, count)) {
      arena.read(first, some, target, at);
      at += some * this.#sectorSize;
    }
  }

  /** Durable with `fua` or without. */
  protected override _write(lba: number, count: number, source: Uint8Array): void {
    try {
      if (this.#only !== undefined) {
        this.#only.write(lba, count, source, 0);
        return;
      }
      let at = 0;
      for (const [arena, first, some] of this.#byArena(lba, count)) {
        arena.write(first, some, source, at);
        at += some * this.#sectorSize;
      }
    } finally {
      this.#afterChange();
    }
  }

  /** Makes the zeroes of {@link writeZeroes} and {@link discard} durable; writes are already. */
  protected override _flush(): void {
    this.#memory.drain();
  }

  protected override _discard(lba: number, count: number): void {
    this.#zero('discard', lba, count);
  }

  protected override _writeZeroes(lba: number, count: number, fua: boolean): void {
    this.#zero('writeZeroes', lba, count);
    if (fua) this.#memory.drain();
  }

  protected override _hasEnded(): boolean {
    return isClosed(this.#memory);
  }

  protected override _close(): void {
    this.#isClosed = true;
    const changing = this.#arenas.find(({ mayBeChanging }) => mayBeChanging);
    // Where the memory called this in the middle of a write, that write ends before another BTT may be opened, and ends the claim.
    if (changing === undefined) this.#claim.end();
    else changing.whenUnchanging(() => this.#claim.end());
  }

  /** Ends the claim of a BTT that its own memory closed in the middle of the change. */
  #afterChange(): void {
    if (this.#isClosed) this.#claim.end();
  }

  #zero(operation: string, lba: number, count: number): void {
    if (this.#sectorSize < LEAST_MARKED_BYTES) {
      this.#writeZeroBytes(operation, lba, count);
      return;
    }
    try {
      for (const [arena, first, some] of this.#byArena(lba, count)) arena.zero(first, some);
    } finally {
      this.#afterChange();
    }
  }

  #writeZeroBytes(operation: string, lba: number, count: number): void {
    const most = Math.floor(ZEROES_BYTES / this.#sectorSize);
    const zeroes = new Uint8Array(Math.min(count, most) * this.#sectorSize);
    for (let done = 0; done < count; done += most) {
      const some = Math.min(most, count - done);
      if (done > 0) this._refuseClosed(operation);
      this._write(lba + done, some, zeroes.subarray(0, some * this.#sectorSize));
    }
  }

  /** A range by arenas: the arena, and the range in it. */
  *#byArena(lba: number, count: number): Generator<[arena: Arena, first: number, count: number]> {
    const end = lba + count;
    for (const [i, arena] of this.#arenas.entries()) {
      const base = this.#bases[i] as number;
      const from = Math.max(lba, base);
      const to = Math.min(end, base + arena.sectorCount);
      if (from < to) yield [arena, from - base, to - from];
    }
  }
}

interface Opened {
  readonly info: BttInfo;
  readonly arenas: readonly Arena[];
  /** The device's number of the first sector of each arena. */
  readonly bases: readonly number[];
  readonly readOnly: boolean;
  readonly claim: Claim;
}

function basesOf({ arenas }: Discovery): number[] {
  let count = 0;
  return arenas.map(({ info }) => {
    count += info.sectorCount;
    return count - info.sectorCount;
  });
}

/** Looks at everything before it stores anything. */
function opened(
  memory: Memory,
  readOnly: boolean,
  verify: boolean | undefined,
): Pick<Opened, 'info' | 'arenas' | 'bases'> {
  const seen = look('open', memory);
  const isThorough = verify ?? mapBytes(seen.discovery) <= VERIFIED_BYTES;
  const { discovery, flogs, problems } = isThorough ? runSteps(examine(memory, seen)) : seen;
  const dangers = problems.filter(isDangerous);
  if (discovery.arenas.length === 0 || (!readOnly && dangers.length > 0)) throw new BttCorruptError('open', dangers);
  const bases = basesOf(discovery);
  const arenas = discovery.arenas.map((found, i) => new Arena(memory, found, flogs[i] as FlogFindings, bases[i]));
  if (!readOnly) for (const [i, arena] of arenas.entries()) arena.recover(flogs[i] as FlogFindings);
  return { info: describe(discovery, problems), arenas, bases };
}

/** The open ends of a copy: offsets are from where the copy begins. */

import { close, closeSync, constants, fstatSync, fsync, openSync, read, readSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { type HeldLock, native } from '../../binding.js';
import { systemError } from '../../errors.js';
import { inspect, openMappable } from '../../memory/backing.js';
import { lockRange } from '../../memory/lock/acquire.js';
import { refuseInUse } from '../../memory/lock/in-use.js';
import type { WriteMode } from '../../memory/memory.js';
import { syncDirectory, takeExisting } from '../../memory/region/create.js';
import { taken } from '../../memory/region/new-file.js';
import { DEFAULT_MODE, type RegionOptions } from '../../memory/region/options.js';
import { Region } from '../../memory/region/region.js';

const [closeFd, readFd, writeFd, syncFd] = [promisify(close), promisify(read), promisify(write), promisify(fsync)];

/** Which bytes of a device; the sizes are in bytes. */
export interface MemoryRange {
  readonly start: number;
  readonly length: number;
  /** In which the device is mapped. */
  readonly unit: number;
  /** Of the whole device; undefined for physical memory. */
  readonly size: number | undefined;
}

/** Bytes of pages whose faults are so few that they cost nothing. */
const LARGE = 2 * 2 ** 20;

/** Mapped memory. */
export class MemoryEnd {
  readonly #region: Region;
  readonly #base: number;
  readonly #populates: boolean;

  /** Maps the range, and what is left and right of it up to the unit's borders. */
  constructor(path: string, { start, length, unit, size }: MemoryRange, options: RegionOptions) {
    const from = start - (start % unit);
    const to = Math.min(Math.ceil((start + length) / unit) * unit, size ?? Number.MAX_SAFE_INTEGER);
    this.#region = Region.open(path, { ...options, offset: from, length: to - from });
    this.#base = start - from;
    this.#populates = unit < LARGE;
  }

  /** What is stored here and persisted survives power-off. */
  get durable(): boolean {
    return !this.#region.durability.volatile;
  }

  view(at: number, length: number): Buffer {
    return this.#region.view(this.#base + at, length);
  }

  /** Brings small pages in, which is much faster than to have each touch fault. */
  async populate(at: number, length: number): Promise<void> {
    if (this.#populates) await this.#region.populateAsync(this.#base + at, length);
  }

  /** Copies in, durable on return where that is possible at all. */
  async write(at: number, source: Uint8Array): Promise<void> {
    await this.#region.writeAsync(this.#base + at, source, this.#mode);
  }

  async zero(at: number, length: number): Promise<void> {
    await this.#region.fillAsync(this.#base + at, length, 0, this.#mode);
  }

  /** Makes durable what was stored through a view. */
  async persist(at: number, length: number): Promise<void> {
    if (this.durable) await this.#region.persistAsync(this.#base + at, length);
  }

  async read(at: number, target: Buffer): Promise<number> {
    await this.#region.readAsync(this.#base + at, target);
    return target.length;
  }

  /** It is a device, and reading it changes nothing: registers of a PCI device can. */
  get canPeek(): boolean {
    return this.#region.kind !== 'pci';
  }

  /** Fills the target at once. */
  peek(at: number, target: Uint8Array): void {
    this.#region.read(this.#base + at, target);
  }

  async close(): Promise<void> {
    this.#region.close();
  }

  get #mode(): WriteMode {
    return this.durable ? 'persist' : 'store';
  }
}

/**
 * Keeps others from what is going to be written to: a block device is locked and claimed, as a region is. A file is not, but one
 * that the kernel uses as a device is refused like that device.
 */
function claim(fd: number, path: string, begin: number, length: number): HeldLock | undefined {
  const backing = inspect(fd, path);
  const held = backing.kind === 'block' && length > 0 ? lockRange(fd, backing, begin, begin + length, true) : undefined;
  try {
    refuseInUse(backing, held !== undefined);
    return held;
  } catch (error) {
    if (held !== undefined) native.unlock(held);
    throw error;
  }
}

/** A regular file or a block device. */
export class FileEnd {
  readonly #fd: number;
  readonly #path: string;
  readonly #base: number;
  readonly #made: boolean;
  readonly #lock: HeldLock | undefined;
  readonly #isDevice: boolean;

  private constructor(fd: number, path: string, base: number, made: boolean, lock: HeldLock | undefined) {
    this.#fd = fd;
    this.#path = path;
    this.#base = base;
    this.#made = made;
    this.#lock = lock;
    this.#isDevice = fstatSync(fd).isBlockDevice();
  }

  /** A file to copy from. */
  static read(path: string, base: number): FileEnd {
    return new FileEnd(openMappable(path, constants.O_RDONLY), path, base, false, undefined);
  }

  /**
   * A file to copy to: the one that was looked at, unless a stranger can have put it there, or one that is made.
   *
   * @param range what is going to be written, in bytes
   * @param flags of open(2), for what is to be done with it
   * @param missing nothing was there; what is by now is refused (`EEXIST`), as it was not looked at
   * @throws PmemError `EBUSY` for storing to what is mounted or otherwise used
   */
  static write(path: string, range: { base: number; length: number }, flags: number, missing: boolean): FileEnd {
    const there = missing ? undefined : takeExisting(path, flags);
    const fd = there ?? FileEnd.#make(path, flags);
    try {
      const held = claim(fd, path, range.base, range.length);
      return new FileEnd(fd, path, range.base, there === undefined, held);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  static #make(path: string, flags: number): number {
    try {
      return openSync(path, flags | constants.O_CREAT | constants.O_EXCL, DEFAULT_MODE);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw systemError(error, path);
      // A link that leads nowhere is told as such.
      const there = takeExisting(path, flags);
      if (there !== undefined) closeSync(there);
      throw taken(path);
    }
  }

  /** What was synced survives power-off. */
  get durable(): boolean {
    return inspect(this.#fd, this.#path).below?.state !== 'volatile';
  }

  /** Fills the target as far as the file goes; returns the bytes. */
  async read(at: number, target: Buffer): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#call(this.#readSome(target, done, this.#base + at + done));
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  /** Node makes an interrupted read an error, and only that. */
  async #readSome(target: Buffer, done: number, position: number): Promise<{ bytesRead: number }> {
    for (;;) {
      try {
        return await readFd(this.#fd, target, done, target.length - done, position);
      } catch (error) {
        if ((error as { code?: string }).code !== 'EINTR') throw error;
      }
    }
  }

  async write(at: number, source: Buffer): Promise<void> {
    for (let done = 0; done < source.length; ) {
      const place = this.#base + at + done;
      done += (await this.#call(writeFd(this.#fd, source, done, source.length - done, place))).bytesWritten;
    }
  }

  /** It is a device, and not a regular file. */
  get canPeek(): boolean {
    return this.#isDevice;
  }

  /** Fills the target at once, as far as the device goes. */
  peek(at: number, target: Uint8Array): void {
    try {
      readSync(this.#fd, target, 0, target.length, this.#base + at);
    } catch (error) {
      throw systemError(error, this.#path);
    }
  }

  async sync(): Promise<void> {
    await this.#call(syncFd(this.#fd));
    if (this.#made) syncDirectory(dirname(this.#path));
  }

  async close(): Promise<void> {
    if (this.#lock !== undefined) native.unlock(this.#lock);
    await closeFd(this.#fd);
  }

  async #call<Result>(call: Promise<Result>): Promise<Result> {
    try {
      return await call;
    } catch (error) {
      // The kernel copies from and to mapped memory, and tells no more when that is gone.
      const advice = 'The memory on the other side is corrupt, or gone';
      throw systemError(error, this.#path, (error as { code?: string }).code === 'EFAULT' ? advice : undefined);
    }
  }
}

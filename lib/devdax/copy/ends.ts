/** The open ends of a copy: offsets are from where the copy begins. */

import { close, fsync, open, read, write } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { systemError } from '../../errors.js';
import { inspect } from '../../memory/backing.js';
import { syncDirectory } from '../../memory/create.js';
import type { WriteMode } from '../../memory/memory.js';
import type { RegionOptions } from '../../memory/options.js';
import { Region } from '../../memory/region.js';

const [openFd, closeFd, readFd, writeFd, syncFd] = [
  promisify(open),
  promisify(close),
  promisify(read),
  promisify(write),
  promisify(fsync),
];

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
    await this.#region.writeAsync(this.#base + at, source, { mode: this.#mode });
  }

  async zero(at: number, length: number): Promise<void> {
    await this.#region.fillAsync(this.#base + at, length, 0, { mode: this.#mode });
  }

  /** Makes durable what was stored through a view. */
  async persist(at: number, length: number): Promise<void> {
    if (this.durable) await this.#region.persistAsync(this.#base + at, length);
  }

  async read(at: number, target: Buffer): Promise<number> {
    await this.#region.readAsync(this.#base + at, target);
    return target.length;
  }

  async close(): Promise<void> {
    this.#region.close();
  }

  get #mode(): WriteMode {
    return this.durable ? 'persist' : 'store';
  }
}

/** A regular file or a block device. */
export class FileEnd {
  readonly #fd: number;
  readonly #path: string;
  readonly #base: number;
  readonly #made: boolean;

  private constructor(fd: number, path: string, base: number, made: boolean) {
    this.#fd = fd;
    this.#path = path;
    this.#base = base;
    this.#made = made;
  }

  /** @param made it was not there before: its name has to be made durable too */
  static async open(path: string, base: number, flags: number, made = false): Promise<FileEnd> {
    try {
      return new FileEnd(await openFd(path, flags, 0o666), path, base, made);
    } catch (error) {
      throw systemError(error, path);
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
      const { bytesRead } = await this.#call(
        readFd(this.#fd, target, done, target.length - done, this.#base + at + done),
      );
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(at: number, source: Buffer): Promise<void> {
    for (let done = 0; done < source.length; ) {
      const place = this.#base + at + done;
      done += (await this.#call(writeFd(this.#fd, source, done, source.length - done, place))).bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await this.#call(syncFd(this.#fd));
    if (this.#made) syncDirectory(dirname(this.#path));
  }

  async close(): Promise<void> {
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

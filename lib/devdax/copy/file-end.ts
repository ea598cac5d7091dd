/** An end of a copy that is a regular file or a block device: read and written by system calls, at any place. */

import { close, closeSync, constants, fsync, openSync, read, readSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { type HeldLock, native } from '../../binding.js';
import { systemError } from '../../errors.js';
import { type Backing, inspect } from '../../memory/backing.js';
import { contentsOf } from '../../memory/contents.js';
import { lockRange } from '../../memory/lock/acquire.js';
import { refuseInUse } from '../../memory/lock/in-use.js';
import { syncDirectory, takeExisting } from '../../memory/region/create.js';
import { taken } from '../../memory/region/new-file.js';
import { DEFAULT_MODE } from '../../memory/region/options.js';
import type { End } from './end.js';

const [closeFd, readFd, writeFd, syncFd] = [promisify(close), promisify(read), promisify(write), promisify(fsync)];

/** A descriptor, and what it is open on. */
export interface OpenFile {
  readonly fd: number;
  readonly backing: Backing;
  readonly identity: string;
}

/**
 * Keeps others from what is going to be written to: a block device is locked and claimed, as by a region. A file is not, but a file
 * that the kernel uses as a device is refused like that device.
 */
function claim({ fd, backing }: Pick<OpenFile, 'fd' | 'backing'>, begin: number, length: number): HeldLock | undefined {
  const held = backing.kind === 'block' && length > 0 ? lockRange(fd, backing, begin, begin + length, true) : undefined;
  try {
    refuseInUse(backing, held !== undefined);
    return held;
  } catch (error) {
    if (held !== undefined) native.unlock(held);
    throw error;
  }
}

/** Creates a file that did not exist; what is at the path by now is refused (`EEXIST`), as it was not looked at. */
function create(path: string, flags: number): number {
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

/** A regular file or a block device; or a file that is created when the copy begins. */
export class FileEnd implements End {
  readonly kind = 'file';
  readonly keepsBytes = false;
  readonly #path: string;
  /** Undefined: it does not exist yet. */
  #file: OpenFile | undefined;
  /** How it is opened to be created. */
  readonly #flags: number;
  readonly #isWritten: boolean;
  #isNew = false;
  #base = 0;
  #lock: HeldLock | undefined;

  private constructor(path: string, file: OpenFile | undefined, isWritten: boolean, flags: number) {
    this.#path = path;
    this.#file = file;
    this.#isWritten = isWritten;
    this.#flags = flags;
  }

  /** To copy from. It owns the descriptor from now on. */
  static reading(path: string, file: OpenFile): FileEnd {
    return new FileEnd(path, file, false, constants.O_RDONLY);
  }

  /** To copy to. It owns the descriptor from now on. Undefined: the file is created, with these flags of open(2). */
  static writing(path: string, file: OpenFile | undefined, flags: number): FileEnd {
    return new FileEnd(path, file, true, flags);
  }

  get size(): number | undefined {
    return this.#file === undefined ? 0 : this.#file.backing.size;
  }

  get identity(): string | undefined {
    return this.#file?.identity;
  }

  get grows(): boolean {
    return this.#file?.backing.kind !== 'block';
  }

  /**
   * @throws PmemError `EBUSY` for writing to what is mounted or otherwise used, `ERR_PMEM_LOCKED` for a block device that another process
   *   has locked
   */
  async begin(base: number, length: number): Promise<void> {
    this.#base = base;
    if (this.#file === undefined) {
      const fd = create(this.#path, this.#flags);
      this.#isNew = true;
      // Until it was inspected nothing else closes it.
      try {
        this.#file = { fd, backing: inspect(fd, this.#path), identity: '' };
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    }
    if (this.#isWritten) this.#lock = claim(this.#file, base, length);
  }

  get #fd(): number {
    return this.#file?.fd ?? -1;
  }

  /** Of a block device. */
  contents(length: number): string | undefined {
    if (this.#file?.backing.kind !== 'block') return undefined;
    const peek = (offset: number, target: Uint8Array): void => {
      try {
        readSync(this.#fd, target, 0, target.length, this.#base + offset);
      } catch (error) {
        throw systemError(error, this.#path);
      }
    };
    return contentsOf({ size: length, read: peek });
  }

  async window(): Promise<undefined> {
    return undefined;
  }

  async read(offset: number, target: Buffer): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#call(this.#readSome(target, done, this.#base + offset + done));
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  /** Node.js reports an interrupted read as an error. */
  async #readSome(target: Buffer, done: number, position: number): Promise<{ bytesRead: number }> {
    for (;;) {
      try {
        return await readFd(this.#fd, target, done, target.length - done, position);
      } catch (error) {
        if ((error as { code?: string }).code !== 'EINTR') throw error;
      }
    }
  }

  async write(offset: number, source: Buffer): Promise<void> {
    for (let done = 0; done < source.length; ) {
      const place = this.#base + offset + done;
      done += (await this.#call(writeFd(this.#fd, source, done, source.length - done, place))).bytesWritten;
    }
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.write(offset, Buffer.alloc(length));
  }

  async settle(): Promise<void> {}

  async finish(): Promise<boolean> {
    await this.#call(syncFd(this.#fd));
    if (this.#isNew) syncDirectory(dirname(this.#path));
    return this.#file?.backing.below?.state !== 'volatile';
  }

  async close(): Promise<void> {
    if (this.#lock !== undefined) native.unlock(this.#lock);
    if (this.#file !== undefined) await closeFd(this.#file.fd);
  }

  async #call<Result>(call: Promise<Result>): Promise<Result> {
    try {
      return await call;
    } catch (error) {
      // The kernel copies from and to mapped memory, and says no more when that is gone.
      const advice = 'The memory of the other end is corrupt, or gone';
      throw systemError(error, this.#path, (error as { code?: string }).code === 'EFAULT' ? advice : undefined);
    }
  }
}

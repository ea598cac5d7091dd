/**
 * A file that gets its name last. Until then nobody else can have opened it, so that it can go again without a question; and a
 * crash leaves all of it or nothing.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, constants, existsSync, fstatSync, linkSync, openSync, unlinkSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname, join } from 'node:path';
import { native } from '../../binding.js';
import { errorName, PmemError, systemError } from '../../errors.js';
import { linkTo } from '../../linux/open.js';

const { EEXIST, EISDIR, ESTALE } = osConstants.errno;
/** open(2): a file of the directory's file system, without a name. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** Of a file system that has no such call, and of a security module that forbids it. */
const REFUSALS: readonly string[] = ['EACCES', 'EINVAL', 'ENOSYS', 'EOPNOTSUPP', 'EPERM', 'EXDEV'];

/** What a new name in a directory came to; `impossible`: this file system has no way that harms nobody else's file. */
export type Naming = 'done' | 'taken' | 'impossible';

/** The name was there when a new file was to have it. */
export function taken(path: string): PmemError {
  const message = `EEXIST: '${path}' is there already; choose another path, or leave exclusive out to take what is there`;
  return new PmemError('EEXIST', message, { errno: EEXIST, path });
}

/** Of node:fs and of the addon, whose errors have no name. */
function codeOf(error: unknown): string {
  return errorName(Math.abs((error as { errno?: number }).errno ?? 0));
}

/** Makes the file under its own name, empty; false where something is there. */
export function makeInPlace(path: string, mode: number): boolean {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, mode));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw systemError(error, path);
  }
}

/** A name beside the file's that nobody knows. */
function someName(path: string): string {
  return join(dirname(path), `.pmem-${randomBytes(8).toString('hex')}`);
}

export class NewFile {
  readonly path: string;
  #fd: number;
  /** The name that it has for the time being. */
  #name: string | undefined;

  private constructor(path: string, fd: number, name: string | undefined) {
    this.path = path;
    this.#fd = fd;
    this.#name = name;
  }

  /**
   * An empty file, which is not at the path yet. Undefined: none can be made but at the path, if that; making one there tells why.
   *
   * @param unnamed make it without any name, where that is possible; else it has one that nobody knows
   */
  static make(path: string, mode: number, unnamed: boolean): NewFile | undefined {
    if (/(^|\/)\.{0,2}$/.test(path)) {
      throw new PmemError('EISDIR', `EISDIR: '${path}' names a directory; name a file in it`, { errno: EISDIR, path });
    }
    // Without /proc the file could not be given a name.
    if (unnamed && existsSync(linkTo(0).replace(/\/0$/, ''))) {
      try {
        return new NewFile(path, openSync(dirname(path), O_TMPFILE | constants.O_RDWR, mode), undefined);
      } catch {
        // Not on this file system; or the directory is at fault, which making a name in it will tell.
      }
    }
    const name = someName(path);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    try {
      return new NewFile(path, openSync(name, flags, mode), name);
    } catch {
      // A directory that may not be written, or a security module that knows just the one name.
      return undefined;
    }
  }

  /** Where it is; undefined while it has no name. */
  get at(): string | undefined {
    return this.#name;
  }

  /** Its descriptor, another one once it has a name: what is mapped is listed under the name that its descriptor was opened by. */
  get fd(): number {
    return this.#fd;
  }

  /** Gives it a name that nobody knows, to be exchanged for its own. False where a security module forbids that. */
  name(): boolean {
    if (this.#name !== undefined) return true;
    const name = someName(this.path);
    try {
      native.link(this.#fd, name);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' || REFUSALS.includes(code)) return false;
      throw systemError(error, this.path);
    }
    this.#name = name;
    this.#reopen(name);
    return true;
  }

  #reopen(name: string): void {
    let fd: number;
    try {
      fd = openSync(name, constants.O_RDWR | constants.O_NOFOLLOW);
    } catch (error) {
      // The permissions that it was given may keep even its owner from opening it.
      if (codeOf(error) === 'EACCES') return;
      throw systemError(error, this.path);
    }
    const [mine, there] = [fstatSync(this.#fd, { bigint: true }), fstatSync(fd, { bigint: true })];
    if (mine.dev !== there.dev || mine.ino !== there.ino) {
      closeSync(fd);
      const message = `ESTALE: somebody replaces files in the directory of '${this.path}' while they are made`;
      throw new PmemError('ESTALE', message, { errno: ESTALE, path: this.path });
    }
    closeSync(this.#fd);
    this.#fd = fd;
  }

  /** Gives it its own name, unless something else has it. From then on it is not taken back: others may have opened it. */
  publish(): Naming {
    const name = this.#name;
    if (name === undefined) return 'impossible';
    try {
      native.renameNew(name, this.path);
      this.#name = undefined;
      return 'done';
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return 'taken';
      if (!REFUSALS.includes(codeOf(error))) throw systemError(error, this.path);
    }
    try {
      linkSync(name, this.path);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EEXIST') return 'taken';
      if (REFUSALS.includes(code)) return 'impossible';
      throw systemError(error, this.path);
    }
    this.#removeName();
    return 'done';
  }

  /** Removes it, unless it has its own name. The descriptor stays open. */
  drop(): void {
    this.#removeName();
  }

  #removeName(): void {
    const name = this.#name;
    this.#name = undefined;
    try {
      if (name !== undefined) unlinkSync(name);
    } catch {
      // What went wrong before is what the user needs to know.
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/**
 * A new file that gets its name last. Until then nobody else can have opened it, so that it can be dropped without a question, and a
 * crash leaves all of it or nothing.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, constants, existsSync, fstatSync, linkSync, openSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { native } from '../../binding.js';
import { errorName, type PmemError, posixError, systemError } from '../../errors.js';
import { linkTo } from '../../linux/open.js';

/** open(2): a file of the directory's file system, without a name. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** Codes of a file system that has no such call, and of a security module that forbids it. */
const REFUSALS: readonly string[] = ['EACCES', 'EINVAL', 'ENOSYS', 'EOPNOTSUPP', 'EPERM', 'EXDEV'];

/** The outcome of making a name in a directory. `impossible`: this file system has no way that cannot harm somebody else's file. */
export type Naming = 'done' | 'taken' | 'impossible';

/** The error for a path that is taken already. */
export function taken(path: string): PmemError {
  return posixError('EEXIST', `'${path}' exists; choose another path, or leave exclusive out to use the file`, {
    path,
  });
}

/** The POSIX name of an error of node:fs or of the addon, whose errors have only a number. */
function codeOf(error: unknown): string {
  return errorName(Math.abs((error as { errno?: number }).errno ?? 0));
}

/** Makes the file under its own name, empty. Returns false where something is there. */
export function makeInPlace(path: string, mode: number): boolean {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, mode));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw systemError(error, path);
  }
}

/** A name in the file's directory that nobody can guess. */
function someName(path: string): string {
  return join(dirname(path), `.pmem-${randomBytes(8).toString('hex')}`);
}

export class NewFile {
  readonly path: string;
  #fd: number;
  /** Its temporary name. */
  #name: string | undefined;

  private constructor(path: string, fd: number, name: string | undefined) {
    this.path = path;
    this.#fd = fd;
    this.#name = name;
  }

  /**
   * An empty file, which is not at the path yet. Undefined: a file can be made only at the path, if at all; making it there tells why.
   *
   * @param unnamed without any name, where that is possible; else it has a temporary one
   */
  static make(path: string, mode: number, unnamed: boolean): NewFile | undefined {
    if (/(^|\/)\.{0,2}$/.test(path)) {
      throw posixError('EISDIR', `'${path}' names a directory; name a file in it`, { path });
    }
    // Without /proc the file could not be given a name.
    if (unnamed && existsSync(linkTo(0).replace(/\/0$/, ''))) {
      try {
        return new NewFile(path, openSync(dirname(path), O_TMPFILE | constants.O_RDWR, mode), undefined);
      } catch {
        // Not on this file system; or the directory is at fault, which a file with a name will tell.
      }
    }
    const name = someName(path);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    try {
      return new NewFile(path, openSync(name, flags, mode), name);
    } catch {
      // A directory that may not be written to, or a security module that allows only the one name.
      return undefined;
    }
  }

  /** Its temporary name; undefined while it has none. */
  get at(): string | undefined {
    return this.#name;
  }

  /** Its descriptor, which is another one once it has a name: /proc lists a mapping under the name that its descriptor was opened by. */
  get fd(): number {
    return this.#fd;
  }

  /** Gives it a temporary name, to be exchanged for its own. Returns false where a security module forbids that. */
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
      // Its permissions may keep even its owner from opening it.
      if (codeOf(error) === 'EACCES') return;
      throw systemError(error, this.path);
    }
    const [mine, there] = [fstatSync(this.#fd, { bigint: true }), fstatSync(fd, { bigint: true })];
    if (mine.dev !== there.dev || mine.ino !== there.ino) {
      closeSync(fd);
      const sentence = `somebody replaces files in the directory of '${this.path}' while they are made`;
      throw posixError('ESTALE', sentence, { path: this.path });
    }
    closeSync(this.#fd);
    this.#fd = fd;
  }

  /** Gives it its own name, unless something else has that. It is not taken back afterwards: others may have opened it. */
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
      // The user needs to know what went wrong before.
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The file of an emulated device, where it is to be made: refused before it is, and taken back when the device does not come about. */

import { closeSync, constants, openSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname } from 'node:path';
import { type HeldLock, native } from '../binding.js';
import { systemError } from '../errors.js';
import { type Backing, inspect } from '../memory/backing.js';
import { giveSize, isStillThere, type OpenedFile, openFile, sizeMismatch, undo } from '../memory/create.js';
import { explain, probeSync } from '../memory/explain.js';
import { lockRange } from '../memory/lock.js';
import { faultKind, hindrance, noGuarantee } from './granularity.js';
import type { CheckedOpen } from './options.js';
import { sourceOf } from './sources.js';

const { EOPNOTSUPP } = osConstants.errno;
/** As of `Region.open`. */
const MODE = 0o666;

/** A file with its size and blocks, locked until it is kept or taken back; one of the two has to be called, once. */
export interface MadeFile {
  readonly fd: number;
  keep(): void;
  /** Removes it if it was made, empties it if it was empty. */
  takeBack(): void;
}

/** What a new file at the path would be, by the file system of its directory. */
function imagined(path: string): { backing: Backing; syncErrno: number } {
  const { fileSystem, durability } = explain(dirname(path));
  const pageSize = fileSystem?.type === 'hugetlbfs' ? fileSystem.blockSize : native.pageSize();
  const identity = { dev: 0n, ino: 0n };
  const backing = { kind: 'file', path, size: 0, pageSize, fileSystem, device: undefined, identity } as const;
  return { backing, syncErrno: durability.mapSync ? 0 : EOPNOTSUPP };
}

/** What is at the path, or undefined. */
function present(path: string): { backing: Backing; syncErrno: number } | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw systemError(error, path);
  }
  try {
    const backing = inspect(fd, path);
    return { backing, syncErrno: probeSync(fd, backing) };
  } finally {
    closeSync(fd);
  }
}

/** Everything that can be known to be refused before anything is made. */
function check({ backing, syncErrno }: { backing: Backing; syncErrno: number }, options: CheckedOpen): void {
  const { offset, size = 0 } = options;
  const { path } = backing;
  const there = backing.size === 0 ? offset + size : backing.size;
  if (backing.kind === 'file' && there !== offset + size) throw sizeMismatch(path, there ?? 0, offset + size);
  const source = sourceOf({ ...backing, size: there }, options);
  const reason = hindrance(backing, faultKind(backing, syncErrno), source.align);
  if (reason !== undefined && !options.emulate) throw noGuarantee(path, source.align, reason);
}

/** The lock on the bytes of the device to be; undefined: none is wanted. Who has them may be about to give the file its contents. */
function lock(file: OpenedFile, path: string, { offset, size = 0, shared }: CheckedOpen): HeldLock | undefined {
  if (shared) return undefined;
  try {
    return lockRange(file.fd, inspect(file.fd, path), offset, offset + size, true);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_PMEM_LOCKED') undo(file, path);
    throw error;
  }
}

/** Makes it, or takes what is there; undefined: it was deleted meanwhile. */
function attempt(path: string, options: CheckedOpen): MadeFile | undefined {
  const { offset, size = 0 } = options;
  const file = openFile(path, { create: true, readOnly: false, mode: MODE });
  const { fd } = file;
  let held: HeldLock | undefined;
  const end = () => {
    if (held !== undefined) native.unlock(held);
    closeSync(fd);
  };
  try {
    held = lock(file, path, options);
    if (!isStillThere(file, path)) {
      end();
      return undefined;
    }
    giveSize(file, path, offset + size, false);
  } catch (error) {
    if (held !== undefined) undo(file, path);
    end();
    throw error;
  }
  const takeBack = () => {
    undo(file, path);
    end();
  };
  return { fd, keep: end, takeBack };
}

/**
 * The file of a device that is opened with `create`; undefined where a device is there, of which nothing is made.
 *
 * @throws PmemError, RangeError as `DaxDevice.open`; nothing is left then that was not there
 */
export function makeFile(path: string, options: CheckedOpen): MadeFile | undefined {
  const found = present(path);
  check(found ?? imagined(path), options);
  if (found !== undefined && found.backing.kind !== 'file') return undefined;
  for (;;) {
    const made = attempt(path, options);
    if (made !== undefined) return made;
  }
}

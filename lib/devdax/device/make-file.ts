/** Makes the file of an emulated device: refuses what can be refused before it exists, and names it once the device is open. */

import { closeSync, constants, fstatSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname } from 'node:path';
import { type HeldLock, native } from '../../binding.js';
import { type Backing, inspect, openDescriptor } from '../../memory/backing.js';
import { explain } from '../../memory/durability/explain.js';
import { probeSync } from '../../memory/durability/probe.js';
import { lockRange } from '../../memory/lock/acquire.js';
import {
  fillNew,
  giveBlocks,
  grow,
  isStillThere,
  settle,
  sizeMismatch,
  takeExisting,
} from '../../memory/region/create.js';
import { makeInPlace, NewFile } from '../../memory/region/new-file.js';
import { isTaken } from '../../memory/region/strangers.js';
import type { CheckedOpen } from '../options.js';
import { faultKind, hindrance, noGuarantee } from './granularity.js';
import { sourceOf } from './sources.js';

const { EOPNOTSUPP } = osConstants.errno;

/** A file with its size and blocks. Either `keep` or `drop` has to be called, once. */
export interface MadeFile {
  readonly fd: number;
  /** Its path until it is kept. */
  readonly at: string;
  /** Gives the file its path. False: another file has that path by now, and this one is gone. */
  keep(): boolean;
  /** Removes a file that was made. One that existed before stays, with the blocks that it was given: others may have opened it. */
  drop(): void;
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
    fd = openDescriptor(path, false);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const backing = inspect(fd, path);
    return { backing, syncErrno: probeSync(fd, backing) };
  } finally {
    closeSync(fd);
  }
}

/** Refuses all that can be refused before anything is made. */
function check({ backing, syncErrno }: { backing: Backing; syncErrno: number }, options: CheckedOpen): void {
  const { offset, size = 0 } = options;
  const { path } = backing;
  const there = backing.size === 0 ? offset + size : backing.size;
  if (backing.kind === 'file' && there !== offset + size) throw sizeMismatch(path, there ?? 0, offset + size);
  const source = sourceOf({ ...backing, size: there }, options);
  const reason = hindrance(backing, faultKind(backing, syncErrno), source.align);
  if (reason !== undefined && !options.emulate) throw noGuarantee(path, source.align, reason);
}

/** Takes a file that exists, locked until it is kept or dropped; undefined: it was deleted meanwhile. */
function take(fd: number, path: string, { offset, size = 0, shared }: CheckedOpen): MadeFile | undefined {
  let held: HeldLock | undefined;
  const end = () => {
    if (held !== undefined) native.unlock(held);
    closeSync(fd);
  };
  try {
    if (!shared) held = lockRange(fd, inspect(fd, path), offset, offset + size, true);
    if (!isStillThere(fd, path)) {
      end();
      return undefined;
    }
    giveBlocks(fd, path, offset + size, false);
    if (fstatSync(fd).size === 0) grow(fd, path, offset + size);
  } catch (error) {
    end();
    throw error;
  }
  const keep = () => {
    end();
    return true;
  };
  return { fd, at: path, keep, drop: end };
}

/** Makes the file. Undefined: the path is taken by now; or the file system has no such way, which is noted in `ways`. */
function make(path: string, { offset, size = 0, mode, exclusive }: CheckedOpen, ways: Ways): MadeFile | undefined {
  const file = NewFile.make(path, mode, ways.unnamed);
  if (file === undefined) {
    ways.inPlace = true;
    return undefined;
  }
  const drop = () => {
    file.drop();
    file.close();
  };
  try {
    fillNew(file.fd, path, offset + size, false);
    ways.unnamed &&= file.name();
    if (file.at === undefined) {
      drop();
      return undefined;
    }
  } catch (error) {
    drop();
    // Another process that makes the same file may have got the room for it.
    if ((error as { code?: string }).code === 'ENOSPC' && !exclusive && isTaken(path)) return undefined;
    throw error;
  }
  const keep = () => {
    try {
      const naming = file.publish();
      ways.inPlace ||= naming === 'impossible';
      if (naming === 'done') settle(file.fd, path);
      return naming === 'done';
    } finally {
      drop();
    }
  };
  return { fd: file.fd, at: file.at, keep, drop };
}

/** How files can be made in this directory, as far as that is known. */
export interface Ways {
  /** Without a name at first. */
  unnamed: boolean;
  /** Only under their final name. */
  inPlace: boolean;
}

/**
 * The file of a device that is opened with `create`; undefined where a device is at the path, and nothing is made.
 *
 * @throws PmemError, RangeError as `DaxDevice.open`; a file that was made is gone then
 */
export function makeFile(path: string, options: CheckedOpen, ways: Ways): MadeFile | undefined {
  const found = options.exclusive ? undefined : present(path);
  check(found ?? imagined(path), options);
  if (found !== undefined && found.backing.kind !== 'file') return undefined;
  for (;;) {
    const mine = ways.inPlace && !isTaken(path) && makeInPlace(path, options.mode);
    const fd = takeExisting(path, constants.O_RDWR, options.exclusive && !mine);
    const made = fd === undefined ? make(path, options, ways) : take(fd, path, options);
    if (made !== undefined) return made;
  }
}

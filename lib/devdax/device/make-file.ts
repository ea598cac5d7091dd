/** The file of an emulated device, where it is to be made: refused before it is, and given its name when the device has come about. */

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

/** A file with its size and blocks; one of the two calls has to be made, once. */
export interface MadeFile {
  readonly fd: number;
  /** Where it is until it is kept. */
  readonly at: string;
  /** The file is at its path from then on. False: something else is by now, and the file is gone. */
  keep(): boolean;
  /** A file that was made goes. One that was there stays, with what it was given: others may have opened it. */
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

/** Takes what is there, locked until it is kept or dropped; undefined: it was deleted meanwhile. */
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

/** Makes it. Undefined: something is at the path by now; or the file system has no way to do it, for which `ways` is changed. */
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
    // Somebody who makes the same file may have had the room for it.
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

/** How files can be made here, as far as was found out. */
export interface Ways {
  /** Without any name at first. */
  unnamed: boolean;
  /** Only under its own name. */
  inPlace: boolean;
}

/**
 * The file of a device that is opened with `create`; undefined where a device is there, of which nothing is made.
 *
 * @throws PmemError, RangeError as `DaxDevice.open`; no file is left then that was not there
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

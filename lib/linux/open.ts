/**
 * Opens a file or device only after a look at it. Opening alone answers a FIFO's writer, starts a watchdog or rewinds a tape; open(2)
 * with O_PATH looks the path up and opens nothing.
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, type StatsFs, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { posixError, systemError } from '../errors.js';
import { checkLinks, type LinkRule } from './links.js';

/** fcntl.h; node:fs does not have it. */
const O_PATH = 0o10000000;
/** How often the path may lead elsewhere between the look and the opening. Only without /proc it can. */
const MOST_LOOKS = 100;

/** How {@link openSeen} opens. */
export interface Way {
  /** Of open(2). */
  readonly flags: number;
  /** Throws where the file must not be opened. The descriptor is good for fstat(2) only. */
  readonly check: (seen: number) => void;
  /** Which links may be followed. */
  readonly links?: LinkRule;
}

/** A path of the file that a descriptor is open on, whichever file has the old path now. */
export function linkTo(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** A descriptor with O_PATH on the file at the path, by links that may be followed. */
function look(path: string, links: LinkRule | undefined): number {
  const seen = openSync(path, O_PATH | constants.O_NOFOLLOW);
  if (!fstatSync(seen).isSymbolicLink()) return seen;
  closeSync(seen);
  checkLinks(path, links);
  return openSync(path, O_PATH);
}

function hasLink(fd: number): boolean {
  try {
    return lstatSync(linkTo(fd)).isSymbolicLink();
  } catch {
    return false;
  }
}

/** Opens the very file that was seen. Without /proc opens the path, and returns undefined where that is another file by now. */
function reopen(seen: number, path: string, flags: number): number | undefined {
  let fd: number;
  try {
    fd = openSync(linkTo(seen), flags);
  } catch (error) {
    if (hasLink(seen)) throw error;
    fd = openSync(path, flags | constants.O_NOCTTY);
  }
  const [was, is] = [fstatSync(seen, { bigint: true }), fstatSync(fd, { bigint: true })];
  if (was.dev === is.dev && was.ino === is.ino && was.rdev === is.rdev) return fd;
  closeSync(fd);
  return undefined;
}

/**
 * Looks at the file, and opens that file if it passes the check.
 *
 * @throws the errors of node:fs and of the check; `ESTALE` where the path leads to another file each time
 */
export function openSeen(path: string, { flags, check, links }: Way): number {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const seen = look(path, links);
    try {
      check(seen);
      const fd = reopen(seen, path, flags | constants.O_NONBLOCK);
      if (fd !== undefined) return fd;
    } finally {
      closeSync(seen);
    }
  }
  throw posixError('ESTALE', `'${path}' leads to another file each time`, { path });
}

/** A second descriptor on the file of the first, with an open file description of its own; the path is for messages. */
export function openAgain(fd: number, path: string, writable: boolean): number {
  try {
    const flags = (writable ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NONBLOCK;
    const own = reopen(fd, path, flags);
    if (own !== undefined) return own;
  } catch (error) {
    throw systemError(error, path);
  }
  throw posixError('ESTALE', `'${path}' is another file by now`, { path });
}

/** fstatfs(2), which node:fs does not have. Without /proc statfs(2) of the path, or of the directory of a file that has no name yet. */
export function fileSystemStatus(fd: number, path: string): StatsFs {
  for (const where of [linkTo(fd), path]) {
    try {
      return statfsSync(where);
    } catch {
      // The next one.
    }
  }
  return statfsSync(dirname(path));
}

/**
 * Who has a DAX device open or mapped. Taking its driver away takes the memory from under them, and Linux 6.1 panics when one
 * of their descriptors is closed after the device got a driver again, or was deleted (list corruption in cd_forget).
 */

import { type BigIntStats, closeSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type HeldLock, native } from '../binding.js';
import type { Host } from '../linux/host.js';
import { openDescriptor } from '../memory/backing.js';
import { isLocked } from '../memory/lock/error.js';
import type { Kernel } from './drivers.js';
import { busy } from './region/errors.js';

/** Bytes of a device. */
const EVERYTHING = [0, Number.MAX_SAFE_INTEGER];

type Is = (status: BigIntStats) => boolean;

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

/** A device is its number: it can have any number of files, under any names, in any container. */
function sameAs(path: string): Is | undefined {
  const mine = statOf(path);
  if (mine === undefined) return undefined;
  if (mine.isCharacterDevice()) return (other) => other.isCharacterDevice() && other.rdev === mine.rdev;
  return ({ dev, ino }) => dev === mine.dev && ino === mine.ino;
}

/** The descriptors of the process that are open on it. */
function descriptors(host: Host, pid: string, is: Is): string[] {
  const directory = join(host.proc, pid, 'fd');
  return entries(directory).filter((fd) => {
    const status = statOf(join(directory, fd));
    return status !== undefined && is(status);
  });
}

/** A DAX device is mapped shared only, and these are few; the links in map_files lead to the files themselves. */
function maps(host: Host, pid: string, path: string, is: Is | undefined): boolean {
  let text: string;
  try {
    text = readFileSync(join(host.proc, pid, 'maps'), 'utf8');
  } catch {
    return false; // gone, or another user's
  }
  for (const [, addresses = '', name] of text.matchAll(/^(\S+) ..[-x]s \S+ \S+ \d+ *(.*)$/gm)) {
    if (name === path) return true;
    const status = is === undefined ? undefined : statOf(join(host.proc, pid, 'map_files', addresses));
    if (status !== undefined && is?.(status) === true) return true;
  }
  return false;
}

/** This process's name in this /proc: its number there, which in another namespace's is not process.pid. */
function ownName(host: Host): string | undefined {
  try {
    return readlinkSync(join(host.proc, 'self'));
  } catch {
    return undefined;
  }
}

function uses(host: Host, name: string, path: string, is: Is | undefined): boolean {
  return (is !== undefined && descriptors(host, name, is).length > 0) || maps(host, name, path, is);
}

/** Numbers of other processes, as this /proc has them. */
function othersOf(path: string, host: Host): number[] {
  const is = sameAs(path);
  const own = ownName(host);
  return entries(host.proc)
    .filter((name) => /^\d+$/.test(name) && name !== own && uses(host, name, path, is))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Process ids, this process's among them, as far as this user may see. */
export function usersOf(path: string, host: Host): number[] {
  const own = uses(host, 'self', path, sameAs(path)) ? [Number(ownName(host) ?? process.pid)] : [];
  return [...own, ...othersOf(path, host)].sort((a, b) => a - b);
}

/** Regions of this package hold a lock, also those of processes that cannot be seen from here. */
function isLockedBySomebody(path: string): boolean {
  let fd: number;
  try {
    fd = openDescriptor(path, true);
  } catch {
    return false; // not there, or without a driver to open it with
  }
  try {
    native.unlock(native.lockAlone(fd, EVERYTHING));
    return false;
  } catch (error) {
    if (!isLocked(error)) throw error;
    return true;
  } finally {
    // Nothing of it may be open here either when the driver goes.
    closeSync(fd);
  }
}

/**
 * How the device is used, for the middle of a sentence: `is open in process 77`. Undefined when nobody has it open or mapped, in
 * this process or another, as far as this user may see.
 */
export function useOf(path: string, host: Host): string | undefined {
  const found = usersOf(path, host);
  if (found.length > 0) return `is open in process ${found.join(', ')}`;
  return isLockedBySomebody(path) ? 'is open somewhere, and locked' : undefined;
}

/** The descriptor here, and the lock's own. */
const OURS = 2;

/**
 * Runs what takes the driver from a device that nobody has open or mapped, and meanwhile keeps out who takes a lock, as
 * mappings of this package do. When it returns, nothing of it is open here any more: Linux 6.1 panics when a descriptor that
 * was open then is closed after the device got its driver back or was deleted (list corruption in cd_forget). For the same
 * reason, and because the kernel takes the memory from under whoever maps it, others are refused.
 *
 * @param verb what becomes of the device, for the refusal
 * @throws PmemError `EBUSY` with the processes that have it open or mapped
 */
export function withUnused(node: string, verb: string, { host }: Kernel, run: () => void): void {
  const name = node.replace(/.*\//, '');
  const fd = openDescriptor(node, true);
  try {
    const held = lockNode(fd, node, name, verb);
    try {
      const is = sameAs(node);
      const own = (is !== undefined && descriptors(host, 'self', is).length > OURS) || maps(host, 'self', node, is);
      const found = [...(own ? [process.pid] : []), ...othersOf(node, host)];
      if (found.length > 0) {
        const who = `is open in process ${found.join(', ')}`;
        throw busy(name, node, `${who}, which would get SIGBUS, and can't be ${verb}; close it there`);
      }
      run();
    } finally {
      native.unlock(held);
    }
  } finally {
    closeSync(fd);
  }
}

function lockNode(fd: number, node: string, name: string, verb: string): HeldLock {
  try {
    return native.lockAlone(fd, EVERYTHING);
  } catch (error) {
    if (!isLocked(error)) throw error;
    throw busy(name, node, `is open, and can't be ${verb}; close it first, in every process and thread`);
  }
}

/**
 * Who has a DAX device open or mapped. Taking its driver away takes the memory from under them, and Linux 6.1 panics when one
 * of their descriptors is closed after the device got a driver again, or was deleted (list corruption in cd_forget).
 */

import { closeSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../binding.js';
import { openDescriptor } from '../memory/backing.js';
import type { Host } from '../memory/host.js';
import { openers } from '../memory/lock-holders.js';
import { isLocked } from '../memory/locked.js';

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function maps(host: Host, pid: string, path: string): boolean {
  try {
    return readFileSync(join(host.proc, pid, 'maps'), 'utf8')
      .split('\n')
      .some((line) => line.endsWith(` ${path}`));
  } catch {
    return false; // gone, or another user's
  }
}

function opened(host: Host, path: string): number[] {
  try {
    const identity = statSync(path, { bigint: true });
    return openers(identity, host).map(({ pid }) => pid);
  } catch {
    return []; // no such file
  }
}

/** Process ids, this process's among them, as far as this user may see. */
export function usersOf(path: string, host: Host): number[] {
  const mapping = entries(host.proc)
    .filter((name) => /^(\d+|self)$/.test(name) && maps(host, name, path))
    .map((name) => (name === 'self' ? process.pid : Number(name)));
  return [...new Set([...opened(host, path), ...mapping])].sort((a, b) => a - b);
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
    native.unlock(native.lockAlone(fd, [0, Number.MAX_SAFE_INTEGER]));
    return false;
  } catch (error) {
    if (!isLocked(error)) throw error;
    return true;
  } finally {
    // Nothing of it may be open here either when the driver goes, not even for a lock.
    closeSync(fd);
  }
}

/**
 * How the device is used, for the middle of a sentence: `is open in process 77`. Undefined when nobody has it open or mapped, in
 * this process or another, as far as this user may see. Everything that takes a device from its driver asks this first.
 */
export function useOf(path: string, host: Host): string | undefined {
  const found = usersOf(path, host);
  if (found.length > 0) return `is open in process ${found.join(', ')}`;
  return isLockedBySomebody(path) ? 'is open somewhere, and locked' : undefined;
}

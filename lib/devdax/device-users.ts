/**
 * Which processes have a DAX device open or mapped. To unbind its driver takes the memory from them, and Linux 6.1 panics when one of
 * their descriptors is closed after the device got a driver again, or was deleted (list corruption in cd_forget).
 */

import { closeSync } from 'node:fs';
import { type HeldLock, native } from '../binding.js';
import { fileUsers } from '../linux/holders.js';
import type { Host } from '../linux/host.js';
import { openDescriptor } from '../memory/backing.js';
import { isLocked } from '../memory/lock/error.js';
import type { Kernel } from './drivers.js';
import { busy } from './region/errors.js';

/** Bytes of a device. */
const EVERYTHING = [0, Number.MAX_SAFE_INTEGER];

/** Regions of this package hold a lock, also in processes that this user cannot see. */
function isLockedBySomebody(path: string): boolean {
  let fd: number;
  try {
    fd = openDescriptor(path, true);
  } catch {
    return false; // missing, or without a driver
  }
  try {
    native.unlock(native.lockAlone(fd, EVERYTHING));
    return false;
  } catch (error) {
    if (!isLocked(error)) throw error;
    return true;
  } finally {
    // This process must not have it open either when the driver is unbound.
    closeSync(fd);
  }
}

/**
 * How the device is used, for the middle of a sentence: `is open in process 77`. Undefined when nobody has it open or mapped, in
 * this process or another, as far as this user may see.
 */
export function useOf(path: string, host: Host): string | undefined {
  const users = fileUsers(path, host);
  if (users.length > 0) return `is open in process ${users.map(({ pid }) => pid).join(', ')}`;
  return isLockedBySomebody(path) ? 'is open somewhere, and locked' : undefined;
}

/** The descriptor here, and the lock's own. */
const OURS = 2;

/**
 * Runs what unbinds the driver of a device that no process has open or mapped. Meanwhile the device is locked, so that no mapping of this
 * package begins. On return this process has no descriptor of the device open: see the top of this file.
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
      const users = fileUsers(node, host).filter(
        ({ isSelf, descriptors, isMapped }) => !isSelf || descriptors > OURS || isMapped,
      );
      if (users.length > 0) {
        const open = `is open in process ${users.map(({ pid }) => pid).join(', ')}`;
        throw busy(name, node, `${open}, which would get SIGBUS, and cannot be ${verb}; close it there`);
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
    throw busy(name, node, `is open, and cannot be ${verb}; close it first, in every process and thread`);
  }
}

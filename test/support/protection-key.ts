/** A thread's protection keys after a guarded fault. */

import type { Faulting } from './faulting.js';
import type { FaultsAddon } from './native.js';

/** The outcome; null if the CPU or the kernel has no protection keys. */
export type KeyOutcome = { code: string; before: number; after: number; touched: number };

/** For a child process: uses a key, has a fault in a guarded read, and uses the key again. */
export async function faultWithKey(faulting: string, addon: string, path: string): Promise<KeyOutcome | null> {
  const { loadAddon, openNew, readLost, truncate } = (await import(faulting)) as Faulting;
  const faults = loadAddon<FaultsAddon>(addon);
  if (faults.key() < 0) return null;
  faults.touchKeyed();
  const region = openNew(path);
  truncate(path);
  const before = faults.rights();
  const code = readLost(region);
  return { code, before, after: faults.rights(), touched: faults.touchKeyed() };
}

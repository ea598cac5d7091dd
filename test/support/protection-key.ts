/** What a guarded fault leaves of a thread's protection keys. */

import type { FaultsAddon } from './native.js';

/** How it went; undefined where the CPU or the kernel has no keys. */
export type KeyOutcome = { code: string; before: number; after: number; touched: number };

/** For a child process: uses a key, meets a fault in a guarded read, and uses the key again. */
export async function faultWithKey(addon: string, path: string): Promise<KeyOutcome | null> {
  const { createRequire } = await import('node:module');
  const { truncateSync } = await import('node:fs');
  const { Region } = await import('pmem');
  const faults = createRequire('/')(addon) as FaultsAddon;
  if (faults.key() < 0) return null;
  faults.touchKeyed();
  const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
  truncateSync(path, 4096);
  const before = faults.rights();
  let code = 'read';
  try {
    region.read(8192, Buffer.alloc(8));
  } catch (error) {
    code = String((error as NodeJS.ErrnoException).code);
  }
  return { code, before, after: faults.rights(), touched: faults.touchKeyed() };
}

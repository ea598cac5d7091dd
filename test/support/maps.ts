/** The mappings and descriptors of this process, as proc(5) tells. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A line of /proc/self/maps. */
export interface MapLine {
  readonly begin: bigint;
  readonly end: bigint;
  readonly offset: bigint;
  readonly path: string;
  /** VmFlags in smaps: `dc` is MADV_DONTFORK. */
  readonly flags: readonly string[];
}

/** The mappings of a file in this process. */
export function mapsOf(path: string): MapLine[] {
  const found: { begin: bigint; end: bigint; offset: bigint; path: string; flags: string[] }[] = [];
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \d+ *(.*)$/.exec(line);
    if (head !== null) {
      const [, begin, end, offset, file] = head;
      const hex = (text: string | undefined) => BigInt(`0x${text}`);
      found.push({ begin: hex(begin), end: hex(end), offset: hex(offset), path: file ?? '', flags: [] });
    } else if (line.startsWith('VmFlags:')) {
      found.at(-1)?.flags.push(...line.slice('VmFlags:'.length).trim().split(' '));
    }
  }
  return found.filter((one) => one.path === path || one.path === `${path} (deleted)`);
}

/** Number of this process's descriptors that are open on the file. */
export function descriptorsOf(path: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target === path || target === `${path} (deleted)`;
    } catch {
      return false;
    }
  }).length;
}

/**
 * Collects garbage and lets finalizers run until the condition holds: for a limited number of turns of the event loop, not for a limited
 * time. False if it never held.
 */
export async function collected(condition: () => boolean): Promise<boolean> {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
  for (let turn = 0; turn < 30; turn++) {
    if (condition()) return true;
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return condition();
}

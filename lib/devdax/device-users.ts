/** Who has a DAX device open or mapped: taking its driver away takes the memory from under them. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../memory/host.js';
import { holders } from '../memory/lock-holders.js';

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

function opened(host: Host, path: string): string[] {
  try {
    const identity = statSync(path, { bigint: true });
    return holders(identity, host).map(({ pid }) => String(pid));
  } catch {
    return []; // no such file
  }
}

/** Process ids, this process's among them, as far as this user may see. */
export function usersOf(path: string, host: Host): number[] {
  const mapping = entries(host.proc).filter((name) => /^\d+$/.test(name) && maps(host, name, path));
  return [...new Set([...opened(host, path), ...mapping])].map(Number).sort((a, b) => a - b);
}

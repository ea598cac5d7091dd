/** Who could hold a lock: the kernel does not name the owner of an open-file-description lock (fcntl(2), F_OFD_GETLK). */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HOST, type Host } from './host.js';

/** A process that has the file open. */
export interface Holder {
  readonly pid: number;
  readonly command: string;
}

/** On one line, and short enough for a message: arguments can be whole programs. */
function shortened(cmdline: string): string {
  const line = cmdline.replace(/[\0\s]+/g, ' ').trim();
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}

function hasOpen(directory: string, dev: bigint, ino: bigint): boolean {
  for (const name of readdirSync(directory)) {
    try {
      const status = statSync(join(directory, name), { bigint: true });
      if (status.dev === dev && status.ino === ino) return true;
    } catch {
      // Closed meanwhile.
    }
  }
  return false;
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // no /proc, no names
  }
}

/** Other processes that have this file open, as far as this user may see. */
export function holders(identity: { dev: bigint; ino: bigint }, host: Host = HOST): Holder[] {
  const found: Holder[] = [];
  for (const name of entries(host.proc)) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!hasOpen(join(host.proc, name, 'fd'), identity.dev, identity.ino)) continue;
      found.push({ pid, command: shortened(readFileSync(join(host.proc, name, 'cmdline'), 'utf8')) });
    } catch {
      // Gone, or another user's.
    }
  }
  return found;
}

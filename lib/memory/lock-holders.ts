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

/** Whether a descriptor's locks, as proc(5) tells them in fdinfo, touch the bytes; the owner is the process itself. */
function hasLocked(directory: string, { ino }: { ino: bigint }, begin: number, end: number): boolean {
  for (const name of readdirSync(directory)) {
    let text: string;
    try {
      text = readFileSync(join(directory, name), 'utf8');
    } catch {
      continue; // closed meanwhile
    }
    for (const [, inode, first, last] of text.matchAll(/^lock:.* [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+|EOF)$/gm)) {
      const until = last === 'EOF' ? Number.POSITIVE_INFINITY : Number(last) + 1;
      if (inode === String(ino) && Number(first) < end && until > begin) return true;
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

function processes(host: Host, fits: (directory: string) => boolean, own = false): Holder[] {
  const found: Holder[] = [];
  for (const name of entries(host.proc)) {
    // By that name this process is found in another namespace's /proc too.
    const pid = name === 'self' ? process.pid : Number(name);
    if (!Number.isInteger(pid) || (pid === process.pid && (!own || name !== 'self'))) continue;
    try {
      if (!fits(join(host.proc, name))) continue;
      found.push({ pid, command: shortened(readFileSync(join(host.proc, name, 'cmdline'), 'utf8')) });
    } catch {
      // Gone, or another user's.
    }
  }
  return found;
}

/** Other processes that have this file open, as far as this user may see. */
export function holders(identity: { dev: bigint; ino: bigint }, host: Host = HOST): Holder[] {
  return processes(host, (directory) => hasOpen(join(directory, 'fd'), identity.dev, identity.ino));
}

/** Every process that has this file open, this one among them, as far as this user may see. */
export function openers(identity: { dev: bigint; ino: bigint }, host: Host = HOST): Holder[] {
  return processes(host, (directory) => hasOpen(join(directory, 'fd'), identity.dev, identity.ino), true);
}

/** Other processes that have a lock on some of the bytes, by what the kernel tells of their descriptors. */
export function lockHolders(
  identity: { dev: bigint; ino: bigint },
  begin: number,
  end: number,
  host: Host = HOST,
): Holder[] {
  return processes(
    host,
    (directory) =>
      hasOpen(join(directory, 'fd'), identity.dev, identity.ino) &&
      hasLocked(join(directory, 'fdinfo'), identity, begin, end),
  );
}

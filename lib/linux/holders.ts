/** Who could hold a lock: the kernel does not name the owner of an open-file-description lock (fcntl(2), F_OFD_GETLK). */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LockHolder } from '../errors.js';
import { HOST, type Host } from './host.js';

/** Which file or device is meant, as stat(2) tells. A device is what its number says, whatever node it was opened by. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  /** Of a device its number and kind. */
  readonly rdev?: bigint;
  readonly mode?: bigint;
}

/** On one line, and short: arguments can be whole programs. */
function shortened(cmdline: string): string {
  const line = cmdline.replace(/[\0\s]+/g, ' ').trim();
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}

const KIND = 0o170000n;

function isSame(one: FileIdentity, other: FileIdentity): boolean {
  if (one.dev === other.dev && one.ino === other.ino) return true;
  const { rdev = 0n, mode = 0n } = one;
  return rdev !== 0n && rdev === other.rdev && (mode & KIND) === ((other.mode ?? 0n) & KIND);
}

/** The inodes by which a process has the file open: one, but for a device with several nodes. */
function inodesOf(directory: string, identity: FileIdentity): Set<string> {
  const found = new Set<string>();
  for (const name of readdirSync(directory)) {
    try {
      const status = statSync(join(directory, name), { bigint: true });
      if (isSame(identity, status)) found.add(String(status.ino));
    } catch {
      // Closed meanwhile.
    }
  }
  return found;
}

/** Whether a descriptor's locks, as proc(5) tells them in fdinfo, touch the bytes; the owner is the process itself. */
function hasLocked(directory: string, inodes: ReadonlySet<string>, begin: number, end: number): boolean {
  for (const name of readdirSync(directory)) {
    let text: string;
    try {
      text = readFileSync(join(directory, name), 'utf8');
    } catch {
      continue; // closed meanwhile
    }
    for (const [, inode = '', first, last] of text.matchAll(/^lock:.* [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+|EOF)$/gm)) {
      const until = last === 'EOF' ? Number.POSITIVE_INFINITY : Number(last) + 1;
      if (inodes.has(inode) && Number(first) < end && until > begin) return true;
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

function processes(host: Host, fits: (directory: string) => boolean): LockHolder[] {
  const found: LockHolder[] = [];
  for (const name of entries(host.proc)) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const home = join(host.proc, name);
      if (!fits(home)) continue;
      const comm = readFileSync(join(home, 'comm'), 'utf8').replace(/\n$/, '');
      found.push({ pid, name: comm, command: shortened(readFileSync(join(home, 'cmdline'), 'utf8')) });
    } catch {
      // Gone, or another user's.
    }
  }
  return found;
}

/** Other processes that have this file open, as far as this user may see. */
export function holders(identity: FileIdentity, host: Host = HOST): LockHolder[] {
  return processes(host, (directory) => inodesOf(join(directory, 'fd'), identity).size > 0);
}

/** Those of them that have a lock on some of the bytes, by what the kernel tells of their descriptors. */
export function lockHolders(identity: FileIdentity, begin: number, end: number, host: Host = HOST): LockHolder[] {
  return processes(host, (directory) => {
    const inodes = inodesOf(join(directory, 'fd'), identity);
    return inodes.size > 0 && hasLocked(join(directory, 'fdinfo'), inodes, begin, end);
  });
}

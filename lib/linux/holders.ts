/** Which processes have a file or device open, mapped or locked: proc(5), /proc/[pid]/fd, fdinfo, maps and map_files. */

import { join } from 'node:path';
import type { LockHolder } from '../errors.js';
import { HOST, type Host } from './host.js';
import { type FileIdentity, identityAt, isSameFile } from './identity.js';
import { linkAt, namesIn, statusAt, textAt } from './look.js';

/** A process that has a file open or mapped. */
export interface FileUser {
  readonly pid: number;
  /** The process is this one. */
  readonly isSelf: boolean;
  /** Open descriptors. */
  readonly descriptors: number;
  readonly isMapped: boolean;
}

/** Names of the processes in this /proc. */
function processNames(host: Host): string[] {
  return namesIn(host.proc).filter((name) => /^\d+$/.test(name));
}

/** This process's number in this /proc; in the /proc of another PID namespace it is not `process.pid`. */
function ownName(host: Host): string {
  return linkAt(join(host.proc, 'self')) ?? String(process.pid);
}

/** The inodes of the process's descriptors that are open on the file, one for each: a device can have several nodes. */
function inodesOf(home: string, identity: FileIdentity): string[] {
  const directory = join(home, 'fd');
  return namesIn(directory).flatMap((name) => {
    const status = statusAt(join(directory, name));
    return status !== undefined && isSameFile(identity, status) ? [String(status.ino)] : [];
  });
}

/**
 * Whether the process has a shared mapping of the file. The links in map_files tell exactly, to root only; the path in maps tells of
 * a file with one name.
 */
function maps(home: string, path: string, identity: FileIdentity | undefined): boolean {
  const text = textAt(join(home, 'maps')) ?? '';
  for (const [, addresses = '', name] of text.matchAll(/^(\S+) ..[-x]s \S+ \S+ \d+ *(.*)$/gm)) {
    if (name === path) return true;
    const status = identity === undefined ? undefined : statusAt(join(home, 'map_files', addresses));
    if (identity !== undefined && status !== undefined && isSameFile(identity, status)) return true;
  }
  return false;
}

/** The processes that have the file at the path open or mapped, by pid, as far as this user may see. */
export function fileUsers(path: string, host: Host = HOST): FileUser[] {
  const identity = identityAt(path);
  const own = ownName(host);
  return processNames(host)
    .map((name) => {
      const home = join(host.proc, name);
      const descriptors = identity === undefined ? 0 : inodesOf(home, identity).length;
      return { pid: Number(name), isSelf: name === own, descriptors, isMapped: maps(home, path, identity) };
    })
    .filter(({ descriptors, isMapped }) => descriptors > 0 || isMapped)
    .sort((a, b) => a.pid - b.pid);
}

/** On one line, and short: arguments can be whole programs. */
function shortened(cmdline: string): string {
  const line = cmdline.replace(/[\0\s]+/g, ' ').trim();
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}

function otherProcesses(host: Host, fits: (home: string) => boolean): LockHolder[] {
  const own = ownName(host);
  return processNames(host).flatMap((name) => {
    const home = join(host.proc, name);
    if (name === own || !fits(home)) return [];
    const [comm, cmdline] = [textAt(join(home, 'comm')), textAt(join(home, 'cmdline'))];
    // Gone meanwhile.
    if (comm === undefined || cmdline === undefined) return [];
    return [{ pid: Number(name), name: comm.replace(/\n$/, ''), command: shortened(cmdline) }];
  });
}

/** Other processes that have the file open, as far as this user may see. */
export function holders(identity: FileIdentity, host: Host = HOST): LockHolder[] {
  return otherProcesses(host, (home) => inodesOf(home, identity).length > 0);
}

/** Whether a lock of one of the process's descriptors touches bytes `[begin, end)`. Of such a descriptor fdinfo lists the locks. */
function hasLocked(home: string, inodes: readonly string[], begin: number, end: number): boolean {
  const directory = join(home, 'fdinfo');
  return namesIn(directory).some((name) => {
    const text = textAt(join(directory, name)) ?? '';
    const locks = text.matchAll(/^lock:.* [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+|EOF)$/gm);
    return [...locks].some(([, inode = '', first, last]) => {
      const until = last === 'EOF' ? Number.POSITIVE_INFINITY : Number(last) + 1;
      return inodes.includes(inode) && Number(first) < end && until > begin;
    });
  });
}

/**
 * Other processes that have a lock on some of the bytes, as far as this user may see. The kernel does not name the owner of an
 * open-file-description lock (fcntl(2), F_OFD_GETLK).
 */
export function lockHolders(identity: FileIdentity, begin: number, end: number, host: Host = HOST): LockHolder[] {
  return otherProcesses(host, (home) => {
    const inodes = inodesOf(home, identity);
    return inodes.length > 0 && hasLocked(home, inodes, begin, end);
  });
}

/** Mounts, and the mount that a file lies on: proc(5), /proc/[pid]/mountinfo. */

import { join } from 'node:path';
import type { Host } from './host.js';
import { textAt } from './look.js';

/** One line of mountinfo. */
export interface Mount {
  /** `259:0`. */
  readonly device: string;
  /** The directory of the file system that is mounted: `/`, or one below. */
  readonly root: string;
  readonly mountPoint: string;
  /** `ext4`, `xfs`, `tmpfs`. */
  readonly type: string;
  readonly source: string;
  /** Options of the mount and of the file system. */
  readonly options: readonly string[];
}

/** Text in which /proc writes white space and backslashes as `\040`. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Parses the text of a mountinfo file. */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const separator = fields.indexOf('-');
    const [, , device, root = '/', mountPoint, options] = fields;
    const [type, source, superOptions] = fields.slice(separator + 1);
    if (separator < 0 || device === undefined || mountPoint === undefined || type === undefined) continue;
    mounts.push({
      device,
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      type,
      source: unescapeOctal(source ?? ''),
      options: [...(options ?? '').split(','), ...(superOptions ?? '').split(',')]
        .filter((option) => option !== '')
        .map(unescapeOctal),
    });
  }
  return mounts;
}

/** The text of a process's mountinfo. */
function tableText(host: Host, process: string): string | undefined {
  return textAt(join(host.proc, process, 'mountinfo'));
}

/** All mounts of a process's mount namespace, this process's by default; none without /proc. */
export function mountTable(host: Host, process = 'self'): Mount[] {
  return parseMounts(tableText(host, process) ?? '');
}

/** The last mount of a file system, given its device number `259:0`. */
export function mountOfDevice(host: Host, device: string): Mount | undefined {
  return mountTable(host).findLast((mount) => mount.device === device);
}

/**
 * The mount through which a descriptor was opened, by its `mnt_id`. Undefined where the kernel does not tell that; `'elsewhere'`
 * where this process's table does not have the mount: it is another namespace's, or unmounted.
 */
export function descriptorMount(host: Host, fd: number): Mount | 'elsewhere' | undefined {
  const facts = textAt(join(host.proc, 'self', 'fdinfo', String(fd)));
  const id = facts === undefined ? undefined : /^mnt_id:\s*(\d+)$/m.exec(facts)?.[1];
  const text = id === undefined ? undefined : tableText(host, 'self');
  if (text === undefined) return undefined;
  const at = text.startsWith(`${id} `) ? 0 : text.indexOf(`\n${id} `) + 1;
  if (at === 0 && !text.startsWith(`${id} `)) return 'elsewhere';
  const end = text.indexOf('\n', at);
  return parseMounts(text.slice(at, end < 0 ? undefined : end))[0];
}

/** The mount of a file: by its device number; where that is anonymous (overlay, btrfs), by the longest mount point above the path. */
export function findMount(host: Host, device: string, path: string): Mount | undefined {
  const mounts = mountTable(host);
  const holds = (mount: Mount) =>
    mount.mountPoint === '/' || path === mount.mountPoint || path.startsWith(`${mount.mountPoint}/`);
  const longest = (found: Mount | undefined, mount: Mount) =>
    found === undefined || mount.mountPoint.length >= found.mountPoint.length ? mount : found;
  const sameDevice = mounts.filter((mount) => mount.device === device);
  const candidates = sameDevice.some(holds) ? sameDevice.filter(holds) : sameDevice;
  return (candidates.length > 0 ? candidates : mounts.filter(holds)).reduce(longest, undefined as Mount | undefined);
}

/** The file system a file lies on: proc(5), /proc/[pid]/mountinfo. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './host.js';

/** One line of mountinfo. */
export interface Mount {
  /** `259:0`. */
  readonly device: string;
  /** What of the file system is mounted: `/`, or a directory in it. */
  readonly root: string;
  readonly mountPoint: string;
  /** `ext4`, `xfs`, `tmpfs`. */
  readonly type: string;
  readonly source: string;
  /** Options of the mount and of the file system. */
  readonly options: readonly string[];
}

/** Spaces and the like are written as `\040`. */
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

function table(host: Host): string | undefined {
  try {
    return readFileSync(join(host.proc, 'self', 'mountinfo'), 'utf8');
  } catch {
    return undefined;
  }
}

/** The mounts of a file system, the last one of which is what its number stands for. */
export function mountOfDevice(host: Host, device: string): Mount | undefined {
  return parseMounts(table(host) ?? '').findLast((mount) => mount.device === device);
}

/**
 * The mount through which a descriptor was opened, exactly: by the number that the kernel tells of it. Undefined where it does
 * not tell, `'elsewhere'` where the mount is not in this process's table (another name space's, or no longer mounted).
 */
export function descriptorMount(host: Host, fd: number): Mount | 'elsewhere' | undefined {
  let id: string | undefined;
  try {
    id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(join(host.proc, 'self', 'fdinfo', String(fd)), 'utf8'))?.[1];
  } catch {
    return undefined;
  }
  const text = id === undefined ? undefined : table(host);
  if (text === undefined) return undefined;
  const at = text.startsWith(`${id} `) ? 0 : text.indexOf(`\n${id} `) + 1;
  if (at === 0 && !text.startsWith(`${id} `)) return 'elsewhere';
  const end = text.indexOf('\n', at);
  return parseMounts(text.slice(at, end < 0 ? undefined : end))[0];
}

/** The mount that holds a file: by device number, and where that is anonymous (overlay, btrfs) by the longest path. */
export function findMount(host: Host, device: string, path: string): Mount | undefined {
  const mounts = parseMounts(table(host) ?? '');
  const holds = (mount: Mount) =>
    mount.mountPoint === '/' || path === mount.mountPoint || path.startsWith(`${mount.mountPoint}/`);
  const longest = (found: Mount | undefined, mount: Mount) =>
    found === undefined || mount.mountPoint.length >= found.mountPoint.length ? mount : found;
  const sameDevice = mounts.filter((mount) => mount.device === device);
  const candidates = sameDevice.some(holds) ? sameDevice.filter(holds) : sameDevice;
  return (candidates.length > 0 ? candidates : mounts.filter(holds)).reduce(longest, undefined as Mount | undefined);
}

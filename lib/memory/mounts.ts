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
      options: [...(options ?? '').split(','), ...(superOptions ?? '').split(',')].filter((option) => option !== ''),
    });
  }
  return mounts;
}

/** The mount that holds a file: by device number, and where that is anonymous (overlay, btrfs) by the longest path. */
export function findMount(host: Host, device: string, path: string): Mount | undefined {
  let mounts: Mount[];
  try {
    mounts = parseMounts(readFileSync(join(host.proc, 'self', 'mountinfo'), 'utf8'));
  } catch {
    return undefined;
  }
  const holds = (mount: Mount) =>
    mount.mountPoint === '/' || path === mount.mountPoint || path.startsWith(`${mount.mountPoint}/`);
  const longest = (found: Mount | undefined, mount: Mount) =>
    found === undefined || mount.mountPoint.length >= found.mountPoint.length ? mount : found;
  const sameDevice = mounts.filter((mount) => mount.device === device);
  const candidates = sameDevice.some(holds) ? sameDevice.filter(holds) : sameDevice;
  return (candidates.length > 0 ? candidates : mounts.filter(holds)).reduce(longest, undefined as Mount | undefined);
}

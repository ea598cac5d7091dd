/** Where a block device is mounted, itself or by what lies on it. */

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { above } from './block-stack.js';
import type { Host } from './host.js';
import { type Mount, parseMounts } from './mounts.js';
import { attribute } from './sysfs/read.js';

/** What is mounted where: one line of mountinfo. */
export type MountedDevice = Pick<Mount, 'device' | 'source' | 'mountPoint'>;

/** All mounts that this process sees; none where /proc is not there. */
export function mountTable(host: Host): MountedDevice[] {
  try {
    return parseMounts(readFileSync(join(host.proc, 'self', 'mountinfo'), 'utf8'));
  } catch {
    return [];
  }
}

/** The mount points of a block device, given its directory in sysfs, each once. */
export function mountPoints(directory: string, mounted: readonly MountedDevice[]): string[] {
  const found = new Set<string>();
  for (const device of above(directory)) {
    const number = attribute(device, 'dev');
    // A file system with a device number of its own (btrfs) names its block device as the source.
    const path = `/dev/${basename(device)}`;
    for (const mount of mounted) {
      if (mount.device === number || mount.source === path) found.add(mount.mountPoint);
    }
  }
  return [...found];
}

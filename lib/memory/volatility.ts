/** Whether a file system or a device forgets everything at power-off. */

import { statfsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { attribute } from './sysfs.js';

/** statfs(2): tmpfs (also memfd and devtmpfs), ramfs, hugetlbfs. */
const VOLATILE_MAGIC: ReadonlySet<number> = new Set([0x01021994, 0x858458f6, 0x958458f6]);

/** Whether statfs's f_type names a file system that lives in memory only. */
export function isVolatileType(type: number): boolean {
  return VOLATILE_MAGIC.has(type);
}

function isOnVolatile(path: string): boolean {
  try {
    return isVolatileType(statfsSync(path).type);
  } catch {
    return false;
  }
}

/** A RAM disk, or a loop device over a file in memory. The directory is that of the block device below /sys/devices. */
export function isVolatileBlockDevice(directory: string): boolean {
  if (/^(ram|zram)\d+$/.test(basename(directory))) return true;
  const file = attribute(join(directory, 'loop'), 'backing_file');
  return file !== undefined && isOnVolatile(file);
}

/** An overlay whose upper layer is in memory, or that was told not to sync (mount option volatile). */
export function isVolatileOverlay(type: string, options: readonly string[]): boolean {
  if (type !== 'overlay') return false;
  const upper = options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
  return options.includes('volatile') || (upper !== undefined && isOnVolatile(upper));
}

/** Where block devices are mounted. */

import { join } from 'node:path';
import type { Host } from '../host.js';
import { linkAt, namesIn, statusAt } from '../look.js';
import { type Mount, mountTable } from '../mounts.js';
import { deviceNumber } from '../sysfs/read.js';
import { above, type BlockDevice, blockDevice } from './stack.js';

/** The number of the block device that a path leads to, `259:0`; undefined where it leads to none. */
export function numberAt(path: string): string | undefined {
  const status = statusAt(path);
  return status?.isBlockDevice() === true ? deviceNumber(status.rdev) : undefined;
}

/** A file system with an anonymous device number (btrfs) names its block device as the source. */
function isOn({ device, source }: Mount, { number, name }: BlockDevice): boolean {
  if (device === number) return true;
  if (!device.startsWith('0:') || !source.startsWith('/')) return false;
  return source === `/dev/${name}` || numberAt(source) === number;
}

/** Mount points of one device, each once. */
export function mountedAt(device: BlockDevice, mounts: readonly Mount[]): string[] {
  return [...new Set(mounts.filter((mount) => isOn(mount, device)).map(({ mountPoint }) => mountPoint))];
}

/** Mount points of the device, its partitions and the devices that are made of these, each once. */
export function mountPoints(directory: string, mounts: readonly Mount[]): string[] {
  const devices = above(directory).flatMap(blockDevice);
  return [...new Set(devices.flatMap((device) => mountedAt(device, mounts)))];
}

/** Mounts of one mount namespace. */
export interface NamespaceMounts {
  /** A process in that namespace; undefined: this one. */
  readonly pid: number | undefined;
  readonly mounts: readonly Mount[];
}

/** The mounts of this process's mount namespace, and of others', as far as this user may see their processes. */
export function mountsOfAll(host: Host): NamespaceMounts[] {
  const found: NamespaceMounts[] = [{ pid: undefined, mounts: mountTable(host) }];
  const seen = new Set([linkAt(join(host.proc, 'self', 'ns', 'mnt')), undefined]);
  for (const name of namesIn(host.proc)) {
    if (!/^\d+$/.test(name)) continue;
    const namespace = linkAt(join(host.proc, name, 'ns', 'mnt'));
    if (seen.has(namespace)) continue;
    seen.add(namespace);
    found.push({ pid: Number(name), mounts: mountTable(host, name) });
  }
  return found;
}

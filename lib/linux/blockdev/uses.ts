/** The kernel's uses of block devices, and of files below loop devices: mounts, swap, device mapper, md. */

import { basename, join } from 'node:path';
import { HOST, type Host } from '../host.js';
import type { FileIdentity } from '../identity.js';
import { namesIn, textAt } from '../look.js';
import { unescapeOctal } from '../mounts.js';
import { attribute } from '../sysfs/read.js';
import { type LoopFile, loopsOver } from './loop.js';
import { mountedAt, mountsOfAll, type NamespaceMounts, numberAt } from './mounts.js';
import { type BlockDevice, MOST_LEVELS, madeOf, relatives } from './stack.js';

/** One use of a device. */
export interface DeviceUse {
  /** The device in use: the one asked for, or one above or below it: `loop0p1`. */
  readonly device: string;
  /** The use, a clause: `is mounted at '/srv'`. */
  readonly is: string;
}

/** What was read once, for all devices. */
interface Tables {
  readonly host: Host;
  readonly mounts: readonly NamespaceMounts[];
  readonly swaps: readonly string[];
}

function mountsIn(device: BlockDevice, seen: readonly NamespaceMounts[]): string[] {
  for (const { pid, mounts } of seen) {
    const points = mountedAt(device, mounts).map((point) => `'${point}'`);
    const where = pid === undefined ? '' : ` in the mount namespace of process ${pid}`;
    if (points.length > 0) return [`is mounted at ${points.join(' and ')}${where}`];
  }
  return [];
}

/** Drivers of file systems list their devices, in whichever namespace they are mounted: /sys/fs/ext4/sda1, /sys/fs/btrfs/UUID/devices/sda1. */
function fileSystemsOn({ name }: BlockDevice, host: Host): string[] {
  const drivers = join(host.sys, 'fs');
  const devicesOf = (driver: string) => {
    const entries = namesIn(join(drivers, driver));
    return driver === 'btrfs' ? entries.flatMap((uuid) => namesIn(join(drivers, driver, uuid, 'devices'))) : entries;
  };
  return ['ext4', 'xfs', 'btrfs', 'f2fs', 'nilfs2', 'erofs']
    .filter((driver) => devicesOf(driver).includes(name))
    .map((driver) => `has a mounted ${driver} file system, at a place that cannot be seen from here`);
}

/** Paths of swap space: proc(5), /proc/swaps, with octal escapes. */
function swapPaths(host: Host): string[] {
  const lines = (textAt(join(host.proc, 'swaps')) ?? '').split('\n').slice(1);
  return lines.map((line) => unescapeOctal(line.split(/\s/)[0] ?? '')).filter((path) => path !== '');
}

function isSwap({ name, number }: BlockDevice, paths: readonly string[]): boolean {
  return paths.some((path) => path === `/dev/${name}` || numberAt(path) === number);
}

function partsOf({ directory }: BlockDevice): string[] {
  return madeOf(directory).map((whole) => {
    const mapped = attribute(join(whole, 'dm'), 'name');
    const kind = mapped !== undefined ? `device mapper's ${mapped}, ` : '';
    return `is a part of ${kind}/dev/${basename(whole)}`;
  });
}

function usesIn(directory: string, tables: Tables, levels: number): DeviceUse[] {
  if (levels === 0) return [];
  const { host, mounts, swaps } = tables;
  return relatives(directory).flatMap((device) => {
    const mounted = mountsIn(device, mounts);
    const found = [
      ...(mounted.length > 0 ? mounted : fileSystemsOn(device, host)),
      ...(isSwap(device, swaps) ? ['is swap space'] : []),
      ...partsOf(device),
    ].map((is) => ({ device: device.name, is }));
    const rdev = rdevOf(device.number);
    const loops = loopsOver(host, (file) => file.rdev === rdev);
    return [...found, ...loops.flatMap((loop) => usesIn(loop, tables, levels - 1))];
  });
}

function tablesOf(host: Host): Tables {
  return { host, mounts: mountsOfAll(host), swaps: swapPaths(host) };
}

/** The uses of the block device with this directory in sysfs, as far as this process can see. */
export function usesOf(directory: string, host: Host = HOST): DeviceUse[] {
  return usesIn(directory, tablesOf(host), MOST_LEVELS);
}

/** `259:0` as stat(2) has it. */
export function rdevOf(number: string): bigint {
  const [major = 0n, minor = 0n] = number.split(':').map(BigInt);
  return ((major & 0xfffn) << 8n) | (minor & 0xffn) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
}

/** The uses of the loop devices whose file is this file or block device. */
export function loopUses({ dev, ino, rdev = 0n }: FileIdentity, host: Host = HOST): DeviceUse[] {
  const isMeant = (file: LoopFile) => (rdev === 0n ? file.dev === dev && file.ino === ino : file.rdev === rdev);
  return loopsOver(host, isMeant).flatMap((loop) => usesIn(loop, tablesOf(host), MOST_LEVELS));
}

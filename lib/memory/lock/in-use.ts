/**
 * Who else has a block device, or a file that a loop device makes one of: mounts, swap, md and device mapper, other programs. The
 * kernel lets whoever has the device open store to it all the same, under what is mounted.
 */

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { native } from '../../binding.js';
import { type LockHolder, PmemError } from '../../errors.js';
import {
  above,
  holdersOf,
  isPartition,
  type LoopFile,
  loopDevices,
  loopFile,
  MOST_LEVELS,
} from '../../linux/block-stack.js';
import { holders } from '../../linux/holders.js';
import { HOST, type Host } from '../../linux/host.js';
import type { FileIdentity } from '../../linux/identity.js';
import { type Mount, parseMounts, unescapeOctal } from '../../linux/mounts.js';
import { attribute, deviceNumber } from '../../linux/sysfs/read.js';
import type { Backing } from '../backing.js';

const { EBUSY } = constants.errno;

/** What occupies a device: `is mounted at '/srv'`. */
export interface DeviceUse {
  /** The device that it occupies: the one asked for, or what lies on it or below: `loop0p1`. */
  readonly device: string;
  readonly is: string;
}

interface BlockDirectory {
  readonly directory: string;
  readonly name: string;
  /** `259:0`. */
  readonly number: string;
}

function blockDirectory(directory: string): BlockDirectory[] {
  const number = attribute(directory, 'dev');
  return number === undefined ? [] : [{ directory, name: basename(directory), number }];
}

/** The device, what is made of it, and of a partition the disk, but not that one's other partitions. */
function relatives(directory: string): BlockDirectory[] {
  const disk = isPartition(directory) ? dirname(directory) : undefined;
  const besides = disk === undefined ? [] : [disk, ...holdersOf(disk).flatMap((one) => above(one))];
  return [...new Set([...above(directory), ...besides])].flatMap(blockDirectory);
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Mounts, and in which process's mount namespace they are seen; undefined: in this one's. */
interface MountsSeen {
  readonly pid: number | undefined;
  readonly mounts: readonly Mount[];
}

/** The mounts of this namespace, and those of others as far as this user may look at their processes. */
function everybodysMounts(host: Host): MountsSeen[] {
  const found = [
    { pid: undefined, mounts: parseMounts(readOr(join(host.proc, 'self', 'mountinfo'), '')) },
  ] as MountsSeen[];
  const seen = new Set([link(join(host.proc, 'self', 'ns', 'mnt')), undefined]);
  for (const name of names(host.proc)) {
    if (!/^\d+$/.test(name)) continue;
    const namespace = link(join(host.proc, name, 'ns', 'mnt'));
    if (seen.has(namespace)) continue;
    seen.add(namespace);
    found.push({ pid: Number(name), mounts: parseMounts(readOr(join(host.proc, name, 'mountinfo'), '')) });
  }
  return found;
}

/** The device that a path leads to, `259:0`; undefined where it does not lead to one. */
function numberAt(path: string): string | undefined {
  try {
    const status = statSync(path, { bigint: true });
    return status.isBlockDevice() ? deviceNumber(status.rdev) : undefined;
  } catch {
    return undefined;
  }
}

/** A file system with a device number of its own (btrfs) names its block device as the source. */
function isOn({ device, source }: Mount, { number, name }: BlockDirectory): boolean {
  if (device === number) return true;
  if (!device.startsWith('0:') || !source.startsWith('/')) return false;
  return source === `/dev/${name}` || numberAt(source) === number;
}

function mountsOf(device: BlockDirectory, seen: readonly MountsSeen[]): string[] {
  for (const { pid, mounts } of seen) {
    const points = new Set(mounts.filter((mount) => isOn(mount, device)).map(({ mountPoint }) => `'${mountPoint}'`));
    const where = pid === undefined ? '' : ` in the mount namespace of process ${pid}`;
    if (points.size > 0) return [`is mounted at ${[...points].join(' and ')}${where}`];
  }
  return [];
}

/** Drivers of file systems tell of their devices whoever has mounted them: /sys/fs/ext4/sda1, /sys/fs/btrfs/UUID/devices/sda1. */
function fileSystemsOn({ name }: BlockDirectory, host: Host): string[] {
  const drivers = join(host.sys, 'fs');
  const devicesOf = (driver: string) => {
    const entries = names(join(drivers, driver));
    return driver === 'btrfs' ? entries.flatMap((uuid) => names(join(drivers, driver, uuid, 'devices'))) : entries;
  };
  return ['ext4', 'xfs', 'btrfs', 'f2fs', 'nilfs2', 'erofs']
    .filter((driver) => devicesOf(driver).includes(name))
    .map((driver) => `has a mounted ${driver} file system, at a place that cannot be seen from here`);
}

/** proc(5), /proc/swaps: the path, with octal escapes. */
function swapPaths(host: Host): string[] {
  const lines = readOr(join(host.proc, 'swaps'), '').split('\n').slice(1);
  return lines.map((line) => unescapeOctal(line.split(/\s/)[0] ?? '')).filter((path) => path !== '');
}

function isSwap({ name, number }: BlockDirectory, paths: readonly string[]): boolean {
  return paths.some((path) => path === `/dev/${name}` || numberAt(path) === number);
}

function holdersIn({ directory }: BlockDirectory): string[] {
  return holdersOf(directory).map((holder) => {
    const mapped = attribute(join(holder, 'dm'), 'name');
    const kind = mapped !== undefined ? `device mapper's ${mapped}, ` : '';
    return `is a part of ${kind}/dev/${basename(holder)}`;
  });
}

interface Sight {
  readonly host: Host;
  readonly mounts: readonly MountsSeen[];
  readonly swaps: readonly string[];
}

function look(host: Host): Sight {
  return { host, mounts: everybodysMounts(host), swaps: swapPaths(host) };
}

function usesIn(directory: string, sight: Sight, levels: number): DeviceUse[] {
  if (levels === 0) return [];
  const { host, mounts, swaps } = sight;
  return relatives(directory).flatMap((device) => {
    const mounted = mountsOf(device, mounts);
    const found = [
      ...(mounted.length > 0 ? mounted : fileSystemsOn(device, host)),
      ...(isSwap(device, swaps) ? ['is swap space'] : []),
      ...holdersIn(device),
    ].map((is) => ({ device: device.name, is }));
    const dev = rdevOf(device.number);
    const isThis = (loop: string) => loopsOver(loop, (status) => status.rdev === dev, host);
    return [
      ...found,
      ...loopDevices(host)
        .filter(isThis)
        .flatMap((loop) => usesIn(loop, sight, levels - 1)),
    ];
  });
}

/** Who uses the block device with this directory in sysfs, as far as it can be seen from here. */
export function usesOf(directory: string, host: Host = HOST): DeviceUse[] {
  return usesIn(directory, look(host), MOST_LEVELS);
}

/** `259:0` as stat(2) has it. */
function rdevOf(number: string): bigint {
  const [major = 0n, minor = 0n] = number.split(':').map(BigInt);
  return ((major & 0xfffn) << 8n) | (minor & 0xffn) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
}

/** By what the driver says of the file, which has no name any more, or another one from here; else by the name that it had. */
function loopsOver(loop: string, is: (file: LoopFile) => boolean, host: Host): boolean {
  const told = host === HOST ? loopFile(loop) : undefined;
  if (told !== undefined) return is(told);
  const path = attribute(join(loop, 'loop'), 'backing_file');
  if (path === undefined) return false;
  try {
    const status = statSync(path, { bigint: true });
    return is({ dev: status.dev, ino: status.ino, rdev: status.isBlockDevice() ? status.rdev : 0n });
  } catch {
    return false;
  }
}

/** How the loop devices are used that have the file, or block device, below them. */
export function loopUses({ dev, ino, rdev }: FileIdentity, host: Host = HOST): DeviceUse[] {
  const is = (file: LoopFile) =>
    rdev === undefined || rdev === 0n ? file.dev === dev && file.ino === ino : file.rdev === rdev;
  return loopDevices(host)
    .filter((loop) => loopsOver(loop, is, host))
    .flatMap((loop) => usesIn(loop, look(host), MOST_LEVELS));
}

/** At most so many are named. */
const MOST_NAMED = 3;

function inWords(uses: readonly DeviceUse[], own: string): string {
  const told = uses.slice(0, MOST_NAMED).map(({ device, is }) => `${device === own ? 'it' : device} ${is}`);
  const more = uses.length > MOST_NAMED ? [`${uses.length - MOST_NAMED} more uses`] : [];
  return [...told, ...more].join(', ');
}

function refusal(path: string, sentence: string, cause?: unknown): PmemError {
  const way =
    'What is stored here would damage that, or be lost; unmount it, swap it off or take it apart first. Reading is possible (readOnly: true)';
  return new PmemError('EBUSY', `EBUSY: '${path}' is in use: ${sentence}. ${way}`, { errno: EBUSY, path, cause });
}

type Asked = Pick<Backing, 'path' | 'kind' | 'device' | 'identity'>;

/**
 * Refuses to store to what the kernel uses: block devices, and files below loop devices. Asks no more than can be seen from here;
 * whether a block device is claimed at all, opening it with O_EXCL tells ({@link claimedError}).
 *
 * @param isClaimed this process has the block device claimed: what is made of it, but loop devices, had to claim it, too
 * @throws PmemError `EBUSY`, with who uses it
 */
export function refuseInUse({ path, kind, device, identity }: Asked, isClaimed: boolean): void {
  if (kind !== 'file' && kind !== 'block') return;
  const uses = kind === 'block' && !isClaimed && device !== undefined ? usesOf(device) : loopUses(identity);
  if (uses.length > 0) throw refusal(path, inWords(uses, device === undefined ? '' : basename(device)));
}

/** Other processes that have it open; which of them has it claimed the kernel does not tell. */
function processesAt(devices: readonly BlockDirectory[]): LockHolder[] {
  const found = new Map<number, LockHolder>();
  for (const { number } of devices) {
    const identity = { dev: -1n, ino: -1n, rdev: rdevOf(number), mode: BigInt(0o060000) };
    for (const holder of holders(identity)) found.set(holder.pid, holder);
  }
  return [...found.values()];
}

function claimedHere(devices: readonly BlockDirectory[], own: string): string | undefined {
  const numbers = native.claimedDevices();
  const claimed = new Set(numbers.flatMap((major, i) => (i % 2 === 0 ? [`${major}:${numbers[i + 1]}`] : [])));
  const found = devices.find(({ name, number }) => name !== own && claimed.has(number));
  return found?.name;
}

/** The error of a block device that could not be claimed: open(2) with O_EXCL answered EBUSY. */
export function claimedError({ path, device }: Asked, cause: unknown): PmemError {
  if (device === undefined) return refusal(path, 'the kernel has it claimed', cause);
  const own = basename(device);
  const uses = usesOf(device);
  if (uses.length > 0) return refusal(path, inWords(uses, own), cause);
  const devices = relatives(device);
  const here = claimedHere(devices, own);
  if (here !== undefined) {
    const message = `EBUSY: '${path}' is in use: this process stores to ${here}, and a disk and its partitions are the same bytes. Close that first, or pass shared: true`;
    return new PmemError('EBUSY', message, { errno: EBUSY, path, cause });
  }
  const processes = processesAt(devices);
  const who =
    processes.length === 0
      ? 'it is mounted or claimed by something that cannot be seen from here'
      : `another program has claimed it; it is open in process ${processes.map(({ pid, name }) => `${pid} (${name})`).join(', ')}`;
  const way =
    'Close it there. To store to it from several processes at once, pass shared: true in all of them. Reading is possible (readOnly: true)';
  const details = { errno: EBUSY, path, cause, ...(processes.length === 0 ? {} : { holders: processes }) };
  return new PmemError('EBUSY', `EBUSY: '${path}' is in use: ${who}. ${way}`, details);
}

/** Whether `native.lock` or its kin could not claim the block device. */
export function isClaimed(error: unknown): boolean {
  const { errno, syscall } = error as { errno?: number; syscall?: string };
  return errno === EBUSY && syscall === 'open';
}

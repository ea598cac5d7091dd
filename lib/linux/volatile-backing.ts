/** What lies below a file or a device, down to what holds the bytes, and whether that forgets at power-off. */

import { type BigIntStats, closeSync, constants, openSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { native } from '../binding.js';
import { loopFile, loopFilePath } from './blockdev/loop.js';
import { isPartition, queueOf } from './blockdev/stack.js';
import type { Host } from './host.js';
import { findMount, type Mount, mountOfDevice } from './mounts.js';
import { legacyCaveat } from './nvdimm/legacy-memory.js';
import { nvdimmRegionOf } from './nvdimm/regions.js';
import { children } from './sysfs/nodes.js';
import { attribute, deviceDirectory, deviceNumber, resolve } from './sysfs/read.js';

/**
 * What becomes at power-off of that which holds the bytes in the end, below file systems, partitions, device mapper, loop
 * devices and the like: `persistent` as far as the kernel and the platform say, `volatile`, or `unknown` where it cannot be seen
 * or nobody says.
 */
export type Below = 'persistent' | 'volatile' | 'unknown';

/** The answer, with the reason unless it is the ordinary one. */
export interface Beneath {
  readonly state: Below;
  /** Why `volatile` or `unknown`, a clause. */
  readonly why: string | undefined;
  /** The devices at the bottom, below /sys/devices. */
  readonly devices: readonly string[];
  /** Why an msync may stay in a disk's cache, a clause; of no concern to stores that CPU flushes carry to the media. */
  readonly withoutBarrier?: string | undefined;
}

/** A file system, as far as it is known. */
interface FileSystemPlace {
  readonly mount: Mount | undefined;
  /** statfs(2); undefined where nothing of it could be opened. */
  readonly magic: number | undefined;
  /** st_dev. */
  readonly device: bigint;
  /** A descriptor open on something in it. */
  readonly fd?: number;
}

/** statfs(2): tmpfs (also memfd and devtmpfs), ramfs, hugetlbfs, secretmem. */
const VOLATILE_MAGIC: ReadonlySet<number> = new Set([0x01021994, 0x858458f6, 0x958458f6, 0x5345434d]);
const VOLATILE_TYPES: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'hugetlbfs', 'devtmpfs', 'rootfs']);
const BTRFS_MAGIC = 0x9123683e;

/** File systems whose bytes are with another machine, or another program of this one. */
const REMOTE: ReadonlySet<string> = new Set([
  ...['nfs', 'nfs4', 'cifs', 'smb3', 'smbfs', 'ncpfs', '9p', 'ceph', 'afs', 'coda', 'lustre', 'orangefs', 'pvfs2'],
  ...['virtiofs', 'vboxsf', 'vmhgfs', 'prl_fs', 'hostfs', 'fuse', 'fuseblk', 'beegfs', 'gpfs', 'glusterfs'],
]);

/** File systems and devices below each other are followed to this depth. */
const MOST_LEVELS = 16;

/** Whether the type, as the kernel names it, is of a file system that lives in memory only. */
export function isVolatileType(type: string): boolean {
  return VOLATILE_TYPES.has(type);
}

/** Who serves the files of a file system of this type, where that is no device of this machine. */
export function serverOf(type: string): string | undefined {
  if (/^fuse(blk|\..*)?$/.test(type)) return 'FUSE: a program serves it';
  return REMOTE.has(type) ? 'another machine or program serves it' : undefined;
}

function forgets(why: string, devices: readonly string[] = []): Beneath {
  return { state: 'volatile', why, devices };
}

function unknown(why: string, devices: readonly string[] = []): Beneath {
  return { state: 'unknown', why, devices };
}

/** The worst of the parts: what is spread over several, or kept in several, is not taken for better than any. */
function worst(parts: readonly Beneath[]): Beneath {
  const found =
    parts.find(({ state }) => state === 'volatile') ?? parts.find(({ state }) => state === 'unknown') ?? parts[0];
  return {
    state: found?.state ?? 'unknown',
    why: found?.why,
    devices: parts.flatMap(({ devices }) => devices),
    withoutBarrier: parts.find(({ withoutBarrier }) => withoutBarrier !== undefined)?.withoutBarrier,
  };
}

/** Runs with a descriptor that is closed afterwards; undefined where the path cannot be opened. */
function withOpen<T>(path: string, flags: number, run: (fd: number) => T): T | undefined {
  let fd: number;
  try {
    fd = openSync(path, flags | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    return run(fd);
  } finally {
    closeSync(fd);
  }
}

// ---- Block devices -------------------------------------------------------------------------------------------------

/** Of devices of their own in this machine nothing changes; virtual ones get other parts under the same name. */
const plainDevices = new Map<string, Beneath>();

/** What the bytes of a block device are on, given its directory below /sys/devices. */
export function belowDevice(host: Host, directory: string, level = 0): Beneath {
  const known = plainDevices.get(directory);
  if (known !== undefined) return known;
  const found = walkDevice(host, directory, level);
  const isPlain = found.state === 'persistent' && found.devices.length === 1 && found.devices[0] === directory;
  if (isPlain && !/\/(virtual|ndbus\d+)\//.test(directory)) plainDevices.set(directory, found);
  return found;
}

function walkDevice(host: Host, directory: string, level: number): Beneath {
  const name = basename(directory);
  if (level > MOST_LEVELS) return unknown(`${name} lies on more layers than are followed`);
  const memory = belowMemory(host, directory);
  if (memory !== undefined) return memory;
  if (isPartition(directory)) return belowDevice(host, dirname(directory), level + 1);
  if (/^(ram|zram|nullb)\d+$/.test(name)) return forgets(`${name} is a RAM disk`, [directory]);
  if (/^loop\d+$/.test(name)) return belowLoop(host, directory, level);
  const parts = children(join(directory, 'slaves'), /./);
  if (parts.length > 0) return worst(parts.map((part) => belowDevice(host, part.directory, level + 1)));
  if (/\/pseudo_\d+\/adapter\d+\//.test(directory)) return forgets(`${name} is scsi_debug, a RAM disk`, [directory]);
  const remote = remoteDevice(directory);
  if (remote !== undefined) return unknown(remote, [directory]);
  if (/^mtdblock\d+$/.test(name) && attribute(join(directory, 'device'), 'type') === 'ram') {
    return forgets(`${name} is memory`, [directory]);
  }
  if (directory.includes('/virtual/') && !isMultipath(directory)) {
    return unknown(`the kernel does not tell what is below ${name}`, [directory]);
  }
  return { state: 'persistent', why: undefined, devices: [directory] };
}

/** Memory of libnvdimm, whichever device makes it usable. */
function belowMemory(host: Host, directory: string): Beneath | undefined {
  const region = nvdimmRegionOf(directory);
  if (region === undefined) return undefined;
  if (region.volatile) return forgets(`${region.name} is volatile memory, as the platform says`, [directory]);
  const caveat = legacyCaveat(host, region);
  if (caveat !== undefined) return unknown(caveat, [directory]);
  return { state: 'persistent', why: undefined, devices: [directory] };
}

/** What is below a device-DAX device: memory that only libnvdimm calls persistent. */
export function belowDax(host: Host, directory: string): Beneath {
  return (
    belowMemory(host, directory) ?? forgets(`${basename(directory)} is memory that is not persistent`, [directory])
  );
}

/** The heads of NVMe devices with several paths are virtual, and no less devices. */
function isMultipath(directory: string): boolean {
  return /\/nvme-subsys\d+\//.test(directory);
}

/** A block device whose bytes another machine or program keeps. */
function remoteDevice(directory: string): string | undefined {
  const name = basename(directory);
  const served = `${name} is served by another machine or program, and whether that keeps what it was told to is its word`;
  if (/^(nbd|rbd|drbd|ublkb|zd|rnbd|nvmesh)\d+$/.test(name) || /\/session\d+\/target/.test(directory)) return served;
  if (/\/tcm_loop_\d+\//.test(directory)) return served;
  const above = dirname(directory);
  const paths = isMultipath(directory) ? children(above, /^nvme\d+$/).map((path) => path.directory) : [above];
  const transports = paths.map((path) => attribute(path, 'transport')).filter((one) => one !== undefined);
  return transports.some((transport) => transport !== 'pcie') && /^nvme/.test(name) ? served : undefined;
}

const DELETED = ' (deleted)';

/** The file of a loop device, which may be deleted, or be seen by another name here than where it was set up. */
function belowLoop(host: Host, directory: string, level: number): Beneath {
  const name = basename(directory);
  const told = loopFilePath(directory);
  if (told === undefined) return unknown(`${name} does not tell its file`, [directory]);
  const exact = loopFile(directory);
  if (exact === undefined) return belowNamed(host, directory, told, level);
  const { dev: device, ino: inode, rdev } = exact;
  if (rdev !== 0n) return belowNumber(host, rdev, level);
  const status = look(told);
  if (status?.ino === inode && status.dev === device) return belowPath(host, told, device, level);
  // Deleted, or named as this process does not see it: the directory or the mount table may have the same number.
  const parent = dirname(told);
  if (look(parent)?.dev === device) return belowPath(host, parent, device, level);
  const mount = mountOfDevice(host, deviceNumber(device));
  if (mount !== undefined || !isAnonymous(device)) {
    return belowFileSystem(host, { mount, magic: undefined, device }, level + 1);
  }
  return isNameless(told) ? forgets(`the file of ${name} is kept in memory`) : unseen(name, told);
}

/** Without the right to ask the device there is the name of its file only, which may be another one's in another name space. */
function belowNamed(host: Host, directory: string, told: string, level: number): Beneath {
  const name = basename(directory);
  const status = look(told);
  if (status?.isBlockDevice() === true) return belowNumber(host, status.rdev, level);
  if (status?.isFile() === true && fits(directory, status.size)) return belowPath(host, told, status.dev, level);
  if (isNameless(told)) return forgets(`the file of ${name} is kept in memory`);
  const magic = told.endsWith(DELETED) ? magicOf(dirname(told)) : undefined;
  if (magic !== undefined && VOLATILE_MAGIC.has(magic)) return forgets(`the file of ${name} is kept in memory`);
  return unseen(name, told);
}

function unseen(name: string, told: string): Beneath {
  return unknown(`the file of ${name}, ${told}, cannot be seen from here`);
}

/** Memory that was never in a directory: memfd_create(2), shmget(2). */
function isNameless(told: string): boolean {
  return /^\/(memfd:|SYSV|dev\/zero)/.test(told) && told.endsWith(DELETED);
}

function look(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

function magicOf(path: string): number | undefined {
  try {
    return statfsSync(path).type;
  } catch {
    return undefined;
  }
}

/** Of a file system that has no block device, or several. */
function isAnonymous(device: bigint): boolean {
  return deviceNumber(device).startsWith('0:');
}

/** Whether a file of this many bytes makes a loop device of the size that this one has. */
function fits(directory: string, size: bigint): boolean {
  const sectors = BigInt(attribute(directory, 'size') ?? -1);
  const offset = BigInt(attribute(join(directory, 'loop'), 'offset') ?? 0);
  const limit = BigInt(attribute(join(directory, 'loop'), 'sizelimit') ?? 0);
  const rest = size - offset;
  return (limit > 0n && limit < rest ? limit : rest) / 512n === sectors;
}

function belowNumber(host: Host, number: bigint, level: number): Beneath {
  const directory = deviceDirectory(host, 'block', deviceNumber(number));
  if (directory !== undefined) return belowDevice(host, directory, level + 1);
  return unknown(`sysfs does not show the block device ${deviceNumber(number)}`);
}

// ---- File systems --------------------------------------------------------------------------------------------------

/** By a path that is known to be the file's, or the directory's. */
function belowPath(host: Host, path: string, device: bigint, level: number): Beneath {
  const real = resolve(path) ?? path;
  const place = { mount: findMount(host, deviceNumber(device), real), magic: magicOf(path), device };
  const below = (fd: number) => belowFileSystem(host, { ...place, fd }, level + 1);
  return withOpen(path, constants.O_RDONLY, below) ?? belowFileSystem(host, place, level + 1);
}

/** What the file system lies on of which something is open. */
export function belowDescriptor(
  host: Host,
  fd: number,
  mount: Mount | undefined,
  device: bigint,
  magic: number,
): Beneath {
  return belowFileSystem(host, { mount, magic, device, fd }, 0);
}

function belowFileSystem(host: Host, place: FileSystemPlace, level: number): Beneath {
  const { mount, magic, device } = place;
  const type = mount?.type ?? '';
  const where = mount?.mountPoint ?? 'its file system';
  if (level > MOST_LEVELS) return unknown(`${where} lies on more layers than are followed`);
  if ((magic !== undefined && VOLATILE_MAGIC.has(magic)) || VOLATILE_TYPES.has(type)) {
    return forgets(`${where} is ${type === '' ? 'a file system in memory' : type}, which is kept in memory`);
  }
  if (mount !== undefined && type === 'overlay') return belowOverlay(host, mount, level);
  if (type === 'btrfs' || magic === BTRFS_MAGIC) return belowBtrfs(host, place, level);
  const server = serverOf(type);
  if (server !== undefined) return unknown(`${where} is ${type}: ${server}, and an msync is as good as what that does`);
  const devices = isAnonymous(device) ? sourcesOf(mount) : [device];
  if (devices.length === 0) {
    const what =
      type === '' ? 'a file system that the mount table does not show' : `${type}, which does not tell its devices`;
    return unknown(`${where} is ${what}`);
  }
  const numbers = [...devices, ...logDevices(mount)];
  const own = () => numbers.flatMap((one) => deviceDirectory(host, 'block', deviceNumber(one)) ?? []);
  return sealed(worst(numbers.map((one) => belowNumber(host, one, level))), mount, own);
}

/** The block devices of `/dev/a` or `/dev/a:/dev/b`. */
function sourcesOf(mount: Mount | undefined): bigint[] {
  const paths = (mount?.source ?? '').split(':').filter((path) => path.startsWith('/'));
  return paths.flatMap((path) => blockNumber(path));
}

function blockNumber(path: string): bigint[] {
  const status = look(path);
  return status?.isBlockDevice() === true ? [status.rdev] : [];
}

/** A journal, or the data themselves, on a device of their own. */
function logDevices(mount: Mount | undefined): bigint[] {
  return (mount?.options ?? []).flatMap((option) => {
    const [, path] = /^(?:logdev|rtdev|journal_path)=(.*)$/.exec(option) ?? [];
    return path === undefined ? [] : blockNumber(path);
  });
}

const WITHOUT_BARRIER = /^(nobarrier|barrier=(0|none|off|flush)|fsync_mode=nobarrier|nostrictsync)$/;

/**
 * A mount option may keep an fsync from emptying the caches of the file system's own devices, which of a loop device is the page
 * cache, and of those at the bottom.
 */
function sealed(below: Beneath, mount: Mount | undefined, own: () => readonly string[]): Beneath {
  const option = mount?.options.find((one) => WITHOUT_BARRIER.test(one));
  if (option === undefined || mount === undefined || [...own(), ...below.devices].every(writesThrough)) return below;
  const withoutBarrier = `${mount.mountPoint} is mounted with ${option}: an msync does not empty the disk's own cache, which may forget`;
  return { ...below, withoutBarrier };
}

function writesThrough(directory: string): boolean {
  return attribute(queueOf(directory), 'write_cache') === 'write through';
}

function belowBtrfs(host: Host, { mount, fd }: FileSystemPlace, level: number): Beneath {
  const where = mount?.mountPoint ?? 'its file system';
  const id = fd === undefined ? undefined : native.btrfsId(fd);
  const all = join(host.sys, 'fs', 'btrfs');
  const sources = sourcesOf(mount).map((number) => deviceDirectory(host, 'block', deviceNumber(number)));
  const devicesOf = (name: string) => children(join(all, name, 'devices'), /./).map(({ directory }) => directory);
  const isMeant = (devices: readonly string[]) => sources.some((one) => one !== undefined && devices.includes(one));
  const devices =
    id === undefined
      ? children(all, /^[0-9a-f-]{36}$/)
          .map(({ name }) => devicesOf(name))
          .find(isMeant)
      : devicesOf(id);
  if (devices === undefined || devices.length === 0) {
    return unknown(`${where} is btrfs, and sysfs does not show its devices`);
  }
  return sealed(worst(devices.map((directory) => belowDevice(host, directory, level + 1))), mount, () => devices);
}

/** The times of a directory, which the overlay shows as the upper layer has them: to the nanosecond. */
function stamp(path: string): string | undefined {
  const status = look(path);
  return status && [status.mtimeNs, status.ctimeNs, status.mode, status.uid, status.size].join(' ');
}

function optionValue(mount: Mount, name: string): string | undefined {
  return mount.options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The directories above a path. */
function ancestors(path: string): string[] {
  return path === '/' ? ['/'] : [dirname(path), ...(dirname(path) === '/' ? [] : ancestors(dirname(path)))];
}

/**
 * An overlay keeps what is written in its upper directory. The mount names that as whoever mounted it saw it: it may be
 * nothing here, or be another directory; it is the one whose times are those of the overlay's root. A relative one is looked for
 * above the mount point.
 */
function belowOverlay(host: Host, mount: Mount, level: number): Beneath {
  const { mountPoint, options } = mount;
  if (options.includes('volatile') || options.includes('fsync=volatile')) {
    return forgets(`${mountPoint} is an overlay that was told not to sync (mount option volatile)`);
  }
  const upper = optionValue(mount, 'upperdir');
  if (upper === undefined) return unknown(`${mountPoint} is an overlay without an upper directory`);
  const hidden = `${mountPoint} is an overlay whose upper directory, ${upper}, cannot be seen from here`;
  // Before Linux 6.7 the mount table has the backslashes with which the option was given.
  const names = new Set([upper, upper.replace(/\\(.)/g, '$1')]);
  const bases = upper.startsWith('/') ? ['/'] : [...ancestors(mountPoint), process.cwd()];
  for (const path of bases.flatMap((base) => [...names].map((name) => join(base, name)))) {
    const inside = join(path, mount.root);
    // Once more where somebody changed the directory between two looks.
    const isUpper = [1, 2, 3].some(() => stamp(inside) !== undefined && stamp(inside) === stamp(mountPoint));
    const status = isUpper ? look(path) : undefined;
    if (status !== undefined) return belowPath(host, path, status.dev, level);
  }
  return unknown(hidden);
}

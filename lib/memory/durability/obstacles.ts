/** Why stores to a backing are not durable by CPU flushes alone, and the ways out. */

import { release } from 'node:os';
import { basename, join } from 'node:path';
import { native } from '../../binding.js';
import { mountPoints } from '../../linux/blockdev/mounts.js';
import { isPartition, queueOf } from '../../linux/blockdev/stack.js';
import { HOST, type Host } from '../../linux/host.js';
import { mountTable } from '../../linux/mounts.js';
import { type Namespace, namespaces } from '../../linux/nvdimm/namespaces.js';
import { isVirtioPmem, isVolatileDax } from '../../linux/nvdimm/regions.js';
import { attribute } from '../../linux/sysfs/read.js';
import { isVolatileType, serverOf } from '../../linux/volatile-backing/types.js';
import { printable } from '../../printable.js';
import { formatSize } from '../../units.js';
import type { Backing, FileSystem } from '../backing.js';

/** One cause, with its way out. */
export interface Obstacle {
  /** Name of the cause; stays the same from version to version. */
  readonly code:
    | 'volatile-file-system'
    | 'file-system-without-dax'
    | 'device-without-dax'
    | 'virtio-pmem'
    | 'block-size'
    | 'not-mounted-with-dax'
    | 'xfs-reflink'
    | 'old-kernel'
    | 'block-device'
    | 'no-barrier'
    | 'refused';
  readonly cause: string;
  readonly remedy: string;
  /** Commands of the way out, for a root shell, in their order; empty where there are none. */
  readonly commands: readonly string[];
}

/** File systems with DAX and MAP_SYNC. */
const WITH_DAX = new Set(['ext4', 'xfs']);

const OTHER_FILE =
  "use a file on ext4 or xfs mounted with '-o dax' on a pmem device, a device-DAX path, or, on a machine without such memory, pass assumePersistent: true to try";

/** Whether the backing can have obstacles: files, block devices, and device-DAX that cannot be flushed. */
export function hasObstacles(backing: Backing): boolean {
  return backing.kind === 'file' || backing.kind === 'block' || (isUnflushable(backing) && !isVolatile(backing));
}

/** Whether the media lose their contents at power-off. */
export function isVolatile({ kind, below, fileSystem, device }: Backing): boolean {
  if (kind === 'devdax' && below === undefined) return device !== undefined && isVolatileDax(device);
  return below?.state === 'volatile' || (fileSystem !== undefined && isVolatileType(fileSystem.type));
}

/** Device-DAX of virtio-pmem: only a request to the host makes stores durable, and a character device cannot send it. */
export function isUnflushable({ kind, device, below }: Backing): boolean {
  const devices = below?.devices.length ? below.devices : device === undefined ? [] : [device];
  return kind === 'devdax' && devices.some(isVirtioPmem);
}

/**
 * A path as a shell's argument, in characters that a terminal shows: the command `pmem` prints others in hexadecimal, which a shell
 * does not read back. `$(…)` drops a line feed at the end, so a directory's name that ends in one gets `/.` after it.
 */
export function quoted(path: string): string {
  if (/^[\w@%+=:,./-]+$/.test(path)) return path;
  if (printable(path) === path) return `'${path.replaceAll("'", "'\\''")}'`;
  const octal = [...Buffer.from(path)].map((byte) => {
    const one = String.fromCharCode(byte);
    return /[\w@+=:,./-]/.test(one) ? one : `\\${byte.toString(8).padStart(3, '0')}`;
  });
  return `"$(printf '${octal.join('')}${path.endsWith('\n') ? '/.' : ''}')"`;
}

/** The node of a block device. Sysfs writes a slash of its name as an exclamation mark. */
function nodeOf(directory: string): string {
  return quoted(`/dev/${basename(directory).replaceAll('!', '/')}`);
}

const VOLATILE_REMEDY =
  'use a file on a disk or on persistent memory; to try the code as if this were persistent, pass assumePersistent: true or set PMEM_ASSUME_PERSISTENT=1';

function ofVolatile(backing: Backing): Obstacle {
  const { path, fileSystem, below } = backing;
  const known = fileSystem !== undefined && isVolatileType(fileSystem.type);
  if (backing.kind === 'devdax') {
    const cause = `${path} is device-DAX over memory that is not persistent`;
    return { code: 'volatile-file-system', cause, remedy: VOLATILE_REMEDY, commands: [] };
  }
  return {
    code: 'volatile-file-system',
    cause: known
      ? `${fileSystem.mountPoint} is ${fileSystem.type}: memory, which loses its contents at power-off`
      : `${path} is kept in memory, which loses its contents at power-off${below?.why === undefined ? '' : `: ${below.why}`}`,
    remedy: VOLATILE_REMEDY,
    commands: [],
  };
}

function ofVirtio(name: string, { kind, device }: Pick<Backing, 'kind' | 'device'>, host: Host): Obstacle {
  const cause = `${name} is virtio-pmem: stores become durable only by a flush request to the host`;
  const nvdimm = "give the guest an emulated NVDIMM instead (QEMU: '-device nvdimm')";
  if (kind !== 'devdax') {
    return {
      code: 'virtio-pmem',
      cause: `${cause}, so the kernel refuses MAP_SYNC`,
      remedy: `${nvdimm}, or accept page granularity, which sends that request`,
      commands: [],
    };
  }
  const space = namespaces(host).find(({ holder }) => device?.startsWith(`${holder}/`));
  return {
    code: 'virtio-pmem',
    cause: `${cause}, which device-DAX cannot send`,
    remedy: `${nvdimm}, or make the namespace a block device, whose msync sends that request; this destroys its contents`,
    commands: space === undefined ? [] : [`ndctl create-namespace -f -e ${space.name} -m fsdax`],
  };
}

/** Whether the block device has DAX; undefined where the kernel does not tell. */
export function deviceHasDax(device: string): boolean | undefined {
  const value = attribute(queueOf(device), 'dax');
  return value === undefined ? undefined : value === '1';
}

/** `6.1.0-13-amd64`. */
function kernelRelease(host: Host): string {
  return attribute(join(host.proc, 'sys', 'kernel'), 'osrelease') ?? release();
}

function kernelBefore(kernel: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return first < major || (first === major && second < minor);
}

function daxOption(options: readonly string[]): string {
  return options.find((option) => option === 'dax' || option.startsWith('dax=')) ?? '';
}

/** All mount points of the file system: each must be unmounted before other mount options apply. */
function mountPointsOf({ device, mountPoint }: FileSystem, host: Host): string[] {
  const number = device === undefined ? undefined : attribute(device, 'dev');
  const others = mountTable(host).filter((mount) => mount.device === number);
  const all = others.map((mount) => mount.mountPoint);
  return all.includes(mountPoint) ? all : [mountPoint];
}

function unmounted(fileSystem: FileSystem, host: Host): string[] {
  return mountPointsOf(fileSystem, host).map((point) => `umount ${quoted(point)}`);
}

/** Makes a file system that can have DAX. Without reflink xfs has DAX on every kernel, and on partitions. */
function mkfs(type: string, device: string): string {
  const page = native.pageSize();
  if (type === 'xfs') return `mkfs.xfs -f -b size=${page} -m reflink=0 ${nodeOf(device)}`;
  return `mkfs.ext4 -F -b ${page} ${nodeOf(device)}`;
}

/** Where xfs with reflink has no DAX: everywhere before Linux 6.0, on partitions since. */
function reflinkConflict({ reflink, device }: FileSystem, host: Host): string | undefined {
  if (reflink !== true || device === undefined) return undefined;
  if (kernelBefore(kernelRelease(host), 6, 0)) return 'before Linux 6.0';
  return isPartition(device) ? 'on a partition' : undefined;
}

function otherFile(code: Obstacle['code'], cause: string): Obstacle {
  return { code, cause, remedy: OTHER_FILE, commands: [] };
}

function ofFileSystem(fileSystem: FileSystem, host: Host): Obstacle[] {
  const { type, mountPoint, device, blockSize, options } = fileSystem;
  if (!WITH_DAX.has(type)) {
    const server = serverOf(type);
    const what = server === undefined ? type : `${type} (${server})`;
    return [otherFile('file-system-without-dax', `${mountPoint} is ${what}, which has no DAX with MAP_SYNC`)];
  }
  const found: Obstacle[] = [];
  if (device !== undefined && isVirtioPmem(device)) return [ofVirtio(basename(device), { kind: 'file', device }, host)];
  if (device === undefined || deviceHasDax(device) !== true) {
    const name = device === undefined ? `the device of ${mountPoint}` : `/dev/${basename(device)}`;
    return [otherFile('device-without-dax', `${name} is not byte-addressable memory`)];
  }
  const page = native.pageSize();
  const mounted = `mount -o dax ${nodeOf(device)} ${quoted(mountPoint)}`;
  if (blockSize !== page) {
    found.push({
      code: 'block-size',
      cause: `${mountPoint} has blocks of ${formatSize(blockSize)}, and DAX needs the size of a page, ${formatSize(page)}`,
      remedy: `make the file system anew with blocks of ${page} bytes; this destroys its contents`,
      commands: [...unmounted(fileSystem, host), mkfs(type, device), mounted],
    });
  }
  const conflict = reflinkConflict(fileSystem, host);
  if (conflict !== undefined) {
    found.push({
      code: 'xfs-reflink',
      cause: `${mountPoint} is xfs with reflink, which has no DAX ${conflict}`,
      remedy: 'make the file system anew without it; this destroys its contents',
      commands: [...unmounted(fileSystem, host), mkfs(type, device), mounted],
    });
    return found;
  }
  const dax = daxOption(options);
  if (dax !== 'dax' && dax !== 'dax=always') {
    found.push({
      code: 'not-mounted-with-dax',
      cause: `${mountPoint} is mounted ${dax === '' ? 'without the option dax' : `with ${dax}`}`,
      remedy: `mount it with DAX${found.length > 0 ? ', once its blocks are as large as pages' : ''}`,
      commands: [...unmounted(fileSystem, host), mounted],
    });
  }
  return found;
}

/** A mount option because of which an msync does not empty the disk's cache. */
function ofBarrier({ below, fileSystem }: Backing): Obstacle[] {
  const cause = below?.withoutBarrier;
  if (cause === undefined || fileSystem === undefined) return [];
  const own = cause.startsWith(`${fileSystem.mountPoint} `) && /^(ext[234]|btrfs)$/.test(fileSystem.type);
  const remedy = 'mount it with barriers, so that a persist reaches the media';
  return [
    {
      code: 'no-barrier',
      cause,
      remedy,
      commands: own ? [`mount -o remount,barrier ${quoted(fileSystem.mountPoint)}`] : [],
    },
  ];
}

/** Mount point of a new file system. */
const NEW_MOUNT = '/mnt/pmem';

/** A block device: the kernel maps it through the page cache, DAX or not. */
function ofBlockDevice({ path, device }: Backing, host: Host): Obstacle {
  const code = 'block-device';
  const cause = `${path} is a block device, which is mapped through the page cache`;
  if (device === undefined) return otherFile(code, cause);
  if (isVirtioPmem(device)) return ofVirtio(path, { kind: 'block', device }, host);
  const [mountPoint] = mountPoints(device, mountTable(host));
  if (mountPoint !== undefined) {
    const remedy = `use a file in ${mountPoint}; what that offers is another question`;
    const commands = [`pmem explain ${quoted(mountPoint)}`];
    return { code, cause: `${cause}; it is mounted on ${mountPoint}`, remedy, commands };
  }
  const space = namespaceOf(device, host);
  const place = [`mkdir -p ${NEW_MOUNT}`];
  if (deviceHasDax(device) === true && (space === undefined || space.mode === 'fsdax')) {
    const commands = [mkfs('ext4', device), ...place, `mount -o dax ${nodeOf(device)} ${NEW_MOUNT}`];
    return { code, cause, remedy: 'make a file system on it for a file; this destroys its contents', commands };
  }
  if (space === undefined || isPartition(device)) return otherFile(code, cause);
  return {
    code,
    cause: `${cause}; its namespace ${space.name} is in mode ${space.mode ?? 'raw'}, which has no DAX`,
    remedy: 'make the namespace fsdax, and a file system on it for a file; this destroys its contents',
    // ndctl may give the namespace another name, and with it the device.
    commands: [
      `device=/dev/$(ndctl create-namespace -f -e ${space.name} -m fsdax | sed -n 's/.*"blockdev":"\\([^"]*\\)".*/\\1/p')`,
      `mkfs.ext4 -F -b ${native.pageSize()} $device`,
      ...place,
      `mount -o dax $device ${NEW_MOUNT}`,
    ],
  };
}

/** The namespace of the block device, or of the disk that it is a partition of. */
function namespaceOf(device: string, host: Host): Namespace | undefined {
  return namespaces(host).find(({ block }) => block !== undefined && `${device}/`.startsWith(`${block.directory}/`));
}

/** The obstacles to stores that are durable by CPU flushes alone, the most basic first. */
export function obstacles(backing: Backing, errno: number, host: Host = HOST): Obstacle[] {
  const kernel = kernelRelease(host);
  if (kernelBefore(kernel, 4, 15)) {
    const cause = `Linux ${kernel} does not have MAP_SYNC`;
    return [{ code: 'old-kernel', cause, remedy: 'use Linux 4.15 or later', commands: [] }];
  }
  if (isVolatile(backing)) return [ofVolatile(backing)];
  if (isUnflushable(backing)) return [ofVirtio(backing.path, backing, host)];
  if (backing.kind === 'block') return [ofBlockDevice(backing, host)];
  const found = backing.fileSystem === undefined ? [] : ofFileSystem(backing.fileSystem, host);
  if (found.length > 0) return [...found, ...ofBarrier(backing)];
  return [
    {
      code: 'refused',
      cause: `the kernel refuses MAP_SYNC on ${backing.path} (errno ${errno}) although device and file system could do it`,
      remedy: "see the kernel's log",
      commands: [],
    },
  ];
}

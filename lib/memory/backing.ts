/** What is at a path: a file, a device-DAX character device, physical memory, a PCI BAR or a block device. */

import { constants, fstatSync, openSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { join } from 'node:path';
import { native } from '../binding.js';
import { PmemError, systemError } from '../errors.js';
import { HOST, type Host } from './host.js';
import type { FileIdentity } from './lock-holders.js';
import { descriptorMount, findMount, type Mount, mountOfDevice } from './mounts.js';
import { deviceDirectory, deviceNumber, ndRegion, numericAttribute, subsystem } from './sysfs.js';
import { type Beneath, belowDax, belowDescriptor, belowDevice } from './volatility.js';

/**
 * `file`: a regular file; `devdax`: `/dev/daxX.Y`; `devmem`: `/dev/mem`; `pci`: a `resourceN` of a PCI device in sysfs;
 * `block`: a block device, which is mapped through the page cache.
 */
export type BackingKind = 'file' | 'devdax' | 'devmem' | 'pci' | 'block';

/** The file system that a file lies on. */
export interface FileSystem {
  /** `ext4`, `xfs`, `tmpfs`, …, as the kernel names it. */
  readonly type: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  /** Bytes. */
  readonly blockSize: number;
  /** The block device's directory below /sys/devices, where it has one. */
  readonly device: string | undefined;
  /** Of xfs: whether files can share blocks. */
  readonly reflink?: boolean;
}

/** What is at a path, and the units in which it can be mapped. */
export interface Backing {
  readonly kind: BackingKind;
  readonly path: string;
  /** Bytes; undefined for physical memory, which has no end that one could ask for. */
  readonly size: number | undefined;
  /** Offsets (and on device-DAX lengths) must be multiples of this many bytes; the kernel maps in this unit. */
  readonly pageSize: number;
  readonly fileSystem: FileSystem | undefined;
  /** What holds the bytes in the end; undefined of physical memory and PCI devices, of which nobody tells. */
  readonly below?: Beneath;
  /** Of a device: its directory below /sys/devices. */
  readonly device: string | undefined;
  readonly identity: FileIdentity;
}

const SYSFS_MAGIC = 0x62656572;
const HUGETLBFS_MAGIC = 0x958458f6;
const DEV_MEM = '1:1';

const TO_MAKE = 'To make a new file, pass create: true and a size';

/** Opens without waiting for a writer (FIFOs) and without truncating or creating. */
export function openDescriptor(path: string, writable: boolean, whereMissing = TO_MAKE): number {
  try {
    return openSync(path, (writable ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw systemError(error, path, code === 'ENOENT' ? whereMissing : adviceOnOpen(code, path, writable));
  }
}

/** A path of what a descriptor is open on, whatever has its name now. */
export function linkTo(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** A descriptor of its own on what another one is open on; `path` is for the error. */
export function openAgain(fd: number, path: string, writable: boolean): number {
  try {
    return openSync(linkTo(fd), (writable ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NONBLOCK);
  } catch (error) {
    throw systemError(error, path);
  }
}

/** A device node leads to its number: of the DAX bus, whatever the node is called. */
function isDaxDevice(path: string): boolean {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (status?.isCharacterDevice() !== true) return false;
  const device = deviceDirectory(HOST, 'char', deviceNumber(status.rdev));
  return device !== undefined && subsystem(device) === 'dax';
}

function adviceOnOpen(code: string | undefined, path: string, writable: boolean): string | undefined {
  switch (code) {
    case 'EACCES':
    case 'EROFS':
      return writable ? 'To map it for reading only, pass readOnly: true' : undefined;
    case 'EPERM':
      return path === '/dev/mem' ? 'Physical memory needs CAP_SYS_RAWIO, and a kernel without lockdown' : undefined;
    case 'ENXIO':
      return isDaxDevice(path)
        ? 'The device has no driver in this mode; a DAX device in system-ram mode cannot be mapped'
        : 'No device has the number of this file: its driver is not there, or the number is wrong';
    default:
      return undefined;
  }
}

function refusal(path: string, code: 'EISDIR' | 'ENODEV', sentence: string): PmemError {
  return new PmemError(code, `${code}: '${path}' ${sentence}`, { errno: osConstants.errno[code], path });
}

function inspectCharacterDevice(
  path: string,
  number: string,
  host: Host,
): Pick<Backing, 'kind' | 'size' | 'pageSize' | 'device' | 'below'> {
  if (number === DEV_MEM) return { kind: 'devmem', size: undefined, pageSize: native.pageSize(), device: undefined };
  const device = deviceDirectory(host, 'char', number);
  if (device === undefined || subsystem(device) !== 'dax') {
    throw refusal(path, 'ENODEV', 'is a character device, but neither device-DAX nor /dev/mem');
  }
  const size = numericAttribute(device, 'size');
  const align = numericAttribute(device, 'align');
  if (size === undefined || align === undefined) {
    throw refusal(path, 'ENODEV', `does not tell its size and alignment in ${device}`);
  }
  return { kind: 'devdax', size, pageSize: align, device, below: belowDax(host, device) };
}

function inspectBlockDevice(
  path: string,
  number: string,
  host: Host,
): Pick<Backing, 'kind' | 'size' | 'pageSize' | 'device' | 'below'> {
  const device = deviceDirectory(host, 'block', number);
  const sectors = device === undefined ? undefined : numericAttribute(device, 'size');
  if (device === undefined || sectors === undefined)
    throw refusal(path, 'ENODEV', 'is a block device that sysfs does not know');
  const below = belowDevice(host, device);
  return { kind: 'block', size: sectors * 512, pageSize: native.pageSize(), device, below };
}

function mountOf(host: Host, fd: number, path: string, dev: bigint): Mount | undefined {
  const exact = descriptorMount(host, fd);
  if (exact === 'elsewhere') return mountOfDevice(host, deviceNumber(dev));
  if (exact !== undefined) return exact;
  let real = path;
  try {
    real = realpathSync(path);
  } catch {
    // A deleted file still has a device number to find its mount by.
  }
  return findMount(host, deviceNumber(dev), real);
}

/** The file system of an open file or directory, and what that lies on. */
function fileSystemOf(
  host: Host,
  fd: number,
  path: string,
  dev: bigint,
  { type, bsize }: { readonly type: number; readonly bsize: number },
): { fileSystem: FileSystem | undefined; below: Beneath } {
  const mount = mountOf(host, fd, path, dev);
  const below = belowDescriptor(host, fd, mount, dev, type);
  if (mount === undefined) return { fileSystem: undefined, below };
  const reflink = mount.type === 'xfs' ? native.xfsReflink(fd) : undefined;
  const fileSystem = {
    type: mount.type,
    mountPoint: mount.mountPoint,
    options: mount.options,
    blockSize: bsize,
    device: deviceDirectory(host, 'block', deviceNumber(dev)),
    ...(reflink === undefined ? {} : { reflink }),
  };
  return { fileSystem, below };
}

/** What the open descriptor is. Directories, pipes and sockets are refused (`EISDIR`, `ENODEV`). */
export function inspect(fd: number, path: string, host: Host = HOST): Backing {
  const status = fstatSync(fd, { bigint: true });
  const { dev, ino, rdev, mode } = status;
  const identity = status.isFile() ? { dev, ino } : { dev, ino, rdev, mode };
  const number = deviceNumber(status.rdev);
  if (status.isDirectory()) throw refusal(path, 'EISDIR', 'is a directory; name a file in it');
  if (status.isCharacterDevice()) {
    return { path, identity, fileSystem: undefined, ...inspectCharacterDevice(path, number, host) };
  }
  if (status.isBlockDevice()) {
    return { path, identity, fileSystem: undefined, ...inspectBlockDevice(path, number, host) };
  }
  if (!status.isFile()) throw refusal(path, 'ENODEV', 'is neither a file nor a device that can be mapped');

  const size = Number(status.size);
  const fileSystemStatus = statfsSync(`/proc/self/fd/${fd}`);
  const { type, bsize } = fileSystemStatus;
  if (type === SYSFS_MAGIC) {
    if (!/\/resource\d+(_wc)?$/.test(realpathSync(path))) {
      throw refusal(path, 'ENODEV', 'is in sysfs, but not a resource of a PCI device');
    }
    const device = realpathSync(path).replace(/\/[^/]*$/, '');
    return { kind: 'pci', path, size, pageSize: native.pageSize(), fileSystem: undefined, device, identity };
  }
  const pageSize = type === HUGETLBFS_MAGIC ? bsize : native.pageSize();
  const where = fileSystemOf(host, fd, path, status.dev, fileSystemStatus);
  return { kind: 'file', path, size, pageSize, ...where, device: undefined, identity };
}

/** What a file in the open directory would be. */
export function inspectDirectory(fd: number, path: string, host: Host = HOST): Backing {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return {
    kind: 'file',
    path,
    size: undefined,
    pageSize: native.pageSize(),
    ...fileSystemOf(host, fd, path, dev, statfsSync(path)),
    device: undefined,
    identity: { dev, ino },
  };
}

/** The directory in sysfs of the device that the bytes are on, whatever lies between. */
export function deviceOf(backing: Backing): string | undefined {
  return backing.device ?? backing.fileSystem?.device;
}

/** The NUMA node that the memory belongs to, or undefined where the kernel does not say. */
export function numaNode(backing: Backing): number | undefined {
  const device = deviceOf(backing);
  if (device === undefined) return undefined;
  // A block device tells by the device that it is made of, and that by its region.
  for (const directory of [device, join(device, 'device'), ndRegion(device)]) {
    const node = directory === undefined ? undefined : numericAttribute(directory, 'numa_node');
    if (node !== undefined && node >= 0) return node;
  }
  return undefined;
}

/** What is at a path: a file, a device-DAX character device, physical memory, a PCI BAR or a block device. */

import { constants, fstatSync, openSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { join } from 'node:path';
import { native } from '../binding.js';
import { PmemError, systemError } from '../errors.js';
import { HOST, type Host } from './host.js';
import type { FileIdentity } from './lock-holders.js';
import { findMount, type Mount } from './mounts.js';
import { deviceDirectory, deviceNumber, ndRegion, numericAttribute, subsystem } from './sysfs.js';
import { isVolatileBlockDevice, isVolatileOverlay, isVolatileType } from './volatility.js';

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
  /** Everything here is gone after power-off, as far as can be told. */
  readonly volatile?: boolean;
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
    case 'EBUSY':
      return 'It is mounted or claimed, and this kernel lets nobody else open it for writing (bdev_allow_write_mounted=0). To read it, pass readOnly: true';
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
): Pick<Backing, 'kind' | 'size' | 'pageSize' | 'device'> {
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
  return { kind: 'devdax', size, pageSize: align, device };
}

function inspectBlockDevice(
  path: string,
  number: string,
  host: Host,
): Pick<Backing, 'kind' | 'size' | 'pageSize' | 'device' | 'volatile'> {
  const device = deviceDirectory(host, 'block', number);
  const sectors = device === undefined ? undefined : numericAttribute(device, 'size');
  if (device === undefined || sectors === undefined)
    throw refusal(path, 'ENODEV', 'is a block device that sysfs does not know');
  const volatile = isVolatileBlockDevice(device);
  return { kind: 'block', size: sectors * 512, pageSize: native.pageSize(), device, volatile };
}

function fileSystemOf(host: Host, path: string, dev: bigint, blockSize: number): FileSystem | undefined {
  let real = path;
  try {
    real = realpathSync(path);
  } catch {
    // A deleted file still has a device number to find its mount by.
  }
  const mount: Mount | undefined = findMount(host, deviceNumber(dev), real);
  if (mount === undefined) return undefined;
  return {
    type: mount.type,
    mountPoint: mount.mountPoint,
    options: mount.options,
    blockSize,
    device: deviceDirectory(host, 'block', deviceNumber(dev)),
  };
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
  const { type, bsize } = statfsSync(`/proc/self/fd/${fd}`);
  if (type === SYSFS_MAGIC) {
    if (!/\/resource\d+(_wc)?$/.test(realpathSync(path))) {
      throw refusal(path, 'ENODEV', 'is in sysfs, but not a resource of a PCI device');
    }
    const device = realpathSync(path).replace(/\/[^/]*$/, '');
    return { kind: 'pci', path, size, pageSize: native.pageSize(), fileSystem: undefined, device, identity };
  }
  const pageSize = type === HUGETLBFS_MAGIC ? bsize : native.pageSize();
  const fileSystem = fileSystemOf(host, path, status.dev, bsize);
  const volatile = forgets(type, fileSystem);
  return { kind: 'file', path, size, pageSize, fileSystem, volatile, device: undefined, identity };
}

/** By what the kernel says of the file itself first: a mount may not be found, or not be the file's. */
function forgets(type: number, fileSystem: FileSystem | undefined): boolean {
  if (isVolatileType(type)) return true;
  if (fileSystem === undefined) return false;
  if (isVolatileOverlay(fileSystem.type, fileSystem.options)) return true;
  return fileSystem.device !== undefined && isVolatileBlockDevice(fileSystem.device);
}

/** What a file in the open directory would be. */
export function inspectDirectory(fd: number, path: string, host: Host = HOST): Backing {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  const { type, bsize } = statfsSync(path);
  const fileSystem = fileSystemOf(host, path, dev, bsize);
  return {
    kind: 'file',
    path,
    size: undefined,
    pageSize: native.pageSize(),
    fileSystem,
    volatile: forgets(type, fileSystem),
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

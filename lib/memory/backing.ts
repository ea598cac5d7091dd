/** Backings of mappings: files, device-DAX character devices, physical memory, PCI BARs and block devices. */

import { constants, existsSync, fstatSync, realpathSync, statfsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { native } from '../binding.js';
import { type PmemError, posixError, systemError } from '../errors.js';
import { daxDeviceAt } from '../linux/dax/devices.js';
import { HOST, type Host } from '../linux/host.js';
import { type FileIdentity, identityOf } from '../linux/identity.js';
import { descriptorMount, findMount, type Mount, mountOfDevice } from '../linux/mounts.js';
import { ndRegion } from '../linux/nvdimm/regions.js';
import { fileSystemStatus, openSeen, type Way } from '../linux/open.js';
import { deviceDirectory, deviceNumber, numericAttribute, resolve, subsystem } from '../linux/sysfs/read.js';
import { belowDescriptor, belowDevice } from '../linux/volatile-backing/below.js';
import { belowDax } from '../linux/volatile-backing/device.js';
import type { Media } from '../linux/volatile-backing/media.js';

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
  /** Directory below /sys/devices of the block device, where the file system is on one. */
  readonly device: string | undefined;
  /** Whether files can share blocks; only of xfs. */
  readonly reflink?: boolean;
}

/** What a path leads to, and the unit in which it can be mapped. */
export interface Backing {
  readonly kind: BackingKind;
  readonly path: string;
  /** Bytes; undefined of physical memory, whose end the kernel does not tell, and of a file that is yet to be made. */
  readonly size: number | undefined;
  /** Bytes: the unit in which the kernel maps. Offsets must be multiples of it, and lengths too on device-DAX. */
  readonly pageSize: number;
  readonly fileSystem: FileSystem | undefined;
  /** The media that hold the bytes in the end; undefined of physical memory and PCI devices, of which nobody tells. */
  readonly below?: Media;
  /** Directory below /sys/devices, of a device. */
  readonly device: string | undefined;
  readonly identity: FileIdentity;
}

const SYSFS_MAGIC = 0x62656572;
const HUGETLBFS_MAGIC = 0x958458f6;
const DEV_MEM = '1:1';
/** The kernel's own file systems: linux/magic.h. Opening a file there can have effects. */
const KERNEL_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x27e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x62656570, 'configfs'],
  [0x73636673, 'securityfs'],
  [0xf97cff8c, 'selinuxfs'],
  [0xcafe4a11, 'bpf'],
  [0xde5e81e4, 'efivarfs'],
  [0x6165676c, 'pstore'],
  [0x42494e4d, 'binfmt_misc'],
  [0x65735543, 'fusectl'],
  [0x6e736673, 'nsfs'],
]);

const TO_MAKE = 'To make a new file, pass create: true and a size';

/** Opens a path that can be mapped. Opens nothing else, does not truncate, and creates nothing. */
export function openDescriptor(path: string, writable: boolean, whereMissing = TO_MAKE): number {
  return openMappable(path, writable ? constants.O_RDWR : constants.O_RDONLY, { whereMissing });
}

/** {@link openDescriptor} with any flags of open(2), and with a further check. */
export function openMappable(
  path: string,
  flags: number,
  { whereMissing = TO_MAKE, check, links }: { whereMissing?: string } & Partial<Omit<Way, 'flags'>> = {},
): number {
  const inspecting = (seen: number): void => {
    refuseUnmappable(seen, path);
    check?.(seen);
  };
  try {
    return openSeen(path, { flags, check: inspecting, ...(links === undefined ? {} : { links }) });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const writable = (flags & (constants.O_RDWR | constants.O_WRONLY)) !== 0;
    throw systemError(error, path, code === 'ENOENT' ? whereMissing : adviceOnOpen(code, path, writable));
  }
}

function adviceOnOpen(code: string | undefined, path: string, writable: boolean): string | undefined {
  switch (code) {
    case 'EACCES':
    case 'EROFS':
      return writable ? 'To map it for reading only, pass readOnly: true' : undefined;
    case 'EPERM':
      return path === '/dev/mem' ? 'Physical memory needs CAP_SYS_RAWIO, and a kernel without lockdown' : undefined;
    case 'EBUSY':
      return 'It is mounted or claimed, and this kernel lets no other program open it for writing (bdev_allow_write_mounted=0). To read it, pass readOnly: true';
    case 'ENXIO':
      return 'The device has no driver in this mode; a DAX device in system-ram mode cannot be mapped';
    default:
      return undefined;
  }
}

function refusal(path: string, code: 'EISDIR' | 'ENODEV' | 'ENXIO', sentence: string): PmemError {
  return posixError(code, `'${path}' ${sentence}`, { path });
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
  const { size, align } = daxDeviceAt(device);
  if (align === undefined) throw refusal(path, 'ENODEV', `does not tell its size and alignment in ${device}`);
  return { kind: 'devdax', size, pageSize: align, device, below: belowDax(host, device) };
}

/** Refuses a node whose number no device has. Opening it would do so too, but may load a driver first. */
function refuseUnknown(path: string, type: 'block' | 'char', number: string, host: Host): void {
  const all = join(host.sys, 'dev', type);
  if (!existsSync(all) || existsSync(join(all, number))) return;
  throw refusal(
    path,
    'ENXIO',
    'cannot be opened: No device has the number of this file: its driver is not there, or the number is wrong',
  );
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
    // A deleted file was here, and a file without a name yet is going to be here; its mount is found by the device number.
    real = join(resolve(dirname(path)) ?? dirname(path), basename(path));
  }
  return findMount(host, deviceNumber(dev), real);
}

/** The file system of an open file or directory, and the media below it. */
function fileSystemOf(
  host: Host,
  fd: number,
  path: string,
  dev: bigint,
  { type, bsize }: { readonly type: number; readonly bsize: number },
): { fileSystem: FileSystem | undefined; below: Media } {
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

/** Refuses what {@link inspect} refuses, by its kind. A descriptor with O_PATH will do. */
export function refuseUnmappable(fd: number, path: string, host: Host = HOST): void {
  const status = fstatSync(fd, { bigint: true });
  const number = deviceNumber(status.rdev);
  if (status.isDirectory()) throw refusal(path, 'EISDIR', 'is a directory; name a file in it');
  if (status.isCharacterDevice()) {
    if (number !== DEV_MEM) refuseUnknown(path, 'char', number, host);
    inspectCharacterDevice(path, number, host);
  } else if (status.isBlockDevice()) refuseUnknown(path, 'block', number, host);
  else if (!status.isFile()) throw refusal(path, 'ENODEV', 'is neither a file nor a device that can be mapped');
  else refuseKernelFile(fileSystemStatus(fd, path).type, path);
}

/** Refuses files of the kernel's own file systems, but for the resources of PCI devices, which are memory. */
function refuseKernelFile(type: number, path: string): void {
  const name = KERNEL_FILE_SYSTEMS.get(type);
  if (name !== undefined) throw refusal(path, 'ENODEV', `is a file of ${name}, where nothing can be mapped`);
  if (type === SYSFS_MAGIC && !/\/resource\d+(_wc)?$/.test(realpathSync(path))) {
    throw refusal(path, 'ENODEV', 'is in sysfs, but not a resource of a PCI device');
  }
}

/**
 * What the descriptor is open on.
 *
 * @throws PmemError `EISDIR` for a directory, `ENODEV` for what else cannot be mapped
 */
export function inspect(fd: number, path: string, host: Host = HOST): Backing {
  const status = fstatSync(fd, { bigint: true });
  const identity = identityOf(status);
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
  const statfs = fileSystemStatus(fd, path);
  const { type, bsize } = statfs;
  refuseKernelFile(type, path);
  if (type === SYSFS_MAGIC) {
    const device = realpathSync(path).replace(/\/[^/]*$/, '');
    return { kind: 'pci', path, size, pageSize: native.pageSize(), fileSystem: undefined, device, identity };
  }
  const pageSize = type === HUGETLBFS_MAGIC ? bsize : native.pageSize();
  const where = fileSystemOf(host, fd, path, status.dev, statfs);
  return { kind: 'file', path, size, pageSize, ...where, device: undefined, identity };
}

/** What a new file in the open directory would be. */
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

/** Directory below /sys/devices of the device that is mapped, or that the file system is on. */
export function deviceOf(backing: Backing): string | undefined {
  return backing.device ?? backing.fileSystem?.device;
}

/** The NUMA node nearest to the memory; undefined where the kernel does not tell. */
export function numaNode(backing: Backing): number | undefined {
  const device = deviceOf(backing);
  if (device === undefined) return undefined;
  // A block device has the attribute in its parent device, and a libnvdimm device in its region.
  for (const directory of [device, join(device, 'device'), ndRegion(device)]) {
    const node = directory === undefined ? undefined : numericAttribute(directory, 'numa_node');
    if (node !== undefined && node >= 0) return node;
  }
  return undefined;
}

/** Backings of mappings: files, device-DAX character devices, physical memory, PCI BARs and block devices. */

import { constants, fstatSync, realpathSync, statfsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { native } from '../binding.js';
import { systemError } from '../errors.js';
import { daxDeviceAt } from '../linux/dax/devices.js';
import { HOST, type Host } from '../linux/host.js';
import { type FileIdentity, identityOf } from '../linux/identity.js';
import { descriptorMount, findMount, type Mount, mountOfDevice } from '../linux/mounts.js';
import { ndRegion } from '../linux/nvdimm/regions.js';
import { openSeen, type Way } from '../linux/open.js';
import { deviceDirectory, deviceNumber, numericAttribute, resolve } from '../linux/sysfs/read.js';
import { belowDescriptor, belowDevice } from '../linux/volatile-backing/below.js';
import { belowDax } from '../linux/volatile-backing/device.js';
import type { Media } from '../linux/volatile-backing/media.js';
import { mappable, refuseUnmappable, unmappable } from './mappable.js';

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

const HUGETLBFS_MAGIC = 0x958458f6;

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

type Device = Pick<Backing, 'kind' | 'size' | 'pageSize' | 'device' | 'below'>;

function daxDevice(path: string, device: string, host: Host): Device {
  const { size, align } = daxDeviceAt(device);
  if (align === undefined) throw unmappable(path, 'ENODEV', `does not tell its size and alignment in ${device}`);
  return { kind: 'devdax', size, pageSize: align, device, below: belowDax(host, device) };
}

function blockDevice(path: string, device: string | undefined, host: Host): Device {
  const sectors = device === undefined ? undefined : numericAttribute(device, 'size');
  if (device === undefined || sectors === undefined) {
    throw unmappable(path, 'ENODEV', 'is a block device that sysfs does not know');
  }
  return { kind: 'block', size: sectors * 512, pageSize: native.pageSize(), device, below: belowDevice(host, device) };
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

/**
 * What the descriptor is open on.
 *
 * @throws PmemError `EISDIR` for a directory, `ENODEV` for what else cannot be mapped
 */
export function inspect(fd: number, path: string, host: Host = HOST): Backing {
  const found = mappable(fd, path, host);
  const { kind, status } = found;
  const size = Number(status.size);
  const plain = { path, identity: identityOf(status), fileSystem: undefined, device: undefined };
  switch (kind) {
    case 'devmem':
      return { ...plain, kind, size: undefined, pageSize: native.pageSize() };
    case 'devdax':
      return { ...plain, ...daxDevice(path, found.device, host) };
    case 'block':
      return { ...plain, ...blockDevice(path, found.device, host) };
    case 'pci':
      return { ...plain, kind, size, pageSize: native.pageSize(), device: found.device };
    case 'file': {
      const { type, bsize } = found.statfs;
      const pageSize = type === HUGETLBFS_MAGIC ? bsize : native.pageSize();
      return { ...plain, kind, size, pageSize, ...fileSystemOf(host, fd, path, status.dev, found.statfs) };
    }
  }
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

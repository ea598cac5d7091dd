/** Which files and devices can be mapped, found out without opening them. */

import { type BigIntStats, existsSync, fstatSync, realpathSync, type StatsFs } from 'node:fs';
import { dirname, join } from 'node:path';
import { type PmemError, posixError } from '../errors.js';
import { HOST, type Host } from '../linux/host.js';
import { fileSystemStatus } from '../linux/open.js';
import { deviceDirectory, deviceNumber, subsystem } from '../linux/sysfs/read.js';

/** A file or device that can be mapped. */
export type Mappable = { readonly status: BigIntStats } & (
  | { readonly kind: 'file'; readonly statfs: StatsFs }
  | { readonly kind: 'devmem' }
  /** With the directory below /sys/devices. */
  | { readonly kind: 'devdax' | 'pci'; readonly device: string }
  | { readonly kind: 'block'; readonly device: string | undefined }
);

const SYSFS_MAGIC = 0x62656572;
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

/** The refusal of a path that cannot be mapped. */
export function unmappable(path: string, code: 'EISDIR' | 'ENODEV' | 'ENXIO', sentence: string): PmemError {
  return posixError(code, `'${path}' ${sentence}`, { path });
}

function character(status: BigIntStats, path: string, host: Host): Mappable {
  const number = deviceNumber(status.rdev);
  if (number === DEV_MEM) return { kind: 'devmem', status };
  const device = deviceDirectory(host, 'char', number);
  if (device !== undefined && subsystem(device) === 'dax') return { kind: 'devdax', device, status };
  throw unmappable(path, 'ENODEV', 'is a character device, but neither device-DAX nor /dev/mem');
}

/** Of files in the kernel's own file systems only the resources of PCI devices are memory. */
function regular(fd: number, status: BigIntStats, path: string): Mappable {
  const statfs = fileSystemStatus(fd, path);
  const name = KERNEL_FILE_SYSTEMS.get(statfs.type);
  if (name !== undefined) throw unmappable(path, 'ENODEV', `is a file of ${name}, where nothing can be mapped`);
  if (statfs.type !== SYSFS_MAGIC) return { kind: 'file', statfs, status };
  const real = realpathSync(path);
  if (/\/resource\d+(_wc)?$/.test(real)) return { kind: 'pci', device: dirname(real), status };
  throw unmappable(path, 'ENODEV', 'is in sysfs, but not a resource of a PCI device');
}

/**
 * What the descriptor is open on. A descriptor with O_PATH will do.
 *
 * @throws PmemError `EISDIR` for a directory, `ENODEV` for what else cannot be mapped
 */
export function mappable(fd: number, path: string, host: Host = HOST): Mappable {
  const status = fstatSync(fd, { bigint: true });
  if (status.isDirectory()) throw unmappable(path, 'EISDIR', 'is a directory; name a file in it');
  if (status.isCharacterDevice()) return character(status, path, host);
  if (status.isFile()) return regular(fd, status, path);
  if (status.isBlockDevice()) {
    return { kind: 'block', device: deviceDirectory(host, 'block', deviceNumber(status.rdev)), status };
  }
  throw unmappable(path, 'ENODEV', 'is neither a file nor a device that can be mapped');
}

/** Refuses a node whose number no device has. Opening it would be refused, too, but may load a driver first. */
function refuseUnknown({ rdev }: BigIntStats, type: 'block' | 'char', path: string): void {
  const all = join(HOST.sys, 'dev', type);
  const number = deviceNumber(rdev);
  if (number === DEV_MEM || !existsSync(all) || existsSync(join(all, number))) return;
  throw unmappable(
    path,
    'ENXIO',
    'cannot be opened: no device has the number of this file: its driver is not there, or the number is wrong',
  );
}

/** Refuses what {@link mappable} refuses, and nodes without a device, before they are opened; takes a descriptor with O_PATH. */
export function refuseUnmappable(seen: number, path: string): void {
  const status = fstatSync(seen, { bigint: true });
  if (status.isCharacterDevice()) refuseUnknown(status, 'char', path);
  if (status.isBlockDevice()) refuseUnknown(status, 'block', path);
  mappable(seen, path);
}

/** Why a backing is not mapped with MAP_SYNC, and what would change that. */

import { release } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { native } from '../binding.js';
import { formatSize } from '../units.js';
import type { Backing, FileSystem } from './backing.js';
import { HOST, type Host } from './host.js';
import { attribute, isVirtioPmem } from './sysfs.js';

/** One cause, and the way out. */
export interface Obstacle {
  /** Stable name of the cause. */
  readonly code:
    | 'volatile-file-system'
    | 'file-system-without-dax'
    | 'device-without-dax'
    | 'virtio-pmem'
    | 'block-size'
    | 'not-mounted-with-dax'
    | 'old-kernel'
    | 'block-device'
    | 'refused';
  readonly cause: string;
  readonly remedy: string;
}

/** File systems that live in memory only. */
const VOLATILE = new Set(['tmpfs', 'ramfs', 'hugetlbfs', 'devtmpfs', 'rootfs']);
/** File systems whose files the kernel can map straight onto persistent memory, with MAP_SYNC. */
const WITH_DAX = new Set(['ext4', 'xfs']);

const OTHER_FILE =
  "use a file on ext4 or xfs mounted with '-o dax' on a pmem device, a device-DAX path, or, on a machine without such memory, pass assumePersistent: true to try";

/** Whether everything there is gone after power-off. */
export function isVolatile({ volatile, fileSystem }: Backing): boolean {
  return volatile === true || (fileSystem !== undefined && VOLATILE.has(fileSystem.type));
}

function ofVolatile({ path, fileSystem }: Backing): Obstacle {
  const known = fileSystem !== undefined && VOLATILE.has(fileSystem.type);
  return {
    code: 'volatile-file-system',
    cause: known
      ? `${fileSystem.mountPoint} is ${fileSystem.type}: memory that is forgotten at power-off`
      : `${path} is kept in memory that is forgotten at power-off`,
    remedy:
      'use a file on a disk or on persistent memory; to try the code as if this were persistent, pass assumePersistent: true or set PMEM_ASSUME_PERSISTENT=1',
  };
}

/** The queue's attributes belong to the whole disk, not to its partitions. */
function queue(device: string): string {
  return attribute(device, 'partition') === undefined ? join(device, 'queue') : join(dirname(device), 'queue');
}

/** Whether the block device can hand out its memory; undefined where the kernel does not say. */
export function deviceHasDax(device: string): boolean | undefined {
  const value = attribute(queue(device), 'dax');
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

function ofFileSystem(fileSystem: FileSystem): Obstacle[] {
  const { type, mountPoint, device, blockSize, options } = fileSystem;
  if (!WITH_DAX.has(type)) {
    return [
      {
        code: 'file-system-without-dax',
        cause: `${mountPoint} is ${type}, which has no DAX with MAP_SYNC`,
        remedy: OTHER_FILE,
      },
    ];
  }
  const found: Obstacle[] = [];
  if (device !== undefined && isVirtioPmem(device)) {
    return [
      {
        code: 'virtio-pmem',
        cause: `${basename(device)} is virtio-pmem: stores become durable only by a flush request to the host, so the kernel refuses MAP_SYNC`,
        remedy: "give the guest an emulated NVDIMM instead (QEMU: '-device nvdimm'), or accept page granularity",
      },
    ];
  }
  if (device === undefined || deviceHasDax(device) !== true) {
    const name = device === undefined ? `the device of ${mountPoint}` : `/dev/${basename(device)}`;
    return [{ code: 'device-without-dax', cause: `${name} is not byte-addressable memory`, remedy: OTHER_FILE }];
  }
  const page = native.pageSize();
  if (blockSize !== page) {
    found.push({
      code: 'block-size',
      cause: `${mountPoint} has blocks of ${formatSize(blockSize)}, and DAX needs the size of a page, ${formatSize(page)}`,
      remedy: `make the file system anew with blocks of ${page} bytes ('mkfs.ext4 -b ${page}', 'mkfs.xfs -b size=${page}'); this destroys its contents`,
    });
  }
  const dax = daxOption(options);
  if (dax !== 'dax' && dax !== 'dax=always') {
    found.push({
      code: 'not-mounted-with-dax',
      cause: `${mountPoint} is mounted ${dax === '' ? 'without the option dax' : `with ${dax}`}`,
      remedy: `mount it with DAX: 'umount ${mountPoint} && mount -o dax /dev/${basename(device)} ${mountPoint}', or set the attribute on a new file's directory ('xfs_io -c "chattr +x"')`,
    });
  }
  return found;
}

/** Everything that stands between this backing and stores that are durable by CPU flushes alone; most basic first. */
export function obstacles(backing: Backing, errno: number, host: Host = HOST): Obstacle[] {
  const kernel = kernelRelease(host);
  if (kernelBefore(kernel, 4, 15)) {
    return [{ code: 'old-kernel', cause: `Linux ${kernel} does not have MAP_SYNC`, remedy: 'use Linux 4.15 or later' }];
  }
  if (isVolatile(backing)) return [ofVolatile(backing)];
  if (backing.kind === 'block') {
    return [
      {
        code: 'block-device',
        cause: `${backing.path} is a block device, which is mapped through the page cache`,
        remedy:
          "make a file system on it and mount it with '-o dax', or turn it into device-DAX with 'ndctl create-namespace -f -e NAMESPACE -m devdax'; both destroy its contents",
      },
    ];
  }
  const found = backing.fileSystem === undefined ? [] : ofFileSystem(backing.fileSystem);
  if (found.length > 0) return found;
  return [
    {
      code: 'refused',
      cause: `the kernel refuses MAP_SYNC on ${backing.path} (errno ${errno}) although device and file system could do it`,
      remedy: "see the kernel's log; on xfs with reflink, kernels before 6.2 have no DAX ('mkfs.xfs -m reflink=0')",
    },
  ];
}

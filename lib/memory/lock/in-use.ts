/**
 * Refuses to store to block devices that the kernel or another program uses, and to files below loop devices. The kernel itself
 * lets every process that may open such a device store to it, under a mounted file system too.
 */

import { basename } from 'node:path';
import { native } from '../../binding.js';
import { type LockHolder, PmemError, posixError } from '../../errors.js';
import { type BlockDevice, relatives } from '../../linux/blockdev/stack.js';
import { type DeviceUse, loopUses, rdevOf, usesOf } from '../../linux/blockdev/uses.js';
import { holders } from '../../linux/holders.js';
import type { Backing } from '../backing.js';

/** Uses that a message names. */
const MOST_NAMED = 3;
/** st_mode of block devices. */
const S_IFBLK = 0o060000n;

const MAY_READ = 'Reading is possible (readOnly: true)';

function inWords(uses: readonly DeviceUse[], own: string): string {
  const named = uses.slice(0, MOST_NAMED).map(({ device, is }) => `${device === own ? 'it' : device} ${is}`);
  const more = uses.length > MOST_NAMED ? [`${uses.length - MOST_NAMED} more uses`] : [];
  return [...named, ...more].join(', ');
}

function usedByKernel(path: string, use: string, cause?: unknown): PmemError {
  const way = 'Stores would damage that, or be lost; unmount it, swap it off or take it apart first';
  return posixError('EBUSY', `'${path}' is in use: ${use}. ${way}. ${MAY_READ}`, { path, cause });
}

type Target = Pick<Backing, 'path' | 'kind' | 'device' | 'identity'>;

/**
 * Refuses stores to what the kernel uses, as far as this process can see. A claim (open(2) with O_EXCL) tells of uses that it cannot
 * see: {@link claimedError}.
 *
 * @param isClaimed this process has claimed the block device: so no other device but loop devices can be made of it
 * @throws PmemError `EBUSY`, with the uses
 */
export function refuseInUse({ path, kind, device, identity }: Target, isClaimed: boolean): void {
  if (kind !== 'file' && kind !== 'block') return;
  const uses = kind === 'block' && !isClaimed && device !== undefined ? usesOf(device) : loopUses(identity);
  if (uses.length > 0) throw usedByKernel(path, inWords(uses, device === undefined ? '' : basename(device)));
}

/** Other processes that have one of the devices open. The kernel does not tell which of them has the claim. */
function processesAt(devices: readonly BlockDevice[]): LockHolder[] {
  const found = new Map<number, LockHolder>();
  for (const { number } of devices) {
    const identity = { dev: -1n, ino: -1n, rdev: rdevOf(number), mode: S_IFBLK };
    for (const holder of holders(identity)) found.set(holder.pid, holder);
  }
  return [...found.values()];
}

/** Another of the devices, which this process has claimed. */
function claimedHere(devices: readonly BlockDevice[], own: string): string | undefined {
  const numbers = native.claimedDevices();
  const claimed = new Set(numbers.flatMap((major, i) => (i % 2 === 0 ? [`${major}:${numbers[i + 1]}`] : [])));
  return devices.find(({ name, number }) => name !== own && claimed.has(number))?.name;
}

/**
 * The error of a claim on a block device that the kernel refused: `EBUSY` with the uses or the processes, `ERR_PMEM_BUSY` where this
 * process has claimed the disk of the partition, or a partition of the disk.
 */
export function claimedError({ path, device }: Target, cause: unknown): PmemError {
  if (device === undefined) return usedByKernel(path, 'the kernel has it claimed', cause);
  const own = basename(device);
  const uses = usesOf(device);
  if (uses.length > 0) return usedByKernel(path, inWords(uses, own), cause);
  const devices = relatives(device);
  const here = claimedHere(devices, own);
  if (here !== undefined) {
    const message = `'${path}' is in use: this process stores to ${here}, and a disk and its partitions are the same bytes. Close that first, or pass shared: true`;
    return new PmemError('ERR_PMEM_BUSY', message, { path, cause });
  }
  const processes = processesAt(devices);
  const names = processes.map(({ pid, name }) => `${pid} (${name})`).join(', ');
  const claim =
    processes.length === 0
      ? 'it is mounted or claimed by something that cannot be seen from here'
      : `another program has claimed it; it is open in process ${names}`;
  const way = 'Close it there. To store to it from several processes at once, pass shared: true in all of them';
  return posixError('EBUSY', `'${path}' is in use: ${claim}. ${way}. ${MAY_READ}`, {
    path,
    cause,
    ...(processes.length === 0 ? {} : { holders: processes }),
  });
}

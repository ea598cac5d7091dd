/**
 * Who else has a block device, or a file that a loop device makes one of: mounts, swap, md and device mapper, other programs. The
 * kernel lets whoever has the device open store to it all the same, under what is mounted.
 */

import { constants } from 'node:os';
import { basename } from 'node:path';
import { native } from '../../binding.js';
import { type LockHolder, PmemError } from '../../errors.js';
import { type BlockDevice, relatives } from '../../linux/blockdev/stack.js';
import { type DeviceUse, loopUses, rdevOf, usesOf } from '../../linux/blockdev/uses.js';
import { holders } from '../../linux/holders.js';
import type { Backing } from '../backing.js';

const { EBUSY } = constants.errno;

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
function processesAt(devices: readonly BlockDevice[]): LockHolder[] {
  const found = new Map<number, LockHolder>();
  for (const { number } of devices) {
    const identity = { dev: -1n, ino: -1n, rdev: rdevOf(number), mode: BigInt(0o060000) };
    for (const holder of holders(identity)) found.set(holder.pid, holder);
  }
  return [...found.values()];
}

function claimedHere(devices: readonly BlockDevice[], own: string): string | undefined {
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

/** The media of file systems. */

import { join } from 'node:path';
import { native } from '../../binding.js';
import { queueOf } from '../blockdev/stack.js';
import { statusAt } from '../look.js';
import type { Mount } from '../mounts.js';
import { children } from '../sysfs/nodes.js';
import { attribute, deviceDirectory, deviceNumber, isAnonymous } from '../sysfs/read.js';
import { type Media, unknownMedia, volatileMedia, worst } from './media.js';
import { belowOverlay } from './overlay.js';
import { isVolatileMagic, isVolatileType, serverOf } from './types.js';
import type { FileSystemPlace, Walk } from './walk.js';

const BTRFS_MAGIC = 0x9123683e;

export function belowFileSystem(walk: Walk, place: FileSystemPlace): Media {
  const { mount, magic, device } = place;
  const type = mount?.type ?? '';
  const where = mount?.mountPoint ?? 'its file system';
  if (isVolatileMagic(magic) || isVolatileType(type)) {
    return volatileMedia(`${where} is ${type === '' ? 'a file system in memory' : type}, which is kept in memory`);
  }
  if (mount !== undefined && type === 'overlay') return belowOverlay(walk, mount);
  if (type === 'btrfs' || magic === BTRFS_MAGIC) return belowBtrfs(walk, place);
  const server = serverOf(type);
  if (server !== undefined) {
    return unknownMedia(`${where} is ${type}: ${server}, which decides what an msync makes durable`);
  }
  const numbers = isAnonymous(device) ? sourcesOf(mount) : [device];
  if (numbers.length === 0) {
    const what =
      type === '' ? 'a file system that the mount table does not show' : `${type}, which does not tell its devices`;
    return unknownMedia(`${where} is ${what}`);
  }
  const all = [...numbers, ...logDevices(mount)];
  const directories = () => all.flatMap((one) => deviceDirectory(walk.host, 'block', deviceNumber(one)) ?? []);
  return withBarrier(worst(all.map((one) => walk.numbered(one))), mount, directories);
}

/** The numbers of the block devices of a source `/dev/a` or `/dev/a:/dev/b`. */
function sourcesOf(mount: Mount | undefined): bigint[] {
  const paths = (mount?.source ?? '').split(':').filter((path) => path.startsWith('/'));
  return paths.flatMap((path) => blockNumber(path));
}

function blockNumber(path: string): bigint[] {
  const status = statusAt(path);
  return status?.isBlockDevice() === true ? [status.rdev] : [];
}

/** Devices of their own that have the journal, or the data. */
function logDevices(mount: Mount | undefined): bigint[] {
  return (mount?.options ?? []).flatMap((option) => {
    const [, path] = /^(?:logdev|rtdev|journal_path)=(.*)$/.exec(option) ?? [];
    return path === undefined ? [] : blockNumber(path);
  });
}

const WITHOUT_BARRIER = /^(nobarrier|barrier=(0|none|off|flush)|fsync_mode=nobarrier|nostrictsync)$/;

/**
 * Adds whether a mount option keeps an fsync from emptying the caches of devices: the file system's own, of which a loop device's is
 * the page cache, and those at the bottom.
 */
function withBarrier(media: Media, mount: Mount | undefined, own: () => readonly string[]): Media {
  const option = mount?.options.find((one) => WITHOUT_BARRIER.test(one));
  if (option === undefined || mount === undefined || [...own(), ...media.devices].every(writesThrough)) return media;
  const withoutBarrier = `${mount.mountPoint} is mounted with ${option}: an msync does not empty the disk's own cache, which may be lost`;
  return { ...media, withoutBarrier };
}

function writesThrough(directory: string): boolean {
  return attribute(queueOf(directory), 'write_cache') === 'write through';
}

/** All devices of a btrfs, which sysfs lists by the file system's UUID. */
function belowBtrfs(walk: Walk, { mount, fd }: FileSystemPlace): Media {
  const { host } = walk;
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
    return unknownMedia(`${where} is btrfs, and sysfs does not show its devices`);
  }
  return withBarrier(worst(devices.map((directory) => walk.device(directory))), mount, () => devices);
}

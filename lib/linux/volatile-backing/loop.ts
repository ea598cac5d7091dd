/** The media of a loop device: those of its file, which may be deleted, or have another path here than where the device was set up. */

import { basename, dirname, join } from 'node:path';
import { loopFile, loopFilePath } from '../blockdev/loop.js';
import { magicAt, statusAt } from '../look.js';
import { mountOfDevice } from '../mounts.js';
import { attribute, deviceNumber, isAnonymous } from '../sysfs/read.js';
import { type Media, unknownMedia, volatileMedia } from './media.js';
import { isVolatileMagic } from './types.js';
import type { Walk } from './walk.js';

const DELETED = ' (deleted)';

/** A loop device, by its directory. */
export function belowLoop(walk: Walk, directory: string): Media {
  const name = basename(directory);
  const path = loopFilePath(directory);
  if (path === undefined) return unknownMedia(`${name} does not tell its file`, [directory]);
  const file = loopFile(directory);
  if (file === undefined) return belowNamed(walk, directory, path);
  if (file.rdev !== 0n) return walk.numbered(file.rdev);
  const { dev, ino } = file;
  const status = statusAt(path);
  if (status?.ino === ino && status.dev === dev) return walk.path(path, dev);
  // Deleted, or named as this process does not see it: the directory or the mount table may have the same number.
  const parent = dirname(path);
  if (statusAt(parent)?.dev === dev) return walk.path(parent, dev);
  const mount = mountOfDevice(walk.host, deviceNumber(dev));
  if (mount !== undefined || !isAnonymous(dev)) return walk.fileSystem({ mount, magic: undefined, device: dev });
  return isNameless(path) ? inMemory(name) : unseen(name, path);
}

/** Without the right to ask the device, its file is known by path only, and another mount namespace may have another file there. */
function belowNamed(walk: Walk, directory: string, path: string): Media {
  const name = basename(directory);
  const status = statusAt(path);
  if (status?.isBlockDevice() === true) return walk.numbered(status.rdev);
  if (status?.isFile() === true && fits(directory, status.size)) return walk.path(path, status.dev);
  if (isNameless(path) || (path.endsWith(DELETED) && isVolatileMagic(magicAt(dirname(path))))) return inMemory(name);
  return unseen(name, path);
}

function inMemory(name: string): Media {
  return volatileMedia(`the file of ${name} is kept in memory`);
}

function unseen(name: string, path: string): Media {
  return unknownMedia(`the file of ${name}, ${path}, cannot be seen from here`);
}

/** Memory that was never in a directory: memfd_create(2), shmget(2). */
function isNameless(path: string): boolean {
  return /^\/(memfd:|SYSV|dev\/zero)/.test(path) && path.endsWith(DELETED);
}

/** Whether the device has the size that a file of this many bytes gives it. */
function fits(directory: string, size: bigint): boolean {
  const sectors = BigInt(attribute(directory, 'size') ?? -1);
  const offset = BigInt(attribute(join(directory, 'loop'), 'offset') ?? 0);
  const limit = BigInt(attribute(join(directory, 'loop'), 'sizelimit') ?? 0);
  const rest = size - offset;
  return (limit > 0n && limit < rest ? limit : rest) / 512n === sectors;
}

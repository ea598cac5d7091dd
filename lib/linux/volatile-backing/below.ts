/** What lies below a file or a device, down to the media that hold the bytes, and whether those forget at power-off. */

import { closeSync, constants, openSync } from 'node:fs';
import { basename } from 'node:path';
import type { Host } from '../host.js';
import { magicAt } from '../look.js';
import { findMount, type Mount } from '../mounts.js';
import { deviceDirectory, deviceNumber, resolve } from '../sysfs/read.js';
import { belowBlockDevice } from './device.js';
import { belowFileSystem } from './file-system.js';
import { type Media, unknownMedia } from './media.js';
import type { FileSystemPlace, Walk } from './walk.js';

/** Levels of devices and file systems that are followed. */
const MOST_LEVELS = 16;

/** The media of real devices of this machine, which do not change. A virtual device gets other parts under the same name. */
const realDevices = new Map<string, Media>();

function isReal(directory: string, { state, devices }: Media): boolean {
  return (
    state === 'persistent' &&
    devices.length === 1 &&
    devices[0] === directory &&
    !/\/(virtual|ndbus\d+)\//.test(directory)
  );
}

function device(host: Host, directory: string, level: number): Media {
  const known = realDevices.get(directory);
  if (known !== undefined) return known;
  if (level > MOST_LEVELS) return unknownMedia(`${basename(directory)} lies on more layers than are followed`);
  const found = belowBlockDevice(walkAt(host, level + 1), directory);
  if (isReal(directory, found)) realDevices.set(directory, found);
  return found;
}

function numbered(host: Host, rdev: bigint, level: number): Media {
  const directory = deviceDirectory(host, 'block', deviceNumber(rdev));
  if (directory !== undefined) return device(host, directory, level);
  return unknownMedia(`sysfs does not show the block device ${deviceNumber(rdev)}`);
}

function fileSystem(host: Host, place: FileSystemPlace, level: number): Media {
  if (level <= MOST_LEVELS) return belowFileSystem(walkAt(host, level + 1), place);
  return unknownMedia(`${place.mount?.mountPoint ?? 'its file system'} lies on more layers than are followed`);
}

function path(host: Host, at: string, dev: bigint, level: number): Media {
  const place = { mount: findMount(host, deviceNumber(dev), resolve(at) ?? at), magic: magicAt(at), device: dev };
  let fd: number;
  try {
    fd = openSync(at, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return fileSystem(host, place, level);
  }
  try {
    return fileSystem(host, { ...place, fd }, level);
  } finally {
    closeSync(fd);
  }
}

function walkAt(host: Host, level: number): Walk {
  return {
    host,
    device: (directory) => device(host, directory, level),
    numbered: (rdev) => numbered(host, rdev, level),
    path: (at, dev) => path(host, at, dev, level),
    fileSystem: (place) => fileSystem(host, place, level),
  };
}

/** The media of a block device, by its directory below /sys/devices. */
export function belowDevice(host: Host, directory: string): Media {
  return device(host, directory, 0);
}

/** The media of the file system that an open file or directory is in; `dev` is its `st_dev`, `magic` from statfs(2). */
export function belowDescriptor(host: Host, fd: number, mount: Mount | undefined, dev: bigint, magic: number): Media {
  return fileSystem(host, { mount, magic, device: dev, fd }, 0);
}

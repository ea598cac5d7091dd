/** Block devices as sysfs tells them: what is made of one, and which files loop devices make some of. */

import { type BigIntStats, closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { native } from '../binding.js';
import type { Host } from './host.js';
import { children } from './sysfs/nodes.js';
import { attribute, deviceDirectory, deviceNumber } from './sysfs/read.js';

/** Deeper stacks than this of partitions, device mapper, loop devices and the like are nobody's. */
export const MOST_LEVELS = 8;

export function isPartition(directory: string): boolean {
  return attribute(directory, 'partition') !== undefined;
}

/** Devices of device mapper, md and the like that are made of it. */
export function holdersOf(directory: string): string[] {
  return children(join(directory, 'holders'), /./).map((entry) => entry.directory);
}

function partitionsOf(directory: string): string[] {
  return children(directory, /./)
    .map((entry) => entry.directory)
    .filter(isPartition);
}

/** The device, its partitions, what holds it, and what is made of those. */
export function above(directory: string, levels = MOST_LEVELS): string[] {
  if (levels === 0) return [];
  const next = [...partitionsOf(directory), ...holdersOf(directory)];
  return [directory, ...next.flatMap((one) => above(one, levels - 1))];
}

/** Directories of the loop devices that have a file: only these have a size, and are in /proc/partitions. */
export function loopDevices(host: Host): string[] {
  let text: string;
  try {
    text = readFileSync(join(host.proc, 'partitions'), 'utf8');
  } catch {
    return [];
  }
  return [...text.matchAll(/ (loop\d+)$/gm)].flatMap(([, name = '']) => {
    const number = attribute(join(host.sys, 'block', name), 'dev');
    const directory = number === undefined ? undefined : deviceDirectory(host, 'block', number);
    return directory === undefined ? [] : [directory];
  });
}

/** The file below a loop device. */
export interface LoopFile {
  readonly dev: bigint;
  readonly ino: bigint;
  /** Of a block device its number, else 0. */
  readonly rdev: bigint;
}

/** What the driver says of the file, which has no name any more, or another one from here. Undefined: not root, or no node of the device. */
export function loopFile(directory: string): LoopFile | undefined {
  const node = `/dev/${basename(directory)}`;
  const number = attribute(directory, 'dev');
  const isNode = (status: BigIntStats) => status.isBlockDevice() && deviceNumber(status.rdev) === number;
  let fd: number;
  try {
    // Of what else has that name, opening alone may wait, or start something.
    if (!isNode(statSync(node, { bigint: true }))) return undefined;
    fd = openSync(node, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    if (!isNode(fstatSync(fd, { bigint: true }))) return undefined;
    const [dev, ino, rdev] = native.loopFile(fd) ?? [];
    return dev === undefined || ino === undefined || rdev === undefined ? undefined : { dev, ino, rdev };
  } finally {
    closeSync(fd);
  }
}

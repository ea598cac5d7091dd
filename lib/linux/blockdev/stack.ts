/** Block devices in sysfs, and the devices that are made of them. */

import { basename, dirname, join } from 'node:path';
import { children } from '../sysfs/nodes.js';
import { attribute } from '../sysfs/read.js';

/** Partitions, device mapper, loop devices and the like are followed to this depth. */
export const MOST_LEVELS = 8;

/** One block device. */
export interface BlockDevice {
  /** Below /sys/devices. */
  readonly directory: string;
  readonly name: string;
  /** `259:0`. */
  readonly number: string;
}

/** The block device with this directory; none where the device is gone. */
export function blockDevice(directory: string): BlockDevice[] {
  const number = attribute(directory, 'dev');
  return number === undefined ? [] : [{ directory, name: basename(directory), number }];
}

export function isPartition(directory: string): boolean {
  return attribute(directory, 'partition') !== undefined;
}

/** Directory of the request queue's attributes, which a disk has for all its partitions. */
export function queueOf(directory: string): string {
  return join(isPartition(directory) ? dirname(directory) : directory, 'queue');
}

/** Devices of device mapper, md and the like that are made of the device. */
export function madeOf(directory: string): string[] {
  return children(join(directory, 'holders'), /./).map((entry) => entry.directory);
}

function partitionsOf(directory: string): string[] {
  return children(directory, /./)
    .map((entry) => entry.directory)
    .filter(isPartition);
}

/** The device, its partitions, and the devices that are made of any of these. */
export function above(directory: string, levels = MOST_LEVELS): string[] {
  if (levels === 0) return [];
  const next = [...partitionsOf(directory), ...madeOf(directory)];
  return [directory, ...next.flatMap((one) => above(one, levels - 1))];
}

/** The devices that share bytes with the device: those above it; of a partition also the disk, and what is made of the whole disk. */
export function relatives(directory: string): BlockDevice[] {
  const disk = isPartition(directory) ? dirname(directory) : undefined;
  const besides = disk === undefined ? [] : [disk, ...madeOf(disk).flatMap((one) => above(one))];
  return [...new Set([...above(directory), ...besides])].flatMap(blockDevice);
}

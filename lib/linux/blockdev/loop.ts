/** Loop devices, and the files below them. */

import { type BigIntStats, closeSync, constants, fstatSync, openSync } from 'node:fs';
import { basename, join } from 'node:path';
import { native } from '../../binding.js';
import { HOST, type Host } from '../host.js';
import { statusAt, textAt } from '../look.js';
import { attribute, deviceDirectory, deviceNumber } from '../sysfs/read.js';

/** The file below a loop device. */
export interface LoopFile {
  readonly dev: bigint;
  readonly ino: bigint;
  /** The number of a block device, else 0. */
  readonly rdev: bigint;
}

/** Directories of the loop devices that have a file: /proc/partitions lists devices that have a size. */
export function loopDevices(host: Host): string[] {
  const text = textAt(join(host.proc, 'partitions')) ?? '';
  return [...text.matchAll(/ (loop\d+)$/gm)].flatMap(([, name = '']) => {
    const number = attribute(join(host.sys, 'block', name), 'dev');
    const directory = number === undefined ? undefined : deviceDirectory(host, 'block', number);
    return directory === undefined ? [] : [directory];
  });
}

/** The path that the file had when the device was set up, ` (deleted)` after the path of a deleted one. */
export function loopFilePath(directory: string): string | undefined {
  return attribute(join(directory, 'loop'), 'backing_file');
}

/**
 * The file that the driver tells (ioctl LOOP_GET_STATUS64); its path may have changed, or lead elsewhere in this mount namespace.
 * Undefined without the right to open the device.
 */
export function loopFile(directory: string): LoopFile | undefined {
  const node = `/dev/${basename(directory)}`;
  const number = attribute(directory, 'dev');
  const isNode = (status: BigIntStats | undefined) =>
    status?.isBlockDevice() === true && deviceNumber(status.rdev) === number;
  // Opening another kind of file may wait, or start something.
  if (!isNode(statusAt(node))) return undefined;
  let fd: number;
  try {
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

/** {@link loopFile}, else the file that has the path now. */
function likelyFile(directory: string, host: Host): LoopFile | undefined {
  const exact = host === HOST ? loopFile(directory) : undefined;
  if (exact !== undefined) return exact;
  const path = loopFilePath(directory);
  const status = path === undefined ? undefined : statusAt(path);
  return status && { dev: status.dev, ino: status.ino, rdev: status.isBlockDevice() ? status.rdev : 0n };
}

/** Directories of the loop devices whose file is meant. */
export function loopsOver(host: Host, isMeant: (file: LoopFile) => boolean): string[] {
  return loopDevices(host).filter((directory) => {
    const file = likelyFile(directory, host);
    return file !== undefined && isMeant(file);
  });
}

/** `pmem fdisk -l PATH...`: partition tables, printed as util-linux prints them. */

import { PmemError } from '../../errors.js';
import type { Arguments } from '../arguments.js';
import { type Command, UsageError } from '../command.js';
import { openDisk, SECTOR_SIZES } from '../disk.js';
import { SECTOR_SIZE } from '../options.js';
import { emitRaw } from '../terminal/emit.js';
import { print } from '../terminal/output.js';
import { type Listing, listing } from './listing.js';

/** The C library's words for the errors of opening. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  ENAMETOOLONG: 'File name too long',
  ENODEV: 'Inappropriate ioctl for device',
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  ENXIO: 'No such device or address',
  EPERM: 'Operation not permitted',
};

function list(path: string, sectorSize: 512 | 4096 | undefined): Listing | PmemError {
  try {
    using disk = openDisk(path, sectorSize);
    return listing(path, disk);
  } catch (error) {
    if (error instanceof PmemError) return error;
    throw error;
  }
}

function run(args: Arguments): number {
  const { operands } = args;
  if (!args.has('list')) throw new UsageError('--list is missing: pmem fdisk only lists');
  const sectorSize = args.choice('sector-size', SECTOR_SIZES);
  if (sectorSize !== undefined && operands.length > 1) {
    print(
      'fdisk: The device properties (sector size and geometry) should be used with one specified device only.',
      process.stderr,
    );
  }
  let code = 0;
  for (const [i, path] of operands.entries()) {
    const listed = list(path, sectorSize);
    if (listed instanceof PmemError) {
      print(`fdisk: cannot open ${path}: ${REASONS[listed.code] ?? listed.code}`, process.stderr);
      code = 1;
      continue;
    }
    emitRaw(process.stderr, listed.stderr);
    emitRaw(process.stdout, `${i > 0 ? '\n\n' : ''}${listed.stdout}`);
  }
  return code;
}

export const fdisk: Command = {
  description: [
    'Prints for each PATH, a disk image or a block device, what fdisk -l of util-linux prints: size, sectors, and the partitions of an MBR or a GPT. It differs where Linux does not accept an MBR, and stops where logical partitions form a loop. Changes nothing. Remarks on damaged tables go to stderr. A path that cannot be opened is named on stderr, and makes the exit code 1.',
    "'pmem partitions' shows more, and has --json.",
  ],
  lastCounts: true, // as in util-linux
  options: {
    list: { type: 'boolean', short: 'l', help: 'list; required' },
    'sector-size': SECTOR_SIZE,
  },
  examples: ['pmem fdisk -l /dev/pmem0'],
  run,
};

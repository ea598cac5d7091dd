/** `pmem fdisk -l PATH...`: partition tables, printed as util-linux prints them. */

import { PmemError } from '../errors.js';
import { type Arguments, type Command, UsageError } from './command.js';
import { openDisk } from './fdisk/disk.js';
import { type Listing, listing } from './fdisk/listing.js';
import { print } from './output.js';
import { emitRaw } from './terminal.js';

/** The C library's words for what opening can come to. */
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

function sectorSizeOf(text: string | undefined): 512 | 4096 | undefined {
  if (text === undefined) return undefined;
  if (text === '512') return 512;
  if (text === '4096') return 4096;
  throw new UsageError(`--sector-size must be 512 or 4096; got '${text}'`, 'fdisk');
}

function list(path: string, sectorSize: 512 | 4096 | undefined): Listing | PmemError {
  try {
    const listed = openDisk(path, sectorSize);
    try {
      return listing(path, listed);
    } finally {
      listed.close();
    }
  } catch (error) {
    if (error instanceof PmemError) return error;
    throw error;
  }
}

function run({ operands, flags, values }: Arguments): number {
  if (!flags.has('list')) throw new UsageError('--list is missing: pmem changes no partition tables here', 'fdisk');
  const sectorSize = sectorSizeOf(values.get('sector-size'));
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
  name: 'fdisk',
  operands: 'PATH...',
  summary: 'partition tables, as fdisk -l prints them',
  description: [
    'Prints for each PATH, an image or a block device, what fdisk -l of util-linux prints: size, sectors, and the partitions of an MBR or a GPT; labels of Sun and SGI are named. Changes nothing; remarks on damaged tables go to stderr. A path that cannot be opened is told on stderr, and makes the exit code 1.',
    'Writing tables is for programs: see writePartitionTable.',
  ],
  lastCounts: true, // as util-linux does it
  options: {
    list: { type: 'boolean', short: 'l', help: 'list; nothing else can be asked for' },
    'sector-size': {
      type: 'string',
      short: 'b',
      value: 'BYTES',
      help: '512 or 4096; default: what the device says, for images 512',
    },
  },
  run,
};

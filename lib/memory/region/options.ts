/** Options of `Region.open`, checked before anything is opened. */

import { fileURLToPath } from 'node:url';
import { isUint8Array } from 'node:util/types';
import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { booleanOption, choiceOption, ownOptions, powerOfTwoOption, sizeOption } from '../../options.js';
import type { Size } from '../../units.js';
import { type Assumption, assumedByEnvironment } from '../durability/durability.js';
import type { Granularity } from '../memory.js';

/** Options of `Region.open`. */
export interface RegionOptions {
  /**
   * Size of the file in bytes. Required to create a file. An existing file must have this size (`ERR_PMEM_SIZE_MISMATCH`): it is
   * never resized.
   */
  size?: Size;
  /**
   * Make the file when it is missing or empty, with all its blocks allocated: a full disk is an error now and not a fault later.
   * The new file and its directory entry are durable when `open` returns. The directory must be readable for that.
   *
   * The file gets its name last, so that a failure or a crash leaves no part of one at the path. A crash may leave a file beside it,
   * named `.pmem-` and 16 hexadecimal digits, which can be deleted. Where the file system can neither rename nor link without
   * replacing, a failing open leaves an empty file.
   *
   * An existing file is used only if no stranger can have put it there (`EACCES`): where others can make files, it must belong to the
   * effective user or to the directory's owner. No file is made through a symbolic link (`ELOOP`).
   */
  create?: boolean;
  /** With `create`: throw `EEXIST` if anything is at the path. So the file is new, belongs to this user and has the given mode. */
  exclusive?: boolean;
  /**
   * Permissions of a new file, less the umask. Default 0o600: nobody else can read it. (Whoever can read a file can lock it, and so
   * keep everybody else from opening it.) An existing file keeps its permissions.
   */
  mode?: number;
  /** Create without allocating blocks. A full disk then damages the region when a page is first stored into. */
  sparse?: boolean;
  /** Where the region begins in the file or device, in bytes; a multiple of the page size. Default 0. */
  offset?: Size;
  /** Length of the region in bytes. Default: up to the end. */
  length?: Size;
  /** Map for reading only. Default false. */
  readOnly?: boolean;
  /** The coarsest granularity that will do. A coarser one throws `ERR_PMEM_GRANULARITY` with the reason. Default `'page'`. */
  granularity?: Granularity;
  /**
   * `true`: treat stores that the CPU flushed as persistent although the kernel does not confirm it. For trying code on machines
   * without persistent memory. A file in the page cache is then flushed instead of the msync that would make it durable.
   *
   * `'msync'`: treat as persistent what an msync handed over, where `durability.below` is `unknown` or `volatile`. For when you know
   * that the disk below a container's overlay, or a server, keeps it. A persist is still an msync.
   *
   * Default: `true` if `PMEM_ASSUME_PERSISTENT` is `1` in the environment. Any other value but an empty one throws
   * `ERR_PMEM_ENVIRONMENT`. A process with more rights than its user (AT_SECURE) ignores the variable.
   */
  assumePersistent?: boolean | 'msync';
  /**
   * Alignment of the virtual address relative to the offset, in bytes: a power of two. `open` fails with `ENOMEM` where a given
   * alignment is unavailable. Default: 2 MiB, or 1 GiB for regions from 2 GiB, as far as the address space allows.
   */
  align?: Size;
  /** Fault every page in before `open` returns. Default false. */
  populate?: boolean;
  /** Take no lock: other processes may map the same bytes, for writing too. Claim no block device. Default false. */
  shared?: boolean;
  /**
   * Allow stores to a block device, or to a file below a loop device, that is mounted, is swap space, is a part of md or device
   * mapper, or is claimed by another program. They damage what is there, or are overwritten by it. Nothing else needs this option, and
   * `force` of formatting does not imply it. Default false: throw `EBUSY`.
   */
  allowInUse?: boolean;
  /** Keep the memory out of core dumps (MADV_DONTDUMP), and also private copies of pages that are gone. Default false. */
  dontDump?: boolean;
}

/** Options with their defaults filled in. */
export interface CheckedOptions {
  readonly size: number | undefined;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly mode: number;
  readonly sparse: boolean;
  readonly offset: number;
  readonly length: number | undefined;
  readonly readOnly: boolean;
  readonly granularity: Granularity;
  readonly assumePersistent: Assumption;
  readonly align: number | undefined;
  readonly populate: boolean;
  readonly shared: boolean;
  readonly allowInUse: boolean;
  readonly dontDump: boolean;
}

const KNOWN: readonly (keyof RegionOptions)[] = [
  'size',
  'create',
  'exclusive',
  'mode',
  'sparse',
  'offset',
  'length',
  'readOnly',
  'granularity',
  'assumePersistent',
  'align',
  'populate',
  'shared',
  'allowInUse',
  'dontDump',
];

/** Default permissions of a new file: nobody else can read or lock it. */
export const DEFAULT_MODE = 0o600;

/** Permissions as chmod(2) takes them. */
export function checkPermissions(mode: number): void {
  if (!Number.isInteger(mode)) throw wrongType('options.mode', 'an integer', mode);
  if (mode < 0 || mode > 0o7777) throw outOfRange('options.mode', 'permissions from 0 to 0o7777', mode);
}

function assumption(value: boolean | 'msync' | undefined): Assumption {
  if (value === undefined) return assumedByEnvironment();
  if (value === 'msync' || typeof value === 'boolean') return value;
  throw wrongType('options.assumePersistent', "a boolean or 'msync'", value);
}

/** By its looks, as node:fs does: `instanceof` is false for URLs of other realms (Jest, vm contexts). */
function isURL(path: unknown): path is URL {
  if (typeof path !== 'object' || path === null) return false;
  const { href, protocol } = path as Partial<URL>;
  return typeof href === 'string' && typeof protocol === 'string';
}

function decoded(path: Uint8Array): string {
  const text = Buffer.from(path).toString();
  if (!Buffer.from(text).equals(path)) throw wrongValue('path', 'UTF-8', path);
  return text;
}

/** A path as node:fs takes it: a string, a Buffer or a file: URL. */
export function checkPath(path: unknown): string {
  let text: string;
  if (typeof path === 'string') text = path;
  else if (isURL(path)) text = fileURLToPath(path);
  else if (isUint8Array(path)) text = decoded(path);
  else throw wrongType('path', 'a string, a Buffer or a file: URL', path);
  if (text === '' || text.includes('\0')) throw wrongValue('path', 'not empty and without null bytes', text);
  return text;
}

/** Checks types, ranges and combinations; nothing has been opened yet when it throws. */
export function checkOptions(given: RegionOptions = {}): CheckedOptions {
  const options = ownOptions(given, KNOWN);
  const checked: CheckedOptions = {
    size: sizeOption(options.size, 'size', 1),
    create: booleanOption(options.create, 'create', false),
    exclusive: booleanOption(options.exclusive, 'exclusive', false),
    mode: options.mode === undefined ? DEFAULT_MODE : options.mode,
    sparse: booleanOption(options.sparse, 'sparse', false),
    offset: sizeOption(options.offset, 'offset') ?? 0,
    length: sizeOption(options.length, 'length', 1),
    readOnly: booleanOption(options.readOnly, 'readOnly', false),
    granularity: choiceOption(options.granularity, 'granularity', ['byte', 'cache-line', 'page'], 'page'),
    assumePersistent: assumption(options.assumePersistent),
    align: powerOfTwoOption(options.align, 'align'),
    populate: booleanOption(options.populate, 'populate', false),
    shared: booleanOption(options.shared, 'shared', false),
    allowInUse: booleanOption(options.allowInUse, 'allowInUse', false),
    dontDump: booleanOption(options.dontDump, 'dontDump', false),
  };
  checkPermissions(checked.mode);
  if (checked.create && checked.readOnly) throw wrongValue('options.create', 'left out with readOnly', true);
  if (checked.exclusive && !checked.create) throw wrongValue('options.exclusive', 'given with create', true);
  if (checked.create && checked.size === undefined) throw wrongType('options.size', 'given with create', undefined);
  return checked;
}

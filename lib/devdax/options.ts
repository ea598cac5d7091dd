/** Options of DAX devices, checked before anything is opened or mapped. */

import { outOfRange, wrongType, wrongValue } from '../errors.js';
import { assumedByEnvironment } from '../memory/durability/durability.js';
import { checkPermissions, DEFAULT_MODE } from '../memory/region/options.js';
import {
  booleanOption,
  type CheckedJob,
  integerOption,
  type JobOptions,
  jobOptions,
  ownOptions,
  type Progress,
  sizeOption,
} from '../options.js';
import { parseSize, type Size } from '../units.js';
import { MapFlags } from './device/map-flags.js';
import type { Attempt } from './device/rules.js';

/** Options that every way of opening a device has. */
export interface DaxSharedOptions {
  /**
   * Accept a backing that cannot guarantee that each fault brings in one page of `align` bytes. Every other rule is kept, and
   * `device.guarantee` says what is missing. Default false: such a backing is refused with `ERR_PMEM_FAULT_GRANULARITY`.
   */
  emulate?: boolean;
  /** Open and map for reading only. Default false. */
  readOnly?: boolean;
  /** As of `Region.open`: treat flushed stores as persistent although the kernel does not confirm it. */
  assumePersistent?: boolean;
  /** Take no locks: other processes may map the same bytes, for writing too. Default false. */
  shared?: boolean;
}

/** Options of `DaxDevice.open`. */
export interface DaxOpenOptions extends DaxSharedOptions {
  /**
   * Bytes: 4096, 2 MiB or 1 GiB. The alignment of a real device was fixed at configuration, and any other is `EINVAL`. Default
   * elsewhere: 2 MiB, or the page size of hugetlbfs.
   */
  align?: Size;
  /** Where an emulated device begins in the file or in `/dev/mem`, in bytes; a multiple of `align`. Default 0. */
  offset?: Size;
  /** Bytes of an emulated device; a multiple of `align`. Default: all from `offset` on. `/dev/mem` has no end, and needs it. */
  size?: Size;
  /** Create the file when it is missing, with all its blocks allocated, as `Region.open` does; needs `size`. An existing file is never resized. */
  create?: boolean;
  /** With `create`: refuse whatever exists at the path already (`EEXIST`). */
  exclusive?: boolean;
  /** Permissions of a new file, from 0 to 0o7777, reduced by the umask. Default 0o600, as of `Region.open`. */
  mode?: number;
}

/** Options of `device.map`. */
export interface DaxMapOptions {
  /** Where the mapping begins in the device, in bytes; a multiple of `align`. Default 0. */
  offset?: Size | bigint;
  /** Bytes, a multiple of `align`. Default: up to the end. */
  length?: Size | bigint;
  /** Map for reading only. Default: as the device was opened. */
  readOnly?: boolean;
  /** Flags of mmap(2), from {@link MapFlags}. Default `MapFlags.SHARED`. */
  flags?: number;
  /** Virtual address of the mapping; a multiple of `align`. `EEXIST` when something is mapped there. Default: any. */
  address?: bigint;
  /** Fault all pages in before the call returns. Default false. */
  populate?: boolean;
  /** Keep the memory out of core dumps, as of `Region.open`. Default false. */
  dontDump?: boolean;
  /**
   * Called after each step, in bytes of the mapping, with `phase` `'verify'` while the guarantee is verified, and `'populate'` while pages
   * are faulted in. What it throws ends the call, and nothing stays mapped.
   */
  onProgress?: (progress: Progress) => void;
}

/** Options of `device.mapAsync`. A signal gives the mapping up at its next step. */
export interface DaxMapAsyncOptions extends DaxMapOptions, JobOptions {}

/** {@link DaxSharedOptions} with their defaults filled in. */
export interface CheckedShared {
  readonly emulate: boolean;
  readonly readOnly: boolean;
  readonly assumePersistent: boolean;
  readonly shared: boolean;
}

/** {@link DaxOpenOptions} with their defaults filled in. */
export interface CheckedOpen extends CheckedShared {
  readonly align: number | undefined;
  readonly offset: number;
  readonly size: number | undefined;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly mode: number;
}

/** {@link DaxMapOptions} as the kernel gets them. */
export interface CheckedMap extends Attempt, CheckedJob {
  readonly populate: boolean;
  readonly dontDump: boolean;
}

/** Names of {@link DaxSharedOptions}. */
export const SHARED_NAMES = ['emulate', 'readOnly', 'assumePersistent', 'shared'] as const;
const OPEN_NAMES = [...SHARED_NAMES, 'align', 'offset', 'size', 'create', 'exclusive', 'mode'] as const;
const MAP_NAMES = ['offset', 'length', 'readOnly', 'flags', 'address', 'populate', 'dontDump', 'onProgress'] as const;
const MAP_ASYNC_NAMES = [...MAP_NAMES, 'signal'] as const;

function shared(options: DaxSharedOptions): CheckedShared {
  return {
    emulate: booleanOption(options.emulate, 'emulate', false),
    readOnly: booleanOption(options.readOnly, 'readOnly', false),
    assumePersistent: booleanOption(options.assumePersistent, 'assumePersistent') ?? assumedByEnvironment(),
    shared: booleanOption(options.shared, 'shared', false),
  };
}

/** Checks the options that every way of opening has in common. */
export function checkSharedOptions(given: DaxSharedOptions = {}): CheckedShared {
  return shared(ownOptions(given, SHARED_NAMES));
}

/** Checks types, ranges and combinations of `DaxDevice.open`. */
export function checkOpenOptions(given: DaxOpenOptions = {}): CheckedOpen {
  const options = ownOptions(given, OPEN_NAMES);
  const checked: CheckedOpen = {
    ...shared(options),
    align: sizeOption(options.align, 'align', 1),
    offset: sizeOption(options.offset, 'offset') ?? 0,
    size: sizeOption(options.size, 'size', 1),
    create: booleanOption(options.create, 'create', false),
    exclusive: booleanOption(options.exclusive, 'exclusive', false),
    mode: options.mode ?? DEFAULT_MODE,
  };
  if (checked.create && checked.readOnly) throw wrongValue('options.create', 'left out with readOnly', true);
  checkPermissions(checked.mode);
  if (checked.exclusive && !checked.create) throw wrongValue('options.exclusive', 'given with create', true);
  if (checked.create && checked.size === undefined) throw wrongType('options.size', 'given with create', undefined);
  return checked;
}

/**
 * The number in a 64-bit register. A negative one becomes a very large one, as in C, so that the answer is the kernel's own. More than
 * 64 bits are out of range.
 */
function register(value: Size | bigint, name: string): bigint {
  if (typeof value === 'string') return BigInt(parseSize(value, name));
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw wrongType(name, "a number of bytes or a size such as '64KiB'", value);
  }
  if (typeof value === 'number' && !Number.isInteger(value)) throw outOfRange(name, 'a whole number of bytes', value);
  const exact = BigInt(value);
  if (exact < -(2n ** 63n) || exact >= 2n ** 64n) throw outOfRange(name, 'a number of 64 bits', value);
  return BigInt.asUintN(64, exact);
}

function addressOf(address: bigint | undefined, flags: number): bigint | undefined {
  if (address === undefined) {
    if ((flags & (MapFlags.FIXED | MapFlags.FIXED_NOREPLACE)) === 0) return undefined;
    throw wrongType('options.address', 'given with MapFlags.FIXED', address);
  }
  if (typeof address !== 'bigint') throw wrongType('options.address', 'a bigint', address);
  if (address < 0n || address >= 2n ** 64n) throw outOfRange('options.address', 'from 0n to 2n ** 64n - 1n', address);
  return address;
}

/** Checks types, and values that no system call could get; the rest is for the rules. */
export function checkMapOptions(
  options: DaxMapAsyncOptions | undefined,
  device: { readonly size: number; readonly align: number; readonly readOnly: boolean },
  kind: 'sync' | 'async',
): CheckedMap {
  // A synchronous call cannot be aborted.
  const given = ownOptions(options === undefined ? {} : options, kind === 'sync' ? MAP_NAMES : MAP_ASYNC_NAMES);
  const offset = register(given.offset ?? 0, 'options.offset');
  const rest = BigInt(device.size) - offset;
  const flags = integerOption(given.flags, 'flags', 0, 2 ** 31 - 1) ?? MapFlags.SHARED;
  return {
    offset,
    // Past the end nothing is left; the least length there is makes the rules refuse it with the reason.
    length:
      given.length === undefined ? (rest > 0n ? rest : BigInt(device.align)) : register(given.length, 'options.length'),
    flags,
    writable: !(booleanOption(given.readOnly, 'readOnly') ?? device.readOnly),
    address: addressOf(given.address, flags),
    populate:
      booleanOption(given.populate, 'populate') === true || (flags & (MapFlags.POPULATE | MapFlags.LOCKED)) !== 0,
    dontDump: booleanOption(given.dontDump, 'dontDump', false),
    ...jobOptions(given),
  };
}

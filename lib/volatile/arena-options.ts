/** What an arena can be asked for, checked before anything is done. */

import { native } from '../binding.js';
import { outOfRange, wrongType, wrongValue } from '../errors.js';
import type { Host } from '../linux/host.js';
import { MOST_BUFFER_BYTES } from '../memory/region/windows.js';
import { booleanOption, choiceOption, ownOptions, powerOfTwoOption } from '../options.js';
import { formatSize, type Size } from '../units.js';
import { nodeOfDevice } from './device-node.js';
import { GRANULE } from './free-space.js';
import {
  type CheckedMapOptions,
  checkMapOptions,
  MAP_ASYNC_OPTIONS,
  MAP_OPTIONS,
  type NodeMapAsyncOptions,
  type NodeMapOptions,
  nodeOption,
} from './options.js';

/** Options of `VolatileArena.open`: either `node` or `device`. */
export interface ArenaOptions extends NodeMapOptions {
  /** Number of the NUMA node, from 0 to 1023. */
  node?: number;
  /** A DAX device in mode `system-ram`, `dax0.0` or `/dev/dax0.0`: the arena is on the node that its memory became. */
  device?: string;
  /**
   * Overwrite the bytes of a Buffer with zeroes when they are given back, so that no other part of this process finds them. `free`
   * overwrites at once, or with `reuse: 'collected'` when the Buffer has been collected. Bytes that garbage collection gave back are
   * overwritten by the next `allocate`, `free` or `statistics`. `close` overwrites what Buffers still have, except memory that was
   * transferred. Default false.
   */
  zeroOnFree?: boolean;
}

/** Options of `VolatileArena.openAsync`. */
export interface ArenaAsyncOptions extends ArenaOptions, NodeMapAsyncOptions {}

/** Options of `VolatileArena.allocate`. */
export interface AllocateOptions {
  /** Alignment of the address in bytes: a power of two up to the arena's own. Default 64, which is also the least. */
  align?: Size;
  /** Fill with zeroes, as Buffer.alloc does; false leaves the old bytes, as Buffer.allocUnsafe does. Default true. */
  zero?: boolean;
}

/** Options of `VolatileArena.free`. */
export interface FreeOptions {
  /**
   * `'now'` (default): another Buffer can have the bytes as soon as the call returns. `'collected'`: only after the Buffer has been
   * collected, which waits for everything that other threads do with it (`fs.read`, a socket's write).
   */
  reuse?: 'now' | 'collected';
}

/** {@link ArenaOptions}, checked. */
export interface CheckedArena {
  readonly node: number;
  readonly map: CheckedMapOptions;
  readonly zeroOnFree: boolean;
}

const OWN_OPTIONS = ['node', 'device', 'zeroOnFree'] as const;
/** Names of {@link ArenaOptions}. */
export const ARENA_OPTIONS = [...OWN_OPTIONS, ...MAP_OPTIONS] as const;
/** Names of {@link ArenaAsyncOptions}. */
export const ARENA_ASYNC_OPTIONS = [...OWN_OPTIONS, ...MAP_ASYNC_OPTIONS] as const;

/** Checks options that `ownOptions` has read, and finds the node. */
export function checkArena(options: ArenaOptions, host: Host): CheckedArena {
  const node = nodeOption(options.node);
  const { device } = options;
  if ((node === undefined) === (device === undefined)) {
    throw wrongValue('options', 'given either a node or a device', node === undefined ? 'neither' : 'both');
  }
  const map = checkMapOptions(options, native.pageSize(), true);
  const zeroOnFree = booleanOption(options.zeroOnFree, 'zeroOnFree', false);
  return { node: node ?? nodeOfDevice(device as string, host), map, zeroOnFree };
}

/** Checks a request for a Buffer in an arena of this alignment. */
export function checkAllocation(
  bytes: number,
  given: AllocateOptions,
  most: number,
): { length: number; align: number; zero: boolean } {
  const options = ownOptions(given, ['align', 'zero']);
  if (typeof bytes !== 'number') throw wrongType('bytes', 'a number of bytes', bytes);
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw outOfRange('bytes', 'a whole number of bytes, at least 1', bytes);
  if (bytes > MOST_BUFFER_BYTES) {
    throw outOfRange('bytes', `at most ${formatSize(MOST_BUFFER_BYTES)}, the longest Buffer here,`, bytes);
  }
  const align = powerOfTwoOption(options.align, 'align') ?? GRANULE;
  if (align > most) {
    const limit = `at most ${formatSize(most)}, the alignment that the arena was opened with,`;
    throw outOfRange('options.align', limit, options.align);
  }
  return { length: bytes, align: Math.max(align, GRANULE), zero: booleanOption(options.zero, 'zero', true) };
}

/** When the bytes of a freed Buffer can be another's. */
export function checkReuse(given: FreeOptions): 'now' | 'collected' {
  return choiceOption(ownOptions(given, ['reuse']).reuse, 'reuse', ['now', 'collected'], 'now');
}

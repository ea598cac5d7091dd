/** Where the writer that is going to be killed writes. */

import type { RegionOptions } from 'pmem';

/** A path in the guest, and how it is opened. */
export interface Target {
  readonly path: string;
  readonly options: RegionOptions;
}

const MIB = 2 ** 20;
const SIZE = 32 * MIB;

export const TARGETS = {
  /** All blocks allocated before the first record. */
  file: { path: '/run/devices/ext4/records', options: { create: true, size: SIZE } },
  /** A block is allocated by each record: lost with it, if the kernel had not made that durable too (MAP_SYNC). */
  sparse: { path: '/run/devices/ext4/sparse', options: { create: true, sparse: true, size: SIZE } },
  device: { path: '/dev/dax0.1', options: {} },
  /** A lie: flushed from the CPU, but only into the guest's page cache. */
  liar: { path: '/run/devices/disk/records', options: { create: true, size: SIZE, assumePersistent: true } },
} satisfies Readonly<Record<string, Target>>;

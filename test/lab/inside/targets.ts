/** The files and devices of the writer that is killed. */

import type { RegionOptions } from 'pmem';

/** A path in the guest, and the options to open it. */
export interface Target {
  readonly path: string;
  readonly options: RegionOptions;
}

const MIB = 2 ** 20;
const SIZE = 32 * MIB;

export const TARGETS = {
  /** All blocks allocated before the first record. */
  file: { path: '/run/devices/ext4/records', options: { create: true, size: SIZE } },
  /** Each record allocates a block. Without MAP_SYNC that allocation, and the record, would be lost. */
  sparse: { path: '/run/devices/ext4/sparse', options: { create: true, sparse: true, size: SIZE } },
  device: { path: '/dev/dax0.1', options: {} },
  /** A false claim of persistence: stores reach only the guest's page cache. */
  liar: { path: '/run/devices/disk/records', options: { create: true, size: SIZE, assumePersistent: true } },
} satisfies Readonly<Record<string, Target>>;

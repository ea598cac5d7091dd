/** Flushing the memory controller's write-pending queue (Documentation/ABI/testing/sysfs-bus-nfit, deep_flush). */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../binding.js';
import { systemError } from '../../errors.js';
import { ndRegion } from '../../linux/nvdimm/regions.js';
import { attribute } from '../../linux/sysfs/read.js';
import type { BackingKind } from '../backing.js';
import type { Durability } from '../memory.js';

/** `done`; `not-needed`: an msync did it already; `unavailable`: the kernel has no deep flush for the memory. */
export type DeepFlush = 'done' | 'not-needed' | 'unavailable';

/** The mapping to flush. */
export interface DeepFlushTarget {
  readonly path: string;
  readonly kind: BackingKind;
  readonly durability: Durability;
  readonly device: string | undefined;
  readonly handle: number;
}

/** See `Region.deepFlush`. */
export function deepFlush({ path, kind, durability, device, handle }: DeepFlushTarget): DeepFlush {
  if (durability.volatile || durability.assumed) return 'unavailable';
  if (durability.granularity === 'page') return 'not-needed';
  const region = device === undefined ? undefined : ndRegion(device);
  if (region === undefined || attribute(region, 'deep_flush') !== '1') return 'unavailable';
  try {
    // On a DAX file the kernel's own fsync ends in the same flush, without needing root.
    if (kind === 'file') native.syncAll(handle);
    else writeFileSync(join(region, 'deep_flush'), '1');
  } catch (error) {
    throw systemError(error, path, kind === 'file' ? undefined : 'Writing deep_flush in sysfs needs root');
  }
  return 'done';
}

/** Regions to test with. */

import { Region, type RegionOptions } from 'pmem';

/** What most tests want: flushes instead of msync, on whatever file system there is. */
export const ASSUMED = { assumePersistent: true } as const;

/** A new region whose stores need cache-line flushes, as on an NVDIMM. */
export function newRegion(path: string, size: number | string, options: RegionOptions = {}): Region {
  return Region.open(path, { create: true, size, ...ASSUMED, ...options });
}

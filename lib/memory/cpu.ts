/** The instructions for flushing, copying and checksums, as the addon chose them. */

import { type CpuPaths, native } from '../binding.js';

export type { CpuPaths };

/**
 * The instructions with which this process flushes, copies and computes checksums: the best that the CPU and the operating system
 * support, or those that `PMEM_FLUSH`, `PMEM_COPY`, `PMEM_CRC32C` and `PMEM_NONTEMPORAL_THRESHOLD` in the
 * environment ask for.
 */
export function cpuPaths(): Omit<CpuPaths, 'refused'> {
  const { refused, ...paths } = native.cpu();
  return paths;
}

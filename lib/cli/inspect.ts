/** What `explain` finds, in the words of the command line. */

import { PmemError } from '../errors.js';
import { type Explanation, explain } from '../memory/durability/explain.js';
import type { Durability } from '../memory/memory.js';

/** What is at the path, and what one would get there; the error for a missing one speaks to users of the command. */
export function explainPath(path: string): Explanation {
  try {
    return explain(path);
  } catch (error) {
    if (!(error instanceof PmemError) || error.code !== 'ENOENT') throw error;
    throw new PmemError(
      'ENOENT',
      `ENOENT: there is no '${path}'. Name an existing file or device; 'pmem list' shows the devices`,
      { path, cause: error },
    );
  }
}

const KINDS: Readonly<Record<Explanation['kind'], string>> = {
  file: 'regular file',
  directory: 'directory; the rest is what a file in it would have',
  devdax: 'device-DAX',
  devmem: 'physical memory',
  pci: 'memory of a PCI device',
  block: 'block device',
};

/** The kind in words. */
export function kindInWords(kind: Explanation['kind']): string {
  return KINDS[kind];
}

const GRANULARITIES: Readonly<Record<Durability['granularity'], string>> = {
  byte: 'durable by a fence alone',
  'cache-line': 'durable by CPU cache flushes',
  page: 'durable by msync, in whole pages',
};

/** What a granularity amounts to. */
export function granularityInWords(granularity: Durability['granularity']): string {
  return GRANULARITIES[granularity];
}

/** What `explain` finds, in the words of the command line. */

import { type Explanation, explain } from '../memory/durability/explain.js';
import type { Durability } from '../memory/memory.js';
import { withExisting } from './existing.js';

/** {@link explain}, with a message for users of the command where the path does not exist. */
export function explainPath(path: string): Explanation {
  return withExisting(path, () => explain(path));
}

const KINDS: Readonly<Record<Explanation['kind'], string>> = {
  file: 'regular file',
  directory: 'directory; the facts below are those of a file in it',
  devdax: 'device-DAX',
  devmem: 'physical memory',
  pci: 'memory of a PCI device',
  block: 'block device',
};

export function kindInWords(kind: Explanation['kind']): string {
  return KINDS[kind];
}

const GRANULARITIES: Readonly<Record<Durability['granularity'], string>> = {
  byte: 'durable by a fence alone',
  'cache-line': 'durable by CPU cache flushes',
  page: 'durable by msync, in whole pages',
};

export function granularityInWords(granularity: Durability['granularity']): string {
  return GRANULARITIES[granularity];
}

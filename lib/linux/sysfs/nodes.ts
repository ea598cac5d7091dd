/** Directories of sysfs. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { numericAttribute, resolve } from './read.js';

/** An entry of a directory in sysfs. */
export interface Entry {
  readonly name: string;
  /** Its path with every link followed. */
  readonly directory: string;
}

/** The entries of a directory whose names match; none where the directory is missing. Skips dead links: devices come and go. */
export function children(directory: string, pattern: RegExp): Entry[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return [];
  }
  return names
    .filter((name) => pattern.test(name))
    .flatMap((name) => {
      const target = resolve(join(directory, name));
      return target === undefined ? [] : [{ name, directory: target }];
    });
}

/** An attribute with the number of a NUMA node; undefined for -1, the kernel's number of no node. */
export function node(directory: string, name: string): number | undefined {
  const value = numericAttribute(directory, name);
  return value === undefined || value < 0 ? undefined : value;
}

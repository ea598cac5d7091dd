/** Walking a bus of sysfs. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { numericAttribute, resolve } from './read.js';

/** An entry of a directory in sysfs. */
export interface Entry {
  readonly name: string;
  /** With every link followed. */
  readonly directory: string;
}

/** The entries of a directory whose name fits; none where there is no such directory. Devices come and go: dead links are skipped. */
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

/** A NUMA node's number; the kernel writes -1 for none. */
export function node(directory: string, name: string): number | undefined {
  const value = numericAttribute(directory, name);
  return value === undefined || value < 0 ? undefined : value;
}

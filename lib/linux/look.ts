/** Looks at files and directories that need not be there: the answer is then undefined or empty, not an error. */

import { type BigIntStats, readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from 'node:fs';

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** stat(2). */
export function statusAt(path: string): BigIntStats | undefined {
  return attempt(() => statSync(path, { bigint: true }));
}

/** The number of the type of the path's file system: statfs(2). */
export function magicAt(path: string): number | undefined {
  return attempt(() => statfsSync(path).type);
}

/** A file's text. */
export function textAt(path: string): string | undefined {
  return attempt(() => readFileSync(path, 'utf8'));
}

/** Names in a directory. */
export function namesIn(directory: string): string[] {
  return attempt(() => readdirSync(directory)) ?? [];
}

/** readlink(2). */
export function linkAt(path: string): string | undefined {
  return attempt(() => readlinkSync(path));
}

/** Which file or device a path or descriptor means, as stat(2) tells. */

import type { BigIntStats } from 'node:fs';
import { statusAt } from './look.js';

/** A file is its device and inode; a device is its number and kind, by whichever of its nodes it was opened. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  /** The number, of a device. */
  readonly rdev?: bigint;
  /** The kind in `st_mode`, of a device. */
  readonly mode?: bigint;
}

const KIND = 0o170000n;

export function identityOf(status: BigIntStats): FileIdentity {
  const { dev, ino, rdev, mode } = status;
  return status.isFile() ? { dev, ino } : { dev, ino, rdev, mode };
}

/** The identity of what a path leads to; undefined where it leads nowhere. */
export function identityAt(path: string): FileIdentity | undefined {
  const status = statusAt(path);
  return status && identityOf(status);
}

export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  if (one.dev === other.dev && one.ino === other.ino) return true;
  const { rdev = 0n, mode = 0n } = one;
  return rdev !== 0n && rdev === other.rdev && (mode & KIND) === ((other.mode ?? 0n) & KIND);
}

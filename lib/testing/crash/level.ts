/** One log of an exploration: that of the workload, or that of a recovery from a crash in another log. */

import type { StoreLog } from '../simulation/store-log.js';
import type { CrashPoint } from './images/crash-points.js';
import { type Hash, newHash, SeenImages } from './images/line-hash.js';
import type { Undo } from './images/undo.js';
import type { Crash } from './options.js';
import type { RecordedWorkload } from './workload.js';

export interface Level<Detail> {
  /** 0 for the workload, n for the recovery from n crashes. */
  readonly depth: number;
  readonly log: StoreLog;
  /** Of the memory with the durable bytes at the current crash point. */
  readonly hash: Hash;
  readonly seen: SeenImages;
  /** Undoes what became durable in a recovery; undefined for the workload. */
  readonly undo: Undo | undefined;
  readonly seed: number;
  readonly crashAt: (point: CrashPoint) => Crash<Detail>;
}

/** The level of the workload. */
export function workloadLevel<Detail>(
  { log, operations, acknowledged }: RecordedWorkload<Detail>,
  seed: number,
): Level<Detail> {
  const crashAt = (point: CrashPoint): Crash<Detail> =>
    Object.freeze({
      point: point.number,
      finished: Object.freeze(operations.slice(0, point.finished)),
      running: point.started > point.finished ? operations[point.finished] : undefined,
      acknowledged: Object.freeze(acknowledged.slice(0, point.acknowledged)),
      duringRecovery: 0,
    });
  return { depth: 0, log, hash: newHash(), seen: new SeenImages(), undo: undefined, seed, crashAt };
}

/** The level of a recovery that began on memory with this hash; `again` is what check is told of a crash in it. */
export function recoveryLevel<Detail>(
  { depth, seed }: Level<Detail>,
  log: StoreLog,
  hash: Hash,
  undo: Undo,
  again: Crash<Detail>,
): Level<Detail> {
  const seen = new SeenImages();
  // The image on which recovery began is judged already.
  seen.add(hash);
  // The seed follows from what recovery did, and so from what it read: pruning needs that (see read-tree.ts).
  const other = Math.imul(seed ^ (again.point + 1), 0x85ebca6b) ^ Number.parseInt(log.fingerprint(), 16);
  return { depth: depth + 1, log, hash: hash.slice(), seen, undo, seed: other, crashAt: () => again };
}

/** What check is told at a point, without the point's number, on which the verdict must not depend ({@link Crash.point}). */
export function contextOf({ started, finished, acknowledged }: CrashPoint): string {
  return `${started} ${finished} ${acknowledged}`;
}

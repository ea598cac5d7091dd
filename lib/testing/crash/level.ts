/** A log that is being gone through: the workload's, or that of a recovery from a crash in another. */

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
  /** Of the memory with what is durable at the point that was reached. */
  readonly hash: Hash;
  readonly seen: SeenImages;
  /** Takes back what became durable; the workload's is never taken back. */
  readonly undo: Undo | undefined;
  readonly seed: number;
  readonly crashAt: (point: CrashPoint) => Crash<Detail>;
}

/** The workload's log. */
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

/** What a recovery did, to memory with that hash, after a crash that check was told of as `again`. */
export function recoveryLevel<Detail>(
  { depth, seed }: Level<Detail>,
  log: StoreLog,
  hash: Hash,
  undo: Undo,
  again: Crash<Detail>,
): Level<Detail> {
  const seen = new SeenImages();
  // The image that recovery started from was judged already.
  seen.add(hash);
  // By what recovery did, which follows from what it read: the same for the same reads, as pruning wants it (see read-tree.ts).
  const other = Math.imul(seed ^ (again.point + 1), 0x85ebca6b) ^ Number.parseInt(log.fingerprint(), 16);
  return { depth: depth + 1, log, hash: hash.slice(), seen, undo, seed: other, crashAt: () => again };
}

/** What check is told at a point, beside its number, which must not matter to it (see {@link Crash.point}). */
export function contextOf({ started, finished, acknowledged }: CrashPoint): string {
  return `${started} ${finished} ${acknowledged}`;
}

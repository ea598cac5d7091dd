/** Garbage collection on demand: V8 does not count the bytes of an arena, so that it collects its Buffers late. */

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collector = (options?: { type: 'minor' }) => void;

let collector: Collector | undefined;
let pending: Promise<void> | undefined;

function makeCollector(): Collector {
  if (globalThis.gc !== undefined) return globalThis.gc as Collector;
  setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('gc') as Collector;
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}

/** Turns of the event loop until finalizers have told the addon. */
const TURNS = 3;

async function collect(): Promise<void> {
  // Objects of this turn, and those seen through a WeakRef, can be collected only after it.
  await setImmediate();
  pending = undefined;
  collector ??= makeCollector();
  collector();
  await setImmediate();
  // Another thread gives the memory of ArrayBuffers back meanwhile. A minor collection waits for that.
  collector({ type: 'minor' });
  for (let turn = 0; turn < TURNS; turn++) await setImmediate();
}

/**
 * Collects all garbage once, and lets the finalizers run that tell the addon. The full collection stops the event loop, the longer the
 * larger the heap is. Calls of the same turn share one collection.
 */
export function collectGarbage(): Promise<void> {
  pending ??= collect();
  return pending;
}

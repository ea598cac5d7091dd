/** Garbage collection on demand: V8 does not count the bytes of an arena, and sees no reason to collect Buffers on it. */

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

/** Turns of the event loop that finalizers take until the addon is told. */
const TURNS = 3;

async function collect(): Promise<void> {
  // What this turn made or looked at through a WeakRef cannot be collected before it ends.
  await setImmediate();
  pending = undefined;
  collector ??= makeCollector();
  collector();
  await setImmediate();
  // The memory of ArrayBuffers is given back on another thread meanwhile. A small collection waits for that one's end.
  collector({ type: 'minor' });
  for (let turn = 0; turn < TURNS; turn++) await setImmediate();
}

/**
 * Collects all garbage once, and lets the finalizers run that the addon is told by. The full collection keeps the event loop
 * from turning, as long as the heap is large; who asks for one in the same turn shares it.
 */
export function collectGarbage(): Promise<void> {
  pending ??= collect();
  return pending;
}

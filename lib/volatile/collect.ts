/** Garbage collection on demand: V8 does not count the bytes of an arena, and sees no reason to collect Buffers on it. */

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collector: (() => void) | undefined;

function makeCollector(): () => void {
  if (globalThis.gc !== undefined) return globalThis.gc as () => void;
  setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('gc') as () => void;
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}

/** Collects garbage, and lets the finalizers run that the addon is told by. */
export async function collectGarbage(): Promise<void> {
  collector ??= makeCollector();
  collector();
  await setImmediate();
}

/** Keeps the fault handlers in the first place when a program listens to SIGBUS or SIGSEGV, or stops to. */

import { isMainThread } from 'node:worker_threads';
import { native } from '../binding.js';

let watching = false;

function onChange(event: string | symbol): void {
  // libuv installs and removes its handler while the listener is being added or removed.
  if (event === 'SIGBUS' || event === 'SIGSEGV') process.nextTick(() => native.guardSignals());
}

/** From the first mapping on. Only the main thread can listen to signals. */
export function watchSignals(): void {
  if (watching || !isMainThread) return;
  watching = true;
  process.on('newListener', onChange);
  process.on('removeListener', onChange);
}

/** For tests that run in a guest: where the parts of their machine are. */

import { MACHINE, PLACES, type Place } from './plan.js';

/** The part of the machine with that name, as its declaration has it, or one of `tmpfs`, `legacy`, `devmem`, `bar`, `virtio`, `disk`, `empty`. */
export function place(name: string): Place {
  const text = process.env[PLACES];
  if (text === undefined) throw new Error(`this test runs in a guest only: npm run lab`);
  const found = (JSON.parse(text) as Record<string, Place>)[name];
  if (found === undefined) throw new Error(`machine '${process.env[MACHINE]}' has no '${name}'`);
  return found;
}

/** The name of the machine that this is. */
export function machineName(): string {
  return process.env[MACHINE] ?? '';
}

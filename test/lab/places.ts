/** For tests in a guest: the paths of the parts of their machine. */

import { MACHINE, PLACES, type Place } from './plan.js';

/** The part of the machine with this name: a namespace of its declaration, or `tmpfs`, `legacy`, `devmem`, `bar`, `virtio`, `disk`, `empty`. */
export function place(name: string): Place {
  const text = process.env[PLACES];
  if (text === undefined) throw new Error(`this test runs in a guest only: npm run lab`);
  const found = (JSON.parse(text) as Record<string, Place>)[name];
  if (found === undefined) throw new Error(`machine '${process.env[MACHINE]}' has no '${name}'`);
  return found;
}

/** The name of this machine. */
export function machineName(): string {
  return process.env[MACHINE] ?? '';
}

/** Checks of the arguments that block devices take. */

import { isUint8Array } from 'node:util/types';
import { wrongType } from '../errors.js';
import { lengthOf } from '../memory/checks.js';
import type { Memory } from '../memory/memory.js';
import { booleanOption, ownOptions } from '../options.js';
import type { BlockWriteOptions } from './block-device.js';

/** The real length of an array, in bytes. */
export function bytesOf(bytes: Uint8Array, name: string): number {
  if (!isUint8Array(bytes)) throw wrongType(name, 'a Buffer or Uint8Array', bytes);
  return lengthOf.call(bytes);
}

/**
 * Whether options ask for durability on return; refuses names that are not known. Every write comes here: options whose only
 * enumerable property is `fua` of their own are read without a copy.
 */
export function isFua(options: BlockWriteOptions | undefined): boolean {
  if (options === undefined) return false;
  if (typeof options !== 'object' || options === null) throw wrongType('options', 'an object', options);
  let isPlain = Object.hasOwn(options, 'fua');
  for (const name in options) if (name !== 'fua') isPlain = false;
  const { fua } = isPlain ? options : ownOptions(options, ['fua']);
  return booleanOption(fua, 'fua', false);
}

/**
 * Several arrays, in a list of our own: reading the caller's list can run code (getters, iterators), and a second reading can give
 * something else.
 */
export function listOf(arrays: readonly Uint8Array[], name: string): Uint8Array[] {
  if (!Array.isArray(arrays)) throw wrongType(name, 'an array of Buffers or Uint8Arrays', arrays);
  const list = Array.from(arrays) as Uint8Array[];
  for (const [i, one] of list.entries()) bytesOf(one, `${name}[${i}]`);
  return list;
}

const METHODS = ['view', 'read', 'write', 'fill', 'load64', 'store64', 'flush', 'drain', 'persist'] as const;

/** @throws TypeError unless the value has what devices need of a memory */
export function checkMemory(memory: Memory): void {
  const there: Partial<Memory> | null = typeof memory === 'object' ? memory : null;
  if (there === null || typeof there.size !== 'number' || METHODS.some((name) => typeof there[name] !== 'function')) {
    throw wrongType('memory', 'a Memory, such as a Region', memory);
  }
}

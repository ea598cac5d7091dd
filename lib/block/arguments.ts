/** Checks of the arguments that block devices take. */

import { isUint8Array } from 'node:util/types';
import { wrongType } from '../errors.js';
import { lengthOf } from '../memory/checks.js';
import type { Memory } from '../memory/memory.js';
import { readOptions } from '../options.js';
import type { BlockDevice, BlockWriteOptions } from './block-device.js';

/** The length that an array really has, in bytes. */
export function bytesOf(bytes: Uint8Array, name: string): number {
  if (!isUint8Array(bytes)) throw wrongType(name, 'a Buffer or Uint8Array', bytes);
  return lengthOf.call(bytes);
}

/** Whether options ask for durability on return. */
export function isFua(options: BlockWriteOptions | undefined): boolean {
  if (options === undefined) return false;
  if (typeof options !== 'object' || options === null) throw wrongType('options', 'an object', options);
  // Without a copy: every write comes here.
  const { fua = false } = Object.hasOwn(options, 'fua') ? options : readOptions(options, ['fua']);
  if (typeof fua !== 'boolean') throw wrongType('options.fua', 'a boolean', fua);
  return fua;
}

/**
 * Several arrays, in a list that nobody else has: reading the user's can run code (getters, iterators), and a second time it can
 * say something else.
 */
export function listOf(arrays: readonly Uint8Array[], name: string): Uint8Array[] {
  if (!Array.isArray(arrays)) throw wrongType(name, 'an array of Buffers or Uint8Arrays', arrays);
  const list = Array.from(arrays) as Uint8Array[];
  for (const [i, one] of list.entries()) bytesOf(one, `${name}[${i}]`);
  return list;
}

/** The lengths that arrays have in bytes, to be asked for once no code of users' runs any more. */
export function lengthsOf(list: readonly Uint8Array[]): number[] {
  return list.map((one) => lengthOf.call(one));
}

const DURABLE: BlockWriteOptions = Object.freeze({ fua: true });
const PLAIN: BlockWriteOptions = Object.freeze({ fua: false });

/** Options to pass on that were looked at: looking at the user's again can run code. */
export function optionsOf(fua: boolean): BlockWriteOptions {
  return fua ? DURABLE : PLAIN;
}

const METHODS = ['view', 'read', 'write', 'fill', 'load64', 'store64', 'flush', 'drain', 'persist'] as const;

/** Throws unless it has what devices need of a memory. */
export function checkMemory(memory: Memory): void {
  const there: Partial<Memory> | null = typeof memory === 'object' ? memory : null;
  if (there === null || typeof there.size !== 'number' || METHODS.some((name) => typeof there[name] !== 'function')) {
    throw wrongType('memory', 'a Memory, such as a Region', memory);
  }
}

/** Throws unless it looks like a device. */
export function checkDevice(device: BlockDevice): void {
  if (typeof device !== 'object' || device === null || typeof device.sectorCount !== 'number') {
    throw wrongType('device', 'a BlockDevice', device);
  }
}

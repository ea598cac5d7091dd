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

/** The lengths of several arrays, all checked before any is used. */
export function listOf(arrays: readonly Uint8Array[], name: string): number[] {
  if (!Array.isArray(arrays)) throw wrongType(name, 'an array of Buffers or Uint8Arrays', arrays);
  return Array.from(arrays, (one: Uint8Array, i) => bytesOf(one, `${name}[${i}]`));
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

/**
 * Remembers where the bytes are of the array that a hot call was given last. C++ asks V8 for the bytes in each call, and V8 answers
 * sooner for an ArrayBuffer than for an array on it: that saves a sixth of a small write.
 */

import { isArrayBuffer } from 'node:util/types';
import { bufferOf, isResizable, sizeOf, startOf } from '../checks.js';

/** Bytes of an array. Larger ones gain nothing. */
const MOST_LENGTH = 2 ** 16;
/** Bytes of an array's buffer, which is kept from being collected while the array is remembered. */
const MOST_KEPT = 2 ** 20;
/** To look at an array costs as much as it can gain, so the cache looks at one in so many. */
const PATIENCE = 16;

/** Where an array's bytes are, for as long as it has them. */
export interface CachedPlace {
  readonly bytes: Uint8Array;
  readonly buffer: ArrayBuffer;
  /** Where in the buffer they begin. */
  readonly start: number;
  readonly length: number;
  /** Index of the last byte. */
  readonly last: number;
}

/** No user has it. */
const NOBODY = new Uint8Array(0);
const NONE: CachedPlace = { bytes: NOBODY, buffer: NOBODY.buffer, start: 0, length: 0, last: -1 };

/**
 * Remembers one array. A place is a fact that does not change, and is replaced in one step: so it does not matter where JavaScript is
 * ended, or what runs in between.
 */
export class ArrayCache {
  #place = NONE;
  #patience = PATIENCE;

  /**
   * Where these bytes are, if they are remembered and still there. Only detaching takes bytes away, and a detached array has no last
   * byte: unlike `length`, that cannot be feigned.
   */
  find(bytes: Uint8Array): CachedPlace | undefined {
    const place = this.#place;
    return bytes === place.bytes && bytes[place.last] !== undefined ? place : undefined;
  }

  /** {@link find} did not find these bytes. */
  missed(bytes: Uint8Array, length: number): void {
    if (--this.#patience > 0) return;
    this.#patience = PATIENCE;
    this.#place = NONE;
    if (length === 0 || length > MOST_LENGTH) return;
    const buffer: unknown = bufferOf.call(bytes);
    // An array that can change its length is never remembered; nor one on shared memory, which is no ArrayBuffer.
    if (!isArrayBuffer(buffer) || isResizable?.call(buffer) === true || sizeOf.call(buffer) > MOST_KEPT) return;
    this.#place = { bytes, buffer, start: startOf.call(bytes), length, last: length - 1 };
  }

  clear(): void {
    this.#place = NONE;
  }
}

export const sourceCache = new ArrayCache();
export const targetCache = new ArrayCache();

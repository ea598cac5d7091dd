/**
 * Remembers where the bytes of the array are that a hot call was given last. C++ asks V8 for the bytes in each call, and gets them
 * sooner from an ArrayBuffer than from an array on it: that is a sixth of a small write.
 */

import { isArrayBuffer } from 'node:util/types';
import { bufferOf, isResizable, sizeOf, startOf } from '../checks.js';

/** A larger array gains nothing from being remembered. */
const MOST_LENGTH = 2 ** 16;
/** Remembering an array keeps its memory from being collected: no more than this. */
const MOST_KEPT = 2 ** 20;
/** Looking at an array's memory costs as much as it can gain, so only one in so many is looked at. */
const PATIENCE = 16;

/** Where an array's bytes are: true for as long as it has them. */
export interface CachedPlace {
  readonly bytes: Uint8Array;
  readonly buffer: ArrayBuffer;
  /** Where in the buffer they begin. */
  readonly start: number;
  readonly length: number;
  /** Index of the last one. */
  readonly last: number;
}

/** Never given to anybody, so that it is nobody's. */
const NOBODY = new Uint8Array(0);
const NONE: CachedPlace = { bytes: NOBODY, buffer: NOBODY.buffer, start: 0, length: 0, last: -1 };

/**
 * One array. What is remembered are facts that do not change, and they come and go in one step; no one else keeps a part of them.
 * So it does not matter where JavaScript is ended, or what is called in between.
 */
export class ArrayCache {
  #place = NONE;
  #patience = PATIENCE;

  /**
   * Where these bytes are, if they were remembered and are still there: an array that was detached has none, and nothing else
   * moves them. That the last one is there cannot be feigned, as `length` can.
   */
  find(bytes: Uint8Array): CachedPlace | undefined {
    const place = this.#place;
    return bytes === place.bytes && bytes[place.last] !== undefined ? place : undefined;
  }

  /** These bytes were asked for, and not remembered. */
  missed(bytes: Uint8Array, length: number): void {
    if (--this.#patience > 0) return;
    this.#patience = PATIENCE;
    this.#place = NONE;
    if (length === 0 || length > MOST_LENGTH) return;
    const buffer: unknown = bufferOf.call(bytes);
    // What can change its length is asked each time; so is memory that is shared, which runtimes do not give as an ArrayBuffer.
    if (!isArrayBuffer(buffer) || isResizable?.call(buffer) === true || sizeOf.call(buffer) > MOST_KEPT) return;
    this.#place = { bytes, buffer, start: startOf.call(bytes), length, last: length - 1 };
  }

  clear(): void {
    this.#place = NONE;
  }
}

export const sourceCache = new ArrayCache();
export const targetCache = new ArrayCache();

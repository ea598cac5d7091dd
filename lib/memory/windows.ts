/** Buffers on a mapping's memory, also where the mapping is larger than the longest Buffer (4 GiB on Node.js 20). */

import { constants } from 'node:buffer';
import { native } from '../binding.js';

/** The most bytes that one Buffer of this Node.js can have. */
export const MOST_BUFFER_BYTES = constants.MAX_LENGTH;

/**
 * The ArrayBuffers made on one handle. A small mapping has one; a larger one has overlapping windows, each beginning half
 * a window after the one before, so that any view of up to half a window lies within one of them.
 */
export class Windows {
  readonly #handle: number;
  readonly #size: number;
  readonly #most: number;
  readonly #made = new Map<number, ArrayBuffer>();
  readonly #single: WeakRef<ArrayBuffer>[] = [];

  /** `most` bytes is the longest Buffer; tests use less. */
  constructor(handle: number, size: number, most = MOST_BUFFER_BYTES) {
    this.#handle = handle;
    this.#size = size;
    this.#most = most;
  }

  /** A zero-copy Buffer. The range lies within the mapping, and length does not exceed the longest Buffer. */
  buffer(offset: number, length: number): Buffer {
    const step = Math.floor(this.#most / 2);
    const index = this.#size <= this.#most ? 0 : Math.floor(offset / step);
    const start = index * step;
    if (offset + length - start > this.#most) return this.#own(offset, length);
    return Buffer.from(this.#window(index, start), offset - start, length);
  }

  #window(index: number, start: number): ArrayBuffer {
    const known = this.#made.get(index);
    // A window that somebody transferred elsewhere reads as empty.
    if (known !== undefined && known.byteLength > 0) return known;
    const made = native.arrayBuffer(this.#handle, start, Math.min(this.#most, this.#size - start));
    this.#made.set(index, made);
    return made;
  }

  /** A view that straddles windows gets an ArrayBuffer to itself. */
  #own(offset: number, length: number): Buffer {
    const made = native.arrayBuffer(this.#handle, offset, length);
    const free = this.#single.findIndex((one) => one.deref() === undefined);
    if (free < 0) this.#single.push(new WeakRef(made));
    else this.#single[free] = new WeakRef(made);
    return Buffer.from(made);
  }

  /** Every Buffer made here has length 0 from now on. */
  detachAll(): void {
    for (const made of this.#made.values()) native.detach(made);
    this.#made.clear();
    for (const reference of this.#single) {
      const made = reference.deref();
      if (made !== undefined) native.detach(made);
    }
    this.#single.length = 0;
  }
}

/** Buffers on a mapping's memory, also where the mapping is larger than the longest Buffer (4 GiB on Node.js 20). */

import { constants } from 'node:buffer';
import { isMainThread } from 'node:worker_threads';
import { type MappedBuffer, native } from '../../binding.js';
import { sizeOf } from '../checks.js';

/** The most bytes that one Buffer of this Node.js can have. */
export const MOST_BUFFER_BYTES = constants.MAX_LENGTH;

/** As they were when this was loaded; Node.js has them from version 22 on. */
const TRANSFERS = ['transfer', 'transferToFixedLength'].flatMap((name) => {
  const method: unknown = Reflect.get(ArrayBuffer.prototype, name);
  return typeof method === 'function' ? [[name, method] as const] : [];
});

/**
 * An ArrayBuffer on mapped memory, which lets the addon know when the memory moves to one that is not known here
 * (ArrayBuffer.prototype.transfer). The range lies within the mapping; for `collected` see {@link native}.
 */
export function mappedBuffer(handle: number, offset: number, length: number, collected?: object): MappedBuffer {
  const mapped = native.arrayBuffer(handle, offset, length, collected, !isMainThread);
  for (const [name, method] of TRANSFERS) {
    const value = function (this: unknown, ...args: unknown[]): unknown {
      native.moves(mapped.view);
      return Reflect.apply(method, this, args);
    };
    Object.defineProperty(mapped.buffer, name, { value, configurable: true, writable: true });
  }
  return mapped;
}

/**
 * The ArrayBuffers made on one handle. A small mapping has one. A larger mapping has overlapping windows: each begins half a window
 * after the one before, so that a view of up to half a window lies within one of them.
 */
export class Windows {
  readonly #handle: number;
  readonly #size: number;
  readonly #most: number;
  readonly #made = new Map<number, MappedBuffer>();
  readonly #single: { buffer: WeakRef<ArrayBuffer>; view: object }[] = [];

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
    // A window whose memory was transferred elsewhere is empty.
    if (known !== undefined && sizeOf.call(known.buffer) > 0) return known.buffer;
    const window = mappedBuffer(this.#handle, start, Math.min(this.#most, this.#size - start));
    this.#made.set(index, window);
    return window.buffer;
  }

  /** A view that straddles windows gets an ArrayBuffer to itself. */
  #own(offset: number, length: number): Buffer {
    const { buffer, view } = mappedBuffer(this.#handle, offset, length);
    const kept = { buffer: new WeakRef(buffer), view };
    const free = this.#single.findIndex((one) => one.buffer.deref() === undefined);
    if (free < 0) this.#single.push(kept);
    else this.#single[free] = kept;
    return Buffer.from(buffer);
  }

  /** Every Buffer made here has length 0 from now on. */
  detachAll(): void {
    for (const { buffer, view } of this.#made.values()) native.detach(buffer, view);
    this.#made.clear();
    for (const { buffer: reference, view } of this.#single) {
      const buffer = reference.deref();
      if (buffer !== undefined) native.detach(buffer, view);
    }
    this.#single.length = 0;
  }
}

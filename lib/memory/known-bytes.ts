/** Remembers the array that a hot call was given last, to spare asking V8 where its bytes are: a third of a small write. */

import { native } from '../binding.js';
import { bufferOf } from './checks.js';

/** A larger array gains nothing from being remembered. */
const MOST_KNOWN = 2 ** 16;
/** Remembering an array keeps its memory from being collected: no more than this. */
const MOST_KEPT = 2 ** 20;
/** Looking at an array's memory costs as much as it can gain, so only one in so many is looked at. */
const PATIENCE = 8;

/** Never given to anybody, so that it is nobody's. */
const NONE = new Uint8Array(0);

/**
 * One array, whose place in memory the addon knows from the last call with it. The place is the same as long as the
 * array has its length: detaching makes it 0, and nothing else moves the bytes of an array whose memory is off the heap.
 */
export class KnownBytes {
  #bytes: Uint8Array = NONE;
  #length = 0;
  #last = -1;
  #patience = PATIENCE;

  /** Of the bytes that {@link is} found to be these. */
  get length(): number {
    return this.#length;
  }

  /**
   * Whether the addon still knows the place of these bytes. That the last of them is there cannot be feigned, as `length`
   * can, and costs less than asking for the length in a way that cannot be.
   */
  is(bytes: Uint8Array): boolean {
    return bytes === this.#bytes && bytes[this.#last] !== undefined;
  }

  /** The addon was given these bytes just now, and knows no others. */
  given(bytes: Uint8Array, length: number): void {
    this.#bytes = NONE;
    if (--this.#patience > 0) return;
    this.#patience = PATIENCE;
    if (length === 0 || length > MOST_KNOWN) return;
    const buffer: { byteLength: number; resizable?: boolean; growable?: boolean } = bufferOf.call(bytes);
    if (buffer.byteLength > MOST_KEPT || buffer.resizable === true || buffer.growable === true) return;
    this.#bytes = bytes;
    this.#length = length;
    this.#last = length - 1;
  }

  forget(): void {
    this.#bytes = NONE;
  }
}

/** One for all instances of this module in the thread, as the addon, too, remembers one source and one target. */
function common(name: string): KnownBytes {
  native.shared[name] ??= new KnownBytes();
  return native.shared[name] as KnownBytes;
}

export const knownSource = common('source');
export const knownTarget = common('target');

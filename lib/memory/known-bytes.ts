/** Remembers the array that a hot call was given last, to spare asking V8 where its bytes are: a third of a small write. */

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
  #length = -1;
  #patience = PATIENCE;

  /** Whether the addon still knows the place of these bytes. */
  is(bytes: Uint8Array): boolean {
    return bytes === this.#bytes && bytes.length === this.#length;
  }

  /** The addon was given these bytes just now, and knows no others. */
  given(bytes: Uint8Array): void {
    this.#bytes = NONE;
    if (--this.#patience > 0) return;
    this.#patience = PATIENCE;
    const { length } = bytes;
    if (length === 0 || length > MOST_KNOWN || bytes.buffer.byteLength > MOST_KEPT) return;
    this.#bytes = bytes;
    this.#length = length;
  }

  forget(): void {
    this.#bytes = NONE;
  }
}

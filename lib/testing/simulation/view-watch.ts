/** Finds stores through views, which make no call, by comparison with a copy. */

import { LINE, LINE_INTEGERS, lastLineOf, lineOf, type Media } from './lines.js';

/** Lines under a view, as they were at the last look. */
interface Watched {
  readonly first: number;
  readonly last: number;
  readonly known: Int32Array;
  readonly knownBytes: Uint8Array;
}

/** Called for a line that changed. Its old bytes are at `integers[at]` during the call. */
export type OnChange = (line: number, integers: Int32Array, at: number) => void;

/** The views handed out on one memory. */
export class ViewWatch {
  readonly #media: Media;
  readonly #watched: Watched[] = [];

  constructor(media: Media) {
    this.#media = media;
  }

  /** Watches the range of a new view. Costs a copy of it. */
  watch(offset: number, length: number): void {
    if (length === 0) return;
    const first = lineOf(offset);
    const last = lastLineOf(offset, length);
    if (this.#watched.some((one) => one.first <= first && one.last >= last)) return;
    const known = this.#media.integers.slice(first * LINE_INTEGERS, (last + 1) * LINE_INTEGERS);
    this.#watched.push({ first, last, known, knownBytes: new Uint8Array(known.buffer) });
  }

  /** Reports the lines from `first` to `last` that changed since the last look. */
  look(first: number, last: number, onChange: OnChange): void {
    for (const { first: start, last: end, known, knownBytes } of this.#watched) {
      const from = Math.max(first, start);
      const to = Math.min(last, end);
      if (from > to) continue;
      const now = this.#media.bytes.subarray(from * LINE, (to + 1) * LINE);
      if (now.equals(knownBytes.subarray((from - start) * LINE, (to + 1 - start) * LINE))) continue;
      for (let line = from; line <= to; line++) {
        const at = (line - start) * LINE_INTEGERS;
        if (this.#differs(line, known, at)) {
          onChange(line, known, at);
          this.update(line, line);
        }
      }
    }
  }

  /** Reports every line that changed. */
  lookAtAll(onChange: OnChange): void {
    this.look(0, Infinity, onChange);
  }

  /** The lines changed by a recorded call: takes their bytes over. */
  update(first: number, last: number): void {
    for (const { first: start, last: end, known } of this.#watched) {
      const from = Math.max(first, start);
      const to = Math.min(last, end);
      if (from > to) continue;
      const now = this.#media.integers.subarray(from * LINE_INTEGERS, (to + 1) * LINE_INTEGERS);
      known.set(now, (from - start) * LINE_INTEGERS);
    }
  }

  #differs(line: number, known: Int32Array, at: number): boolean {
    const { integers } = this.#media;
    for (let i = 0; i < LINE_INTEGERS; i++) {
      if (integers[line * LINE_INTEGERS + i] !== known[at + i]) return true;
    }
    return false;
  }
}

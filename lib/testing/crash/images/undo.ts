/** Restores memory at the cost of the lines that changed. */

import { LINE_INTEGERS, type Media } from '../../simulation/lines.js';

/** Which undo saved a line last. Numbers are never used again, so that images need no clearing in between. */
export class Stamps {
  readonly lines: Uint32Array;
  #last = 0;

  constructor(lines: number) {
    this.lines = new Uint32Array(lines);
  }

  next(): number {
    // After four billion images of one exploration the numbers begin again.
    if (this.#last === 0xffff_ffff) {
      this.lines.fill(0);
      this.#last = 0;
    }
    return ++this.#last;
  }
}

/**
 * The lines of a memory as they were before their first change. One memory can have several, which are reverted in the opposite order
 * of their making.
 */
export class Undo {
  readonly #media: Media;
  readonly #stamps: Stamps;
  readonly #stamp: number;
  readonly #lines: number[] = [];
  #saved = new Int32Array(8 * LINE_INTEGERS);

  constructor(media: Media, stamps: Stamps) {
    this.#media = media;
    this.#stamps = stamps;
    this.#stamp = stamps.next();
  }

  /** Call it before the line changes. */
  save(line: number): void {
    if (this.#stamps.lines[line] !== this.#stamp) this.saveAs(line, this.#media.integers, line * LINE_INTEGERS);
  }

  /** Saves a line that has changed already; its old bytes are at `integers[at]`. */
  saveAs(line: number, integers: Int32Array, at: number): void {
    if (this.#stamps.lines[line] === this.#stamp) return;
    this.#stamps.lines[line] = this.#stamp;
    const place = this.#lines.length * LINE_INTEGERS;
    if (place === this.#saved.length) {
      const larger = new Int32Array(2 * place);
      larger.set(this.#saved);
      this.#saved = larger;
    }
    for (let i = 0; i < LINE_INTEGERS; i++) this.#saved[place + i] = integers[at + i] as number;
    this.#lines.push(line);
  }

  /** Puts every line back. */
  revert(): void {
    const { integers } = this.#media;
    // Another undo may have stamped a line in between, so that it was saved twice. The older copy counts, and is restored last.
    for (let n = this.#lines.length - 1; n >= 0; n--) {
      const at = (this.#lines[n] as number) * LINE_INTEGERS;
      for (let i = 0; i < LINE_INTEGERS; i++) integers[at + i] = this.#saved[n * LINE_INTEGERS + i] as number;
    }
    this.#lines.length = 0;
  }
}

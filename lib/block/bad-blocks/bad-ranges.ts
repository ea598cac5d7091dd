/** The ranges of a list of bad sectors, for callers that have checked their arguments. */

import { type SectorRange, SectorRanges } from '../sector-ranges.js';

/** Bad sectors, in units of 512 bytes: passing ones, which a write makes good, and lasting ones. */
export class BadRanges implements Iterable<SectorRange> {
  readonly #passing = new SectorRanges();
  readonly #lasting = new SectorRanges();
  #isEmpty = true;

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  add(start: number, count: number, lasting: boolean): void {
    (lasting ? this.#lasting : this.#passing).add(start, count);
    this.#noteEmptiness();
  }

  clear(start: number, count: number): void {
    this.#passing.remove(start, count);
    this.#lasting.remove(start, count);
    this.#noteEmptiness();
  }

  written(start: number, count: number): void {
    this.#passing.remove(start, count);
    this.#noteEmptiness();
  }

  first(start: number, count: number): SectorRange | undefined {
    const passing = this.#passing.first(start, count);
    const lasting = this.#lasting.first(start, count);
    if (passing === undefined || lasting === undefined) return passing ?? lasting;
    return passing.start < lasting.start ? passing : lasting;
  }

  /** All bad sectors within the range, in order. */
  within(start: number, count: number): SectorRange[] {
    const found = new SectorRanges();
    for (const ranges of [this.#passing, this.#lasting]) {
      for (const one of ranges.within(start, count)) found.add(one.start, one.count);
    }
    return [...found];
  }

  /** The lasting ones within the range, in order. */
  lastingWithin(start: number, count: number): SectorRange[] {
    return [...this.#lasting.within(start, count)];
  }

  firstLasting(start: number, count: number): SectorRange | undefined {
    return this.#lasting.first(start, count);
  }

  *[Symbol.iterator](): Generator<SectorRange> {
    const all = new SectorRanges();
    for (const { start, count } of this.#passing) all.add(start, count);
    for (const { start, count } of this.#lasting) all.add(start, count);
    yield* all;
  }

  #noteEmptiness(): void {
    this.#isEmpty = this.#passing.length === 0 && this.#lasting.length === 0;
  }
}

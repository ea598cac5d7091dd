/** What a list of bad sectors keeps, for those whose arguments were checked. */

import { type SectorRange, SectorRanges } from '../sector-ranges.js';

/** Bad sectors, in units of 512 bytes: those that writing helps, and those that it does not. */
export class BadRanges implements Iterable<SectorRange> {
  /** Cleared by writing. */
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

  /** All that is bad within the range, in order. */
  within(start: number, count: number): SectorRange[] {
    const found = new SectorRanges();
    for (const ranges of [this.#passing, this.#lasting]) {
      for (const one of ranges.within(start, count)) found.add(one.start, one.count);
    }
    return [...found];
  }

  /** What no writing helps within the range, in order. */
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

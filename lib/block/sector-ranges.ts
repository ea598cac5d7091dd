/** A set of sectors, kept as ranges. */

/** Neighbouring sectors. */
export interface SectorRange {
  readonly start: number;
  readonly count: number;
}

interface Range {
  start: number;
  /** The sector behind the last one. */
  end: number;
}

/** Ranges in order that neither overlap nor touch; finding one takes the logarithm of their number. */
export class SectorRanges implements Iterable<SectorRange> {
  readonly #ranges: Range[] = [];

  /** Of ranges. */
  get length(): number {
    return this.#ranges.length;
  }

  /** The first range that ends behind the sector. */
  #indexBehind(sector: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as Range).end > sector) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The first of the set's sectors within the range, and those that follow it there without a gap. */
  first(start: number, count: number): SectorRange | undefined {
    const found = this.#ranges[this.#indexBehind(start)];
    const end = start + count;
    if (found === undefined) return undefined;
    const begin = Math.max(found.start, start);
    if (begin >= end) return undefined;
    return { start: begin, count: Math.min(found.end, end) - begin };
  }

  /** All of the set's sectors within the range, in order. */
  *within(start: number, count: number): Generator<SectorRange> {
    const end = start + count;
    for (let at = start; ; ) {
      const found = this.first(at, end - at);
      if (found === undefined) return;
      yield found;
      at = found.start + found.count;
    }
  }

  add(start: number, count: number): void {
    if (count === 0) return;
    const merged: Range = { start, end: start + count };
    // One that ends where this one starts is joined too.
    const from = this.#indexBehind(start - 1);
    let to = from;
    for (;;) {
      const one = this.#ranges[to];
      if (one === undefined || one.start > merged.end) break;
      merged.start = Math.min(merged.start, one.start);
      merged.end = Math.max(merged.end, one.end);
      to++;
    }
    this.#ranges.splice(from, to - from, merged);
  }

  remove(start: number, count: number): void {
    const end = start + count;
    const from = this.#indexBehind(start);
    const left: Range[] = [];
    let to = from;
    for (;;) {
      const one = this.#ranges[to];
      if (one === undefined || one.start >= end) break;
      if (one.start < start) left.push({ start: one.start, end: start });
      if (one.end > end) left.push({ start: end, end: one.end });
      to++;
    }
    this.#ranges.splice(from, to - from, ...left);
  }

  *[Symbol.iterator](): Generator<SectorRange> {
    for (const { start, end } of this.#ranges) yield { start, count: end - start };
  }
}

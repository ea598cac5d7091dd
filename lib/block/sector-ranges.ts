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

/** Ranges that are kept together: so many move when one comes or goes. */
const MOST = 512;

/** The first element, of those in order, for which it holds; their number where it holds for none. */
function firstOf<T>(list: readonly T[], holds: (one: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(list[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Ranges in order that neither overlap nor touch; finding one takes the logarithm of their number. A device can have hundreds of
 * thousands, each of which goes when it is written: they lie in pieces, none of which is empty, so that not all move each time.
 */
export class SectorRanges implements Iterable<SectorRange> {
  readonly #pieces: Range[][] = [];
  #length = 0;

  /** Of ranges. */
  get length(): number {
    return this.#length;
  }

  /** The first range that ends behind the sector: its piece, and its place there. */
  #behind(sector: number): { piece: number; place: number } {
    const isBehind = ({ end }: Range) => end > sector;
    const piece = firstOf(this.#pieces, (ranges) => isBehind(ranges.at(-1) as Range));
    return { piece, place: firstOf(this.#pieces[piece] ?? [], isBehind) };
  }

  /** Takes out the ranges that end behind the sector and begin before `limit`: the first and the last of them. */
  #take(sector: number, limit: number): { first?: Range; last?: Range } {
    const { piece: from, place } = this.#behind(sector);
    let first: Range | undefined;
    let last: Range | undefined;
    const emptied = { from, count: 0 };
    for (let piece = from, begin = place; ; piece++, begin = 0) {
      const ranges = this.#pieces[piece];
      if (ranges === undefined) break;
      const end = firstOf(ranges, ({ start }) => start >= limit);
      const isLast = end < ranges.length;
      if (end > begin) {
        first ??= ranges[begin] as Range;
        last = ranges[end - 1] as Range;
        this.#length -= end - begin;
        ranges.splice(begin, end - begin);
      }
      if (ranges.length === 0) emptied.count++;
      else if (piece === from) emptied.from++;
      if (isLast) break;
    }
    this.#pieces.splice(emptied.from, emptied.count);
    return first === undefined || last === undefined ? {} : { first, last };
  }

  /** Puts in a range that touches no other. */
  #put(range: Range): void {
    const { piece, place } = this.#behind(range.start);
    const [at, ranges] =
      piece < this.#pieces.length || piece === 0 ? [piece, this.#pieces[piece]] : [piece - 1, this.#pieces[piece - 1]];
    this.#length++;
    if (ranges === undefined) {
      this.#pieces.push([range]);
      return;
    }
    ranges.splice(at === piece ? place : ranges.length, 0, range);
    // In half, but for a list that grows at its end.
    const isGrowing = at === this.#pieces.length - 1 && ranges.at(-1) === range;
    if (ranges.length > MOST) this.#pieces.splice(at + 1, 0, ranges.splice(isGrowing ? MOST : MOST >> 1));
  }

  /** The first of the set's sectors within the range, and those that follow it there without a gap. */
  first(start: number, count: number): SectorRange | undefined {
    const { piece, place } = this.#behind(start);
    const found = this.#pieces[piece]?.[place];
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
    const end = start + count;
    // Those that end where this one starts, or start where it ends, are joined too.
    const { first, last } = this.#take(start - 1, end + 1);
    this.#put({ start: Math.min(start, first?.start ?? start), end: Math.max(end, last?.end ?? end) });
  }

  remove(start: number, count: number): void {
    const end = start + count;
    const { first, last } = this.#take(start, end);
    if (first !== undefined && first.start < start) this.#put({ start: first.start, end: start });
    if (last !== undefined && last.end > end) this.#put({ start: end, end: last.end });
  }

  *[Symbol.iterator](): Generator<SectorRange> {
    for (const ranges of this.#pieces) for (const { start, end } of ranges) yield { start, count: end - start };
  }
}

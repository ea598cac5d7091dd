/** A set of sectors, kept as ranges. */

/** Neighbouring sectors. */
export interface SectorRange {
  readonly start: number;
  readonly count: number;
}

interface Range {
  start: number;
  /** The sector after the last one. */
  end: number;
}

/** Ranges in a chunk: so many move when a range comes or goes. */
const MOST_IN_CHUNK = 512;

/** Index of the first element for which the test holds; it holds for all after it. The length where it holds for none. */
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
 * Ranges in order that neither overlap nor touch. Finding one takes the logarithm of their number. A device can have hundreds of
 * thousands, and writing a range removes it: so they are kept in chunks, none of which is empty, and only one chunk moves each time.
 */
export class SectorRanges implements Iterable<SectorRange> {
  readonly #chunks: Range[][] = [];
  #length = 0;

  /** The number of ranges. */
  get length(): number {
    return this.#length;
  }

  /** The first range that ends after the sector: its chunk, and its place there. */
  #endingAfter(sector: number): { chunk: number; place: number } {
    const endsAfter = ({ end }: Range) => end > sector;
    const chunk = firstOf(this.#chunks, (ranges) => endsAfter(ranges.at(-1) as Range));
    return { chunk, place: firstOf(this.#chunks[chunk] ?? [], endsAfter) };
  }

  /** Takes out the ranges that end after the sector and begin before `limit`. Returns the first and the last of them. */
  #take(sector: number, limit: number): { first?: Range; last?: Range } {
    const { chunk: from, place } = this.#endingAfter(sector);
    let first: Range | undefined;
    let last: Range | undefined;
    const emptied = { from, count: 0 };
    for (let chunk = from, begin = place; ; chunk++, begin = 0) {
      const ranges = this.#chunks[chunk];
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
      else if (chunk === from) emptied.from++;
      if (isLast) break;
    }
    this.#chunks.splice(emptied.from, emptied.count);
    return first === undefined || last === undefined ? {} : { first, last };
  }

  /** Puts in a range that touches no other. */
  #put(range: Range): void {
    const { chunk, place } = this.#endingAfter(range.start);
    const [at, ranges] =
      chunk < this.#chunks.length || chunk === 0 ? [chunk, this.#chunks[chunk]] : [chunk - 1, this.#chunks[chunk - 1]];
    this.#length++;
    if (ranges === undefined) {
      this.#chunks.push([range]);
      return;
    }
    ranges.splice(at === chunk ? place : ranges.length, 0, range);
    // A chunk that is full splits in half; a list that grows at its end gets a new chunk.
    const isGrowing = at === this.#chunks.length - 1 && ranges.at(-1) === range;
    if (ranges.length > MOST_IN_CHUNK) {
      this.#chunks.splice(at + 1, 0, ranges.splice(isGrowing ? MOST_IN_CHUNK : MOST_IN_CHUNK >> 1));
    }
  }

  /** The first of the set's sectors within the range, with those that follow it there without a gap. */
  first(start: number, count: number): SectorRange | undefined {
    const { chunk, place } = this.#endingAfter(start);
    const found = this.#chunks[chunk]?.[place];
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
    // Ranges that end where this one starts, or start where it ends, are joined with it.
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
    for (const ranges of this.#chunks) for (const { start, end } of ranges) yield { start, count: end - start };
  }
}

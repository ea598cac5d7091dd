/**
 * Which bytes of an arena are free. Knows numbers only, and no memory.
 *
 * Free ranges lie in bins by length: up to 8 granules one bin for each length, above that eight bins for each power of two. An allocation
 * takes a range from the lowest bin that has one that is long enough, and gives the rest back. A range that is given back merges with free
 * neighbours, so that two free ranges are never adjacent.
 */

/** Allocations begin and end at multiples of this many bytes: a cache line, so that no two share one. */
export const GRANULE = 64;

/** Ranges of a bin that are looked at before the next bin is. */
const PATIENCE = 16;

function exponent(granules: number): number {
  const high = Math.floor(granules / 2 ** 32);
  return high > 0 ? 63 - Math.clz32(high) : 31 - Math.clz32(granules);
}

function binOf(length: number): number {
  const granules = length / GRANULE;
  if (granules < 8) return granules;
  const power = exponent(granules);
  return (power - 3) * 8 + Math.floor(granules / 2 ** (power - 3));
}

/** The nearest multiple of `unit`, a power of two, that is not below. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/**
 * The free and the allocated ranges. Three lists hold the free ones. A script that ends in the middle of a change (the timeout of a vm)
 * leaves them at odds, and a range could be given out twice. So a change is noted before its first step and struck out after its last;
 * a call that finds one noted makes the lists anew, of all that is not allocated.
 */
export class FreeSpace {
  /** Whole granules, in bytes. */
  readonly #size: number;
  #isChanging = false;
  /** Length of each free range, by where it begins. */
  #free = new Map<number, number>();
  /** Where each free range begins, by where it ends. */
  #byEnd = new Map<number, number>();
  readonly #used = new Map<number, number>();
  #bins: Set<number>[] = [];
  #freeBytes = 0;

  /** `size` is in bytes; the rest past a multiple of {@link GRANULE} is never given out. */
  constructor(size: number) {
    this.#size = size - (size % GRANULE);
    if (this.#size > 0) this.#add(0, this.#size);
  }

  /** Bytes that are free, in however many ranges. */
  get freeBytes(): number {
    this.#settle();
    return this.#freeBytes;
  }

  /** Allocations that were not given back. */
  get allocations(): number {
    return this.#used.size;
  }

  /** Length of the longest free range, in bytes. */
  get largest(): number {
    this.#settle();
    for (let bin = this.#bins.length - 1; bin >= 0; bin--) {
      const starts = this.#bins[bin];
      if (starts === undefined || starts.size === 0) continue;
      let most = 0;
      for (const start of starts) most = Math.max(most, this.#free.get(start) ?? 0);
      return most;
    }
    return 0;
  }

  /**
   * Allocates a range that begins at a multiple of `align`, a power of two; undefined only if there is none.
   *
   * @param bytes is rounded up to whole granules; {@link lengthOf} tells the result
   */
  take(bytes: number, align = GRANULE): number | undefined {
    this.#settle();
    const length = roundUp(bytes, GRANULE);
    const start = this.#find(length, align, PATIENCE) ?? this.#find(length, align, Number.POSITIVE_INFINITY);
    if (start === undefined) return undefined;
    this.#isChanging = true;
    const end = start + (this.#free.get(start) as number);
    const begin = roundUp(start, align);
    this.#remove(start);
    if (begin > start) this.#add(start, begin - start);
    if (begin + length < end) this.#add(begin + length, end - begin - length);
    this.#used.set(begin, length);
    this.#isChanging = false;
    return begin;
  }

  /** Bytes of the allocation that begins there; undefined if none does. */
  lengthOf(offset: number): number | undefined {
    return this.#used.get(offset);
  }

  /** Gives an allocation back; returns its length, or undefined if none begins there. */
  give(offset: number): number | undefined {
    this.#settle();
    const length = this.#used.get(offset);
    if (length === undefined) return undefined;
    this.#isChanging = true;
    this.#used.delete(offset);
    let [begin, end] = [offset, offset + length];
    const before = this.#byEnd.get(begin);
    if (before !== undefined) {
      this.#remove(before);
      begin = before;
    }
    const after = this.#free.get(end);
    if (after !== undefined) {
      this.#remove(end);
      end += after;
    }
    this.#add(begin, end - begin);
    this.#isChanging = false;
    return length;
  }

  /** Makes the lists anew after a change that was not completed. A range is allocated as long as it is noted so. */
  #settle(): void {
    if (!this.#isChanging) return;
    this.#free = new Map();
    this.#byEnd = new Map();
    this.#bins = [];
    this.#freeBytes = 0;
    let end = 0;
    for (const [begin, length] of [...this.#used].sort(([a], [b]) => a - b)) {
      if (begin > end) this.#add(end, begin - end);
      end = begin + length;
    }
    if (end < this.#size) this.#add(end, this.#size - end);
    this.#isChanging = false;
  }

  #find(length: number, align: number, patience: number): number | undefined {
    for (let bin = binOf(length); bin < this.#bins.length; bin++) {
      const starts = this.#bins[bin];
      if (starts === undefined || starts.size === 0) continue;
      let looked = 0;
      for (const start of starts) {
        if (roundUp(start, align) + length <= start + (this.#free.get(start) as number)) return start;
        if (++looked >= patience) break;
      }
    }
    return undefined;
  }

  #add(start: number, length: number): void {
    this.#free.set(start, length);
    this.#byEnd.set(start + length, start);
    const bin = binOf(length);
    while (this.#bins.length <= bin) this.#bins.push(new Set());
    this.#bins[bin]?.add(start);
    this.#freeBytes += length;
  }

  #remove(start: number): void {
    const length = this.#free.get(start) as number;
    this.#free.delete(start);
    this.#byEnd.delete(start + length);
    this.#bins[binOf(length)]?.delete(start);
    this.#freeBytes -= length;
  }
}

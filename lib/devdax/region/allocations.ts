/** Which bytes of a region are free, and which of them an instance gets: chosen as drivers/dax/bus.c of Linux does. */

import type { ByteRange } from '../../memory/memory.js';
import { sizeOf } from '../dax-source.js';

interface Span {
  begin: number;
  end: number;
}

function spanOf({ offset, length }: ByteRange): Span {
  return { begin: offset, end: offset + length };
}

function extentOf({ begin, end }: Span): ByteRange {
  return { offset: begin, length: end - begin };
}

/** The first index whose span ends after the offset. */
function search(spans: readonly Span[], offset: number): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle] as Span).end <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The free bytes of a region. Planning changes nothing; only {@link replace} does. It knows no alignment: asked for multiples, it gives
 * multiples.
 */
export class FreeExtents {
  /** In the order of their offsets; two never touch. */
  readonly #free: Span[];

  constructor(offset: number, length: number) {
    this.#free = length === 0 ? [] : [{ begin: offset, end: offset + length }];
  }

  /** In the order of their offsets. */
  list(): ByteRange[] {
    return this.#free.map(extentOf);
  }

  /** Bytes. */
  get available(): number {
    return this.#free.reduce((sum, { begin, end }) => sum + end - begin, 0);
  }

  /** Bytes of the largest one. */
  get largest(): number {
    return this.#free.reduce((most, { begin, end }) => Math.max(most, end - begin), 0);
  }

  /**
   * What `held` becomes with so many bytes more: the lowest free bytes (first fit), extent by extent until there are enough. Bytes right
   * after the last extent of `held` extend it. Undefined where too few are free.
   */
  grown(held: readonly ByteRange[], by: number): ByteRange[] | undefined {
    const result = [...held];
    let missing = by;
    for (const { begin, end } of this.#free) {
      if (missing === 0) break;
      const length = Math.min(end - begin, missing);
      const last = result.at(-1);
      if (last !== undefined && last.offset + last.length === begin) {
        result[result.length - 1] = { offset: last.offset, length: last.length + length };
      } else {
        result.push({ offset: begin, length });
      }
      missing -= length;
    }
    return missing === 0 ? result : undefined;
  }

  /** The first free extent that is long enough, cut to this length; or undefined. */
  contiguous(length: number): ByteRange[] | undefined {
    const fitting = this.#free.find(({ begin, end }) => end - begin >= length);
    return fitting === undefined ? undefined : [{ offset: fitting.begin, length }];
  }

  /** Whether all these bytes are free, and no byte is named twice. */
  has(extents: readonly ByteRange[]): boolean {
    const spans = extents.map(spanOf).sort((a, b) => a.begin - b.begin);
    return spans.every(({ begin, end }, i) => {
      const next = spans[i + 1];
      const free = this.#free[search(this.#free, begin)];
      return (next === undefined || end <= next.begin) && free !== undefined && free.begin <= begin && end <= free.end;
    });
  }

  /** Gives `before` back and takes `after`, which must be free then. */
  replace(before: readonly ByteRange[], after: readonly ByteRange[]): void {
    for (const extent of before) this.#give(spanOf(extent));
    for (const extent of after) this.#take(spanOf(extent));
  }

  #give({ begin, end }: Span): void {
    const at = search(this.#free, begin);
    const [low, high] = [this.#free[at - 1], this.#free[at]];
    if (high !== undefined && high.begin < end) throw new Error(`${begin} to ${end} were free already`);
    const joined = { begin: low?.end === begin ? low.begin : begin, end: high?.begin === end ? high.end : end };
    const first = low?.end === begin ? at - 1 : at;
    this.#free.splice(first, (low?.end === begin ? 1 : 0) + (high?.begin === end ? 1 : 0), joined);
  }

  #take({ begin, end }: Span): void {
    const at = search(this.#free, begin);
    const there = this.#free[at];
    if (there === undefined || there.begin > begin || there.end < end)
      throw new Error(`${begin} to ${end} are not free`);
    if (end < there.end) this.#free.splice(at + 1, 0, { begin: end, end: there.end });
    if (there.begin < begin) this.#free[at] = { begin: there.begin, end: begin };
    else this.#free.splice(at, 1);
  }
}

/** What `held` becomes with at most so many bytes: the last ones go. */
export function shrunk(held: readonly ByteRange[], size: number): ByteRange[] {
  const result: ByteRange[] = [];
  let room = size;
  for (const { offset, length } of held) {
    if (room === 0) break;
    const kept = Math.min(length, room);
    result.push({ offset, length: kept });
    room -= kept;
  }
  return result;
}

/** The layout of one instance, from which it can be made again. */
export interface Allocation {
  /** The number after the point in its name. */
  readonly number: number;
  readonly extents: readonly ByteRange[];
}

/**
 * Which instances a region has, and where: all that a record on the media would hold. Sizes are in bytes and multiples of the region's
 * alignment; the caller has checked them.
 */
export class Layout {
  readonly #offset: number;
  readonly #length: number;
  readonly #instances = new Map<number, readonly ByteRange[]>();

  constructor(offset: number, length: number, allocations: readonly Allocation[] = []) {
    this.#offset = offset;
    this.#length = length;
    for (const { number, extents } of allocations) this.commit(number, extents);
  }

  /** Computed each time, so that it cannot contradict the instances, wherever a change is interrupted. */
  get free(): FreeExtents {
    const free = new FreeExtents(this.#offset, this.#length);
    for (const extents of this.#instances.values()) free.replace([], extents);
    return free;
  }

  /** In the order of their numbers. */
  describe(): Allocation[] {
    return [...this.#instances].map(([number, extents]) => ({ number, extents })).sort((a, b) => a.number - b.number);
  }

  /** The lowest number that no instance has. */
  unused(): number {
    let number = 0;
    while (this.#instances.has(number)) number++;
    return number;
  }

  /** The extents that an instance would have with this size; undefined where too few bytes are free. */
  plan(number: number, size: number): readonly ByteRange[] | undefined {
    const held = this.#instances.get(number) ?? [];
    const present = sizeOf(held);
    return size <= present ? shrunk(held, size) : this.free.grown(held, size - present);
  }

  /** Gives the instance these extents; an unknown number is a new instance. */
  commit(number: number, extents: readonly ByteRange[]): void {
    this.free.replace(this.#instances.get(number) ?? [], extents);
    this.#instances.set(number, extents);
  }

  remove(number: number): void {
    this.#instances.delete(number);
  }
}

/** The sectors that cannot be read. */

import { type InspectOptions, inspect } from 'node:util';
import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { booleanOption, ownOptions, readOptions } from '../../options.js';
import type { SectorRange } from '../sector-ranges.js';
import { BadRanges } from './bad-ranges.js';

/** Bytes in a sector of a list, whatever the size of the device's own sectors, as in Linux (block/badblocks.c). */
export const BAD_BLOCK_UNIT = 512;

/** Options of {@link BadBlocks.add}. */
export interface BadBlockOptions {
  /**
   * A write does not make the sectors good: the media's error has to be cleared in another way. The disk refuses to write them,
   * as Linux's pmem driver does where the error could not be cleared (pmem_do_write, drivers/nvdimm/pmem.c). Default false.
   */
  readonly lasting?: boolean;
}

const KNOWN = ['lasting'] as const satisfies (keyof BadBlockOptions)[];

function checkSector(value: unknown, name: string): void {
  if (typeof value !== 'number') throw wrongType(name, 'a number of sectors of 512 bytes', value);
  if (!Number.isSafeInteger(value) || value < 0) throw outOfRange(name, 'a whole number of sectors', value);
}

function checkRange(start: number, count: number): void {
  checkSector(start, 'start');
  checkSector(count, 'count');
  if (!Number.isSafeInteger(start + count)) throw outOfRange('start + count', 'at most 2^53 - 1', start + count);
}

function isLasting(options: BadBlockOptions): boolean {
  return booleanOption(ownOptions(options, KNOWN).lasting, 'lasting') ?? false;
}

/** The ranges of a list without its checks, for a device that has made its own. */
let rangesOf: (list: BadBlocks) => BadRanges;

/**
 * The bad sectors of a device, counted from the device's beginning in units of 512 bytes. The list is not stored: when the device
 * is opened again, a bad sector is known from the kernel, or by reading it.
 *
 * Every method throws a TypeError for arguments of the wrong type, and a RangeError for numbers that no sectors have.
 */
export class BadBlocks implements Iterable<SectorRange> {
  readonly #ranges = new BadRanges();

  static {
    rangesOf = (list) => list.#ranges;
  }

  /** @param ranges in sectors of 512 bytes; a write makes them good */
  constructor(ranges: Iterable<SectorRange> = []) {
    if (typeof ranges !== 'object' || ranges === null || typeof ranges[Symbol.iterator] !== 'function') {
      throw wrongType('ranges', 'an array of { start, count }', ranges);
    }
    const checked: SectorRange[] = [];
    for (const range of ranges) {
      if (typeof range !== 'object' || range === null) throw wrongType('range', '{ start, count }', range);
      const { start, count } = readOptions(range, ['start', 'count'], 'range');
      checkRange(start, count);
      checked.push({ start, count });
    }
    // In this order each range goes to the end of the list; in the opposite order each would move all others.
    checked.sort((a, b) => a.start - b.start);
    for (const { start, count } of checked) this.#ranges.add(start, count, false);
  }

  /** Reads the kernel's form: a line `start count` for each range, in sectors of 512 bytes. */
  static parse(text: string, options: BadBlockOptions = {}): BadBlocks {
    if (typeof text !== 'string') throw wrongType('text', 'a string', text);
    isLasting(options);
    const list = new BadBlocks();
    for (const line of text.split('\n').map((one) => one.trim())) {
      if (line === '') continue;
      const match = /^(\d+) (\d+)$/.exec(line);
      if (match === null) throw wrongValue('text', "lines of 'start count'", line);
      list.add(Number(match[1]), Number(match[2]), options);
    }
    return list;
  }

  /** Whether no sector is bad. */
  get isEmpty(): boolean {
    return this.#ranges.isEmpty;
  }

  /** Notes sectors that cannot be read. */
  add(start: number, count: number, options: BadBlockOptions = {}): void {
    checkRange(start, count);
    this.#ranges.add(start, count, isLasting(options));
  }

  /** The sectors can be read again, the lasting ones too. */
  clear(start: number, count: number): void {
    checkRange(start, count);
    this.#ranges.clear(start, count);
  }

  /** The sectors were written: those can be read again that are not lasting. */
  written(start: number, count: number): void {
    checkRange(start, count);
    this.#ranges.written(start, count);
  }

  /** The first bad sectors within the range, or undefined. */
  first(start: number, count: number): SectorRange | undefined {
    checkRange(start, count);
    return this.#ranges.first(start, count);
  }

  /** The first lasting sectors within the range, or undefined. */
  firstLasting(start: number, count: number): SectorRange | undefined {
    checkRange(start, count);
    return this.#ranges.firstLasting(start, count);
  }

  [Symbol.iterator](): Generator<SectorRange> {
    return this.#ranges[Symbol.iterator]();
  }

  /** The ranges, as an array prints them. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `BadBlocks ${inspect([...this], options)}`;
  }

  /** The kernel's form, as {@link BadBlocks.parse} reads it. */
  toString(): string {
    return [...this].map(({ start, count }) => `${start} ${count}\n`).join('');
  }
}

/** The ranges of the list, without its checks. */
export function uncheckedRanges(list: BadBlocks): BadRanges {
  return rangesOf(list);
}

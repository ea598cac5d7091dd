/** Cache lines, and the memory that crash images are made in. */

/** Bytes in a cache line, the unit of write-back. */
export const LINE = 64;
/** Bytes in a word, the largest atomic store. */
export const WORD = 8;
/** 32-bit integers in a line. JavaScript has no wider integers without BigInt. */
export const LINE_INTEGERS = LINE / 4;

/** The line that a byte lies in. */
export function lineOf(offset: number): number {
  return Math.floor(offset / LINE);
}

/** The last line that a range of at least one byte touches. */
export function lastLineOf(offset: number, length: number): number {
  return Math.floor((offset + length - 1) / LINE);
}

/** The words of a line that its bytes from `start` up to `end` touch: bit 0 is the first. */
export function wordMask(start: number, end: number): number {
  const first = Math.floor(start / WORD);
  const last = Math.floor((end - 1) / WORD);
  return ((1 << (last + 1)) - 1) & ~((1 << first) - 1);
}

/** How many bits are set. */
export function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** The bytes of a memory, and the same as integers. */
export interface Media {
  readonly bytes: Buffer;
  readonly integers: Int32Array;
}

/** Size and alignment of a memory. */
export interface Placement {
  /** Bytes, a multiple of {@link LINE}. */
  readonly size: number;
  /** Position of byte 0 in its line: 0 to 63. */
  readonly lineOffset: number;
}

/** New media for a memory: whole lines, all zero. */
export function newMedia({ size, lineOffset }: Placement): Media {
  const memory = new ArrayBuffer(size + (lineOffset === 0 ? 0 : LINE));
  return { bytes: Buffer.from(memory), integers: new Int32Array(memory) };
}

/** Ranges of what is made of several pieces of a file. */

import type { ByteRange } from './memory.js';

/** The pieces that hold a range of the whole, in the order of the whole. The range must lie within it. */
export function piecesOf(extents: readonly ByteRange[], offset: number, length: number): ByteRange[] {
  const pieces: ByteRange[] = [];
  let start = 0;
  for (const extent of extents) {
    const from = Math.max(offset, start);
    const to = Math.min(offset + length, start + extent.length);
    if (from < to) pieces.push({ offset: extent.offset + from - start, length: to - from });
    start += extent.length;
  }
  return pieces;
}

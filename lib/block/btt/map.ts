/**
 * The map: an entry of 4 bytes for each sector (UEFI 2.11, 6.3.4; Linux btt.rst, whose table has the two columns swapped).
 *
 *      31   30   29 … 0
 *     ┌────┬────┬─────────┐    zero  error
 *     │ Z  │ E  │ block   │      0     0    never written: the block has the sector's own number
 *     └────┴────┴─────────┘      0     1    the sector cannot be read
 *                                1     0    the sector reads as zeroes; the block is its own all the same
 *                                1     1    normal
 *
 * Memory stores 8 bytes without tearing, so an entry is stored together with its neighbour.
 */

import type { Memory } from '../../memory/memory.js';

export const ZERO = 0x8000_0000;
export const ERROR = 0x4000_0000;
export const NORMAL = 0xc000_0000;
const FLAGS = 0xc000_0000;
const BLOCK = 0x3fff_ffff;

/** The block that an entry names; `sector` is the entry's own number in the arena. */
export function blockOf(entry: number, sector: number): number {
  return (entry & FLAGS) === 0 ? sector : entry & BLOCK;
}

/** The number in an entry of the map or the flog without its flags. */
export function withoutFlags(entry: number): number {
  return entry & BLOCK;
}

export function isZero(entry: number): boolean {
  return (entry & FLAGS) >>> 0 === ZERO;
}

export function isError(entry: number): boolean {
  return (entry & FLAGS) >>> 0 === ERROR;
}

/** One word of memory, as `load64` and `store64` take it, and its two halves: scratch space for one operation at a time. */
export const word = new BigUint64Array(1);
export const half = new Uint32Array(word.buffer);

/** Where in the memory the word with a sector's entry is; `map` is where the map is. */
export function wordOffset(map: number, sector: number): number {
  return map + (sector - (sector % 2)) * 4;
}

/** The entry of a sector. */
export function loadEntry(memory: Memory, map: number, sector: number): number {
  word[0] = memory.load64(wordOffset(map, sector));
  return half[sector % 2] as number;
}

/** Stores the entry of a sector and starts its write-back; its neighbour keeps its value. */
export function storeEntry(memory: Memory, map: number, sector: number, entry: number): void {
  const at = wordOffset(map, sector);
  word[0] = memory.load64(at);
  half[sector % 2] = entry;
  const changed = word[0];
  memory.store64(at, changed);
  memory.flush(at, 8);
}

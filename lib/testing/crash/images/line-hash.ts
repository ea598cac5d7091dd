/**
 * A hash of the whole memory. To change a line in it costs no more than to hash that line: it is the exclusive or of one hash for each
 * line, which depends on the line's number too (Zobrist, "A New Hashing Method with Application for Game Playing", 1970).
 *
 * It has 96 bits, of which a {@link SeenImages} compares 85. The chance that any two of a million images collide is below 10^-13.
 */

import { LINE_INTEGERS } from '../../simulation/lines.js';

/** Three lanes of 32 bits. */
export type Hash = Int32Array;

export function newHash(): Hash {
  return new Int32Array(3);
}

function finish(lane: number): number {
  let mixed = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Adds a line, the 64 bytes at `integers[at]`, to the hash, or removes it: both are the same operation. */
export function toggleLine(hash: Hash, line: number, integers: Int32Array, at: number): void {
  let a = finish(line + 0x9e3779b9);
  let b = finish(line ^ 0x7f4a7c15);
  let c = finish(line - 0x61c88647);
  for (let i = 0; i < LINE_INTEGERS; i++) {
    const integer = integers[at + i] as number;
    a = Math.imul(a ^ integer, 0x01000193) ^ (a >>> 15);
    b = Math.imul((b + integer) | 0, 0x2c1b3c6d) ^ (b >>> 13);
    c = (Math.imul(c, 0x297a2d39) + Math.imul(integer ^ (integer >>> 17), 0x1b873593)) ^ (c >>> 14);
  }
  hash[0] = (hash[0] as number) ^ finish(a);
  hash[1] = (hash[1] as number) ^ finish(b);
  hash[2] = (hash[2] as number) ^ finish(c);
}

/** `target ^= other`. */
export function toggleHash(target: Hash, other: Hash): void {
  for (let i = 0; i < 3; i++) target[i] = (target[i] as number) ^ (other[i] as number);
}

/** A set of images, by their hashes. */
export class SeenImages {
  /** From 53 bits of the hash, as many as a number holds, to its last lane. */
  readonly #seen = new Map<number, number>();

  /** Adds an image; false if it was there. */
  add(hash: Hash): boolean {
    const key = ((hash[0] as number) & 0x1f_ffff) * 2 ** 32 + ((hash[1] as number) >>> 0);
    const rest = hash[2] as number;
    const known = this.#seen.get(key);
    if (known === rest) return false;
    if (known === undefined) this.#seen.set(key, rest);
    return true;
  }

  clear(): void {
    this.#seen.clear();
  }
}

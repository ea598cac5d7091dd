/**
 * A hash of the whole memory that changes with a line at the price of hashing that line: the exclusive or of one hash for
 * each line, in which the line's number counts (Zobrist, "A New Hashing Method with Application for Game Playing", 1970).
 *
 * 96 bits, of which a {@link SeenImages} compares 85: among a million images, the chance that any two different ones are
 * taken for the same is below 10^-13.
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

/** Takes a line with the 64 bytes at `integers[at]` into the hash, or out of it, which is the same. */
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

/** The images that were seen, by their hashes. */
export class SeenImages {
  /** 53 bits of the hash, as many as a number holds, and the lane that tells whether it is really that one. */
  readonly #seen = new Map<number, number>();

  /** Takes note of an image; false when it was known. */
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

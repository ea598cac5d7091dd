/** Checks of numbers that several calls take. */

import { outOfRange, wrongType } from '../../errors.js';

/** A whole number from `least` to `most`. */
export function checkInteger(name: string, value: number, least: number, most: number): void {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, `a whole number from ${least} to ${most}`, value);
  }
}

/** An unsigned 32-bit integer. */
export function checkSeed(seed: number): void {
  checkInteger('seed', seed, 0, 0xffff_ffff);
}

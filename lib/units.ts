/** Sizes as people write them: a number of bytes, or `'64KiB'`, `'2MiB'`, `'8GiB'`. */

import { outOfRange, wrongType, wrongValue } from './errors.js';

/** A number of bytes from 0 to 2^53 - 1, or a string such as `'64KiB'`, `'2 MiB'`, `'1.5GiB'`, `'4kB'`, `'512'`. */
export type Size = number | string;

const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  pib: 2 ** 50,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  pb: 1e15,
};

/** In integers, because 1.005 * 1e9 is inexact in binary. NaN if the product is no whole number of bytes. */
function product(decimal: string, factor: number): number {
  const [whole = '', fraction = ''] = decimal.split('.');
  const scaled = BigInt(whole + fraction) * BigInt(factor);
  const unit = 10n ** BigInt(fraction.length);
  return scaled % unit === 0n ? Number(scaled / unit) : Number.NaN;
}

/**
 * The number of bytes that a size names. KiB, MiB, … are powers of 1024, and so are K, M, G, T, as in ndctl and qemu. kB, MB, …
 * are powers of 1000. Case does not matter.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for anything but a number or a string, `ERR_INVALID_ARG_VALUE` for a string
 *   that is no size; RangeError `ERR_OUT_OF_RANGE` for a negative or fractional number of bytes, and from 2^53 on.
 */
export function parseSize(size: Size, name = 'size'): number {
  let bytes: number;
  if (typeof size === 'number') {
    bytes = size;
  } else if (typeof size === 'string') {
    const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(size);
    const factor = match === null ? undefined : FACTORS[(match[2] ?? '').toLowerCase()];
    if (match === null || factor === undefined) {
      throw wrongValue(name, "a number of bytes or a size such as '64KiB', '2MiB' or '8GiB'", size);
    }
    bytes = product(match[1] ?? '', factor);
  } else {
    throw wrongType(name, "a number of bytes or a size such as '64KiB'", size);
  }
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw outOfRange(name, 'a whole number of bytes from 0 to 2^53 - 1', size);
  }
  return bytes + 0; // never -0
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/**
 * Bytes as people read them, with at most two decimals: 1536 gives `'1.5 KiB'`, 2^21 gives `'2 MiB'`.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for anything but a number
 */
export function formatSize(bytes: number): string {
  if (typeof bytes !== 'number') throw wrongType('bytes', 'a number of bytes', bytes);
  let value = bytes;
  let unit = 0;
  // 1023.999 KiB would be rounded to 1024 KiB: that is 1 MiB.
  while (Number(value.toFixed(2)) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(2))} ${UNITS[unit]}`;
}

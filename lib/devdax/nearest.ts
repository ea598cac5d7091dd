/** The nearest aligned values of a number that is off the alignment, for messages. */

/**
 * The multiples of `unit` on both sides of a value that lie within the limits, in words; where neither does, the nearer limit. The limits
 * are multiples of `unit` themselves.
 */
export function nearest(
  value: number | bigint,
  unit: number,
  least: number | bigint,
  most: number | bigint = Number.POSITIVE_INFINITY,
  text: (legal: bigint) => string = String,
): string {
  const exact = BigInt(value);
  const below = exact - (exact % BigInt(unit));
  const found = [below, below + BigInt(unit)].filter((one) => one >= least && one <= most);
  if (found.length > 0) return found.map(text).join(' and ');
  if (least > most) return 'none, there is no room';
  return text(BigInt(exact < least ? least : most));
}

/** The largest multiple of `unit` that is at most `value`. */
export function multipleBelow(value: number, unit: number): number {
  return value - (value % unit);
}

/** Sizes as util-linux writes them: powers of 1024, rounded half up from the thousandths. */

const UNITS = ['B', 'K', 'M', 'G', 'T', 'P', 'E'] as const;

/** A size's digits and the index of its unit. At most `decimals` digits after the point, without trailing zeroes. */
function scaled(bytes: bigint, decimals: 1 | 2): { digits: string; unit: number } {
  let unit = 0;
  while (unit < UNITS.length - 1 && bytes >= 1n << BigInt(10 * (unit + 1))) unit++;
  const shift = BigInt(10 * unit);
  let whole = bytes >> shift;
  const thousandths = ((bytes - (whole << shift)) * 1000n) >> shift;
  const step = decimals === 2 ? 10n : 100n;
  let fraction = (thousandths + step / 2n) / step;
  if (fraction === 1000n / step) {
    whole++;
    fraction = 0n;
  }
  const decimal = String(fraction).padStart(decimals, '0').replace(/0+$/, '');
  return { digits: decimal === '' ? `${whole}` : `${whole}.${decimal}`, unit };
}

/** `14.6M`, `512B`. */
export function shortSize(bytes: bigint): string {
  const { digits, unit } = scaled(bytes, 1);
  return `${digits}${UNITS[unit]}`;
}

/** `9.54 MiB`, `512 B`. */
export function longSize(bytes: bigint): string {
  const { digits, unit } = scaled(bytes, 2);
  return `${digits} ${UNITS[unit]}${unit === 0 ? '' : 'iB'}`;
}

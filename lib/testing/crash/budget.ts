/** Divides the images that may be made among the crash points. */

import type { Random } from '../simulation/random.js';

/** Images of a crash point in recovery that are enough to lose and to keep each of a few stores alone. */
const FEW = 8;

/**
 * Equal shares: a point with fewer images than its share leaves the rest to the others. The sum is at most `budget`.
 *
 * @param counts how many images each point has
 */
export function sharesOf(counts: readonly number[], budget: number): number[] {
  const shares = new Array<number>(counts.length).fill(0);
  const smallestFirst = counts.map((_, i) => i).sort((a, b) => (counts[a] as number) - (counts[b] as number) || a - b);
  let left = budget;
  smallestFirst.forEach((point, done) => {
    const share = Math.min(counts[point] as number, Math.floor(left / (counts.length - done)));
    shares[point] = share;
    left -= share;
  });
  return shares;
}

/** The images that give each crash point of a recovery a few, or all that it has. */
export function fewOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + Math.min(count, FEW), 0);
}

/**
 * {@link sharesOf}. If that gives many points less than a few images: one image to each, and a few to some points drawn at random. Two
 * images of a point show no more than everything lost and everything kept.
 */
export function recoverySharesOf(counts: readonly number[], budget: number, random: Random): number[] {
  if (budget >= fewOf(counts)) return sharesOf(counts, budget);
  const order = counts.map((_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [order[i], order[other]] = [order[other] as number, order[i] as number];
  }
  const shares = new Array<number>(counts.length).fill(0);
  let left = budget;
  for (const most of [1, FEW]) {
    for (const point of order) {
      const share = Math.min(counts[point] as number, most, (shares[point] as number) + left);
      left -= share - (shares[point] as number);
      shares[point] = share;
    }
  }
  return shares;
}

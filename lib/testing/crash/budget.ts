/** Divides the images that may be made among the crash points. */

import type { Random } from '../simulation/random.js';

/** Images of a crash point of recovery that show which of its stores, lost or kept alone, do harm, where few are in flight. */
const FEW = 8;

/**
 * As equal shares as the points can use: one with fewer images than its share leaves the rest to the others. The sum is
 * at most `budget`.
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

/** Images with which each crash point of a recovery has a few, or all that it has. */
export function fewOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + Math.min(count, FEW), 0);
}

/**
 * {@link sharesOf}, or where that would leave less than a few images to many points: one to each, as far as they go, and a few
 * to some of them, drawn at random. Two images of each would be nothing but what lies between two drains, lost and kept.
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

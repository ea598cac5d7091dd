/** Divides the images that may be made among the crash points. */

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

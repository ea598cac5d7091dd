/** The extremes of many numbers. `Math.max(...numbers)` takes each as an argument, and dies of some 120,000. */

/** The least of them and of `limit`. */
export function least(numbers: Iterable<number>, limit = Number.POSITIVE_INFINITY): number {
  let found = limit;
  for (const one of numbers) if (one < found) found = one;
  return found;
}

/** The greatest of them and of `limit`. */
export function greatest(numbers: Iterable<number>, limit = Number.NEGATIVE_INFINITY): number {
  let found = limit;
  for (const one of numbers) if (one > found) found = one;
  return found;
}

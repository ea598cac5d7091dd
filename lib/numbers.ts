/** The extremes of many numbers. `Math.max(...numbers)` passes each as an argument, and overflows the stack at some 120,000. */

/** The least of the numbers and `limit`. */
export function least(numbers: Iterable<number>, limit = Number.POSITIVE_INFINITY): number {
  let found = limit;
  for (const one of numbers) if (one < found) found = one;
  return found;
}

/** The greatest of the numbers and `limit`. */
export function greatest(numbers: Iterable<number>, limit = Number.NEGATIVE_INFINITY): number {
  let found = limit;
  for (const one of numbers) if (one > found) found = one;
  return found;
}

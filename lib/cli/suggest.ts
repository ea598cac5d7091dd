/** The known word nearest to a mistyped one. */

/** Edits (insert, delete, replace, swap neighbours) from one word to another: the optimal string alignment distance. */
export function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced, swapped));
    }
  }
  return at(a.length, b.length);
}

/** The known word that `word` abbreviates, or that is a few edits away; undefined if there is none. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const abbreviated = known.filter((one) => word.length > 1 && one.startsWith(word));
  if (abbreviated.length > 0) return abbreviated[0];
  const most = Math.max(1, Math.floor(word.length / 2.5));
  const [best] = known
    .map((one) => ({ one, edits: distance(word.toLowerCase(), one) }))
    .filter(({ edits }) => edits <= most)
    .sort((x, y) => x.edits - y.edits);
  return best?.one;
}

/** `. Did you mean 'list'?`, or `''`. */
export function didYouMean(word: string, known: readonly string[], prefix = ''): string {
  const found = nearest(word, known);
  return found === undefined ? '' : `. Did you mean '${prefix}${found}'?`;
}

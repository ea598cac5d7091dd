/** The table of partitions. */

/** A column. */
export interface Column {
  readonly heading: string;
  readonly right?: boolean;
  /** The width that is taken for usual: cells that are shorter, but not shorter than the heading, are given it. */
  readonly usual?: number;
}

/** As libsmartcols chooses it. */
function widthOf({ heading, usual = 0 }: Column, cells: readonly string[]): number {
  const needed = Math.max(0, ...cells.map((cell) => cell.length));
  if (needed < heading.length) return heading.length;
  return heading.length < usual ? Math.max(needed, usual) : needed;
}

/** Rows under their headings, one blank between columns; the last column is not filled up. */
export function columns(heads: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, i) =>
    widthOf(
      head,
      rows.map((row) => row[i] ?? ''),
    ),
  );
  return [heads.map(({ heading }) => heading), ...rows].map((line) =>
    heads
      .map(({ right }, i) => {
        const text = line[i] ?? '';
        const width = widths[i] ?? 0;
        if (right === true) return text.padStart(width);
        return i === heads.length - 1 ? text : text.padEnd(width);
      })
      .join(' '),
  );
}

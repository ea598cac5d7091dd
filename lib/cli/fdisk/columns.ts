/** The table of partitions. */

import { greatest } from '../../numbers.js';
import { widthOf } from './cells.js';

/** A column. */
export interface Column {
  readonly heading: string;
  readonly right?: boolean;
  /** The width that is taken for usual: cells that are shorter, but not shorter than the heading, are given it. */
  readonly usual?: number;
}

/** As libsmartcols chooses it. */
function columnWidth({ heading, usual = 0 }: Column, cells: readonly string[]): number {
  const needed = greatest(cells.map(widthOf), 0);
  if (needed < heading.length) return heading.length;
  return heading.length < usual ? Math.max(needed, usual) : needed;
}

/** Rows under their headings, one blank between columns; the last column is not filled up. */
export function columns(heads: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, i) =>
    columnWidth(
      head,
      rows.map((row) => row[i] ?? ''),
    ),
  );
  return [heads.map(({ heading }) => heading), ...rows].map((line) =>
    heads
      .map(({ right }, i) => {
        const text = line[i] ?? '';
        const width = widths[i] ?? 0;
        const blank = ' '.repeat(Math.max(0, width - widthOf(text)));
        if (right === true) return blank + text;
        return i === heads.length - 1 ? text : text + blank;
      })
      .join(' '),
  );
}

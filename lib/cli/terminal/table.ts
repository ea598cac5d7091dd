/** Text in columns: the one printer for every table of the command. */

import { greatest } from '../../numbers.js';
import { printable } from '../../printable.js';
import { print } from './output.js';
import { colours, wrap } from './style.js';
import { widthOf } from './width.js';

export interface Column {
  readonly heading: string;
  /** Cells stand at the right side. */
  readonly right?: boolean;
  /** The column has this width if its heading is shorter and its cells are at least as long as the heading (libsmartcols). */
  readonly usual?: number;
}

/** Blanks between two columns. */
const GAP = 2;

function columnWidth({ heading, usual }: Column, cells: readonly string[]): number {
  const needed = greatest(cells.map(widthOf), 0);
  if (needed < heading.length) return heading.length;
  return usual !== undefined && heading.length < usual ? Math.max(needed, usual) : needed;
}

/** Lines of a table, headings first. Each column is as wide as its widest cell; the last one is not padded. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], gap = GAP): string[] {
  const cells = rows.map((row) => columns.map((_, i) => printable(row[i] ?? '')));
  const widths = columns.map((column, i) =>
    columnWidth(
      column,
      cells.map((row) => row[i] as string),
    ),
  );
  return [columns.map(({ heading }) => heading), ...cells].map((line) =>
    line
      .map((text, i) => {
        const blank = ' '.repeat(Math.max(0, (widths[i] as number) - widthOf(text)));
        if (columns[i]?.right === true) return blank + text;
        return i === columns.length - 1 ? text : text + blank;
      })
      .join(' '.repeat(gap))
      .trimEnd(),
  );
}

/** Prints a table, `indent` columns from the left. */
export function printTable(columns: readonly Column[], rows: readonly (readonly string[])[], indent = 0): void {
  const [heading = '', ...lines] = table(columns, rows);
  const margin = ' '.repeat(indent);
  print(`${margin}${colours().bold(heading)}`);
  for (const line of lines) print(`${margin}${line}`);
}

/** Pairs of a name and its meaning, the names padded to one width. */
export function pairs(entries: readonly (readonly [string, string])[]): [string, string][] {
  const width = greatest(entries.map(([name]) => name.length));
  return entries.map(([name, value]) => [name.padEnd(width), value]);
}

/** Prints facts, one below the other: the name, then its value, wrapped. */
export function printFacts(facts: readonly (readonly [string, string])[]): void {
  const { bold } = colours();
  for (const [name, value] of pairs(facts)) print(`${bold(name)}  ${wrap(value, name.length + 2)}`);
}

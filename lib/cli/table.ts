/** Text in columns. */

import { greatest } from '../numbers.js';
import { printable } from '../printable.js';

/** A column's heading, and the side to which its cells go. */
export interface Column {
  readonly heading: string;
  readonly right?: boolean;
}

function pad(text: string, width: number, right: boolean | undefined): string {
  return right === true ? text.padStart(width) : text.padEnd(width);
}

/** The rows under their headings, each column as wide as it must be, two blanks between. No line ends in a blank. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map((column) => column.heading), ...rows].map((line) => line.map(printable));
  const widths = columns.map((_, i) => greatest(lines.map((line) => (line[i] ?? '').length)));
  return lines.map((line) =>
    columns
      .map((column, i) => pad(line[i] ?? '', widths[i] ?? 0, column.right))
      .join('  ')
      .trimEnd(),
  );
}

/** Names and what they stand for, one below the other. */
export function pairs(entries: readonly (readonly [string, string])[]): [string, string][] {
  const width = greatest(entries.map(([name]) => name.length));
  return entries.map(([name, value]) => [name.padEnd(width), value]);
}

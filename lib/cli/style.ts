/** How text looks: colour, and lines that fit. */

import { inspect } from 'node:util';
import { printable } from '../printable.js';
import { BREAK, control } from './terminal.js';

type Paint = (text: string) => string;

/** The few looks that there are. */
export interface Colours {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly bad: Paint;
}

/** By the escape sequences that node:util knows; its styleText would look at stdout, whatever the stream. */
function paint(name: 'bold' | 'dim' | 'green' | 'red'): Paint {
  const [on, off] = inspect.colors[name] ?? [0, 0];
  return (text) => `${control(`\u001b[${on}m`)}${text}${control(`\u001b[${off}m`)}`;
}

/** Colours for a terminal whose owner did not decline them (no-color.org); elsewhere the text itself. */
export function colours(stream: NodeJS.WriteStream = process.stdout): Colours {
  const { NO_COLOR, TERM } = process.env;
  if (!stream.isTTY || (NO_COLOR ?? '') !== '' || TERM === 'dumb') {
    const plain: Paint = (text) => text;
    return { bold: plain, dim: plain, good: plain, bad: plain };
  }
  return { bold: paint('bold'), dim: paint('dim'), good: paint('green'), bad: paint('red') };
}

/** Columns that help and sentences are made for. */
export const WIDTH = 80;

/**
 * Breaks a paragraph at blanks so that it fits when its first line begins at column `indent`, as the others then do. A word
 * that is too long stays whole. The text has no colours yet.
 */
export function wrap(text: string, indent = 0): string {
  const room = WIDTH - indent;
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join(`${BREAK}${' '.repeat(indent)}`);
}

/** A paragraph that begins at column `indent`. */
export function indented(text: string, indent: number): string {
  return ' '.repeat(indent) + wrap(text, indent);
}

/** Colours, and lines that fit. */

import { inspect } from 'node:util';
import { printable } from '../../printable.js';
import { BREAK, control } from './emit.js';

type Paint = (text: string) => string;

export interface Colours {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly bad: Paint;
}

/** node:util's styleText checks stdout whatever the stream, so the sequences are taken from its table. */
function paint(name: 'bold' | 'dim' | 'green' | 'red'): Paint {
  const [on, off] = inspect.colors[name] ?? [0, 0];
  return (text) => `${control(`\u001b[${on}m`)}${text}${control(`\u001b[${off}m`)}`;
}

/** Whether the stream is a terminal that understands escape sequences. */
export function isTerminal(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env['TERM'] !== 'dumb';
}

/** Colours for a terminal, unless NO_COLOR is set (no-color.org). Elsewhere the text stays as it is. */
export function colours(stream: NodeJS.WriteStream = process.stdout): Colours {
  if (!isTerminal(stream) || (process.env['NO_COLOR'] ?? '') !== '') {
    const plain: Paint = (text) => text;
    return { bold: plain, dim: plain, good: plain, bad: plain };
  }
  return { bold: paint('bold'), dim: paint('dim'), good: paint('green'), bad: paint('red') };
}

/** Columns of help and sentences. A narrower terminal gets shorter lines, down to the least. */
const WIDTH = 80;
const LEAST_WIDTH = 40;

/** Columns that a paragraph may take on the stream. */
export function widthOn(stream: NodeJS.WriteStream = process.stdout): number {
  // A terminal of unknown size says 0.
  return Math.max(LEAST_WIDTH, Math.min(WIDTH, stream.columns || WIDTH));
}

/**
 * Breaks a paragraph at blanks. The first line begins at column `indent`, and so do the others. A word longer than a line stays
 * whole. The text must have no colours yet.
 */
export function wrap(text: string, indent = 0, width = widthOn()): string {
  const room = width - indent;
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

/** A paragraph whose lines begin at column `indent`. */
export function indented(text: string, indent: number): string {
  return ' '.repeat(indent) + wrap(text, indent);
}

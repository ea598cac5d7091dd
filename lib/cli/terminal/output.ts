/** Printing to stdout. */

import { printableJson } from '../../printable.js';
import { report } from '../failure.js';
import { BREAK, emit, emitRaw } from './emit.js';

/** As a shell reports a program that SIGPIPE ended: 128 + SIGPIPE. */
const PIPE_CLOSED = 141;

/** Ends the process in silence when the reader of a pipe has left, as in `pmem list | head -1`. */
export function quietWhenClosed(): void {
  const leave = (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? PIPE_CLOSED : report(error));
  };
  process.stdout.on('error', leave);
  process.stderr.on('error', leave);
}

/** Prints a text and ends its line. Line ends in the text are written in hexadecimal, except {@link BREAK}. */
export function print(text = '', stream: NodeJS.WriteStream = process.stdout): void {
  emit(stream, `${text}${BREAK}`);
}

/** JSON for scripts. An unknown value is `null`, so that every name is always present. */
export function jsonText(value: unknown): string {
  return printableJson(JSON.stringify(value, (_, one: unknown) => (one === undefined ? null : one), 2));
}

/** Prints {@link jsonText}. */
export function printJson(value: unknown, stream: NodeJS.WriteStream = process.stdout): void {
  emitRaw(stream, `${jsonText(value)}\n`);
}

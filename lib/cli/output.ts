/** Writing to stdout. */

import { printableJson } from '../printable.js';
import { report } from './failure.js';
import { BREAK, emit, emitRaw } from './terminal.js';

/** As a shell reports a program that a closed pipe ended: 128 + SIGPIPE. */
const PIPE_CLOSED = 141;

/** Ends the process without a word when whoever reads has left: `pmem list | head -1`. */
export function quietWhenClosed(): void {
  const leave = (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? PIPE_CLOSED : report(error));
  };
  process.stdout.on('error', leave);
  process.stderr.on('error', leave);
}

/** Prints a text and ends its line. What it holds of line ends is written in hexadecimal, but for {@link BREAK}. */
export function print(text = '', stream: NodeJS.WriteStream = process.stdout): void {
  emit(stream, `${text}${BREAK}`);
}

/** For scripts. What is not known is `null`, so that the names are always the same. */
export function jsonText(value: unknown): string {
  return printableJson(JSON.stringify(value, (_, one: unknown) => (one === undefined ? null : one), 2));
}

/** Prints for scripts, as {@link jsonText}. */
export function printJson(value: unknown, stream: NodeJS.WriteStream = process.stdout): void {
  emitRaw(stream, `${jsonText(value)}\n`);
}

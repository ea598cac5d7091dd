/** Writing to stdout. */

import { report } from './failure.js';

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

/** Prints a text and ends its line. */
export function print(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** For scripts. What is not known is `null`, so that the names are always the same. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (one === undefined ? null : one), 2);
}

/** Prints for scripts, as {@link jsonText}. */
export function printJson(value: unknown): void {
  print(jsonText(value));
}

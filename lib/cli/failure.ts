/** What the user reads when something went wrong, and the exit code. */

import { PmemError } from '../errors.js';
import { UsageError } from './command.js';
import { colours } from './style.js';
import { BREAK, emit } from './terminal.js';

/** The command line was wrong. */
const USAGE = 2;
/** The command failed. */
const FAILED = 1;

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function inLines(text: string): string {
  return text.replaceAll('\n', BREAK);
}

function text(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  // An error without a code is one of ours, not the user's: the place is what matters.
  if (code === undefined) return inLines(error.stack ?? error.message);
  const told = error.message.includes(code) ? error.message : `${code}: ${error.message}`;
  // The ends of lines in our own errors are meant: see PmemError.
  return error instanceof PmemError ? inLines(told) : told;
}

function write(message: string): void {
  const { bold } = colours(process.stderr);
  emit(process.stderr, `${bold('pmem:')} ${message}${BREAK}`);
}

/** Tells on stderr what went wrong; returns the exit code. */
export function report(error: unknown): number {
  if (!(error instanceof UsageError)) {
    write(text(error));
    return FAILED;
  }
  write(error.message);
  const more = error.command === undefined ? 'pmem --help' : `pmem help ${error.command}`;
  emit(process.stderr, `See '${more}'.${BREAK}`);
  return USAGE;
}

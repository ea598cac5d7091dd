/** What the user reads when something went wrong, and the exit code. */

import { types } from 'node:util';
import { PmemError } from '../errors.js';
import { UsageError } from './command.js';
import { BREAK, emit } from './terminal/emit.js';
import { colours } from './terminal/style.js';

/** The command failed. */
const FAILED = 1;
/** The command line was wrong. */
const USAGE = 2;

function inLines(text: string): string {
  return text.replaceAll('\n', BREAK);
}

function text(error: unknown): string {
  if (!types.isNativeError(error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  // An error without a code is a defect of ours: the place of it matters.
  if (code === undefined) return inLines(error.stack ?? error.message);
  const told = error.message.includes(code) ? error.message : `${code}: ${error.message}`;
  // A PmemError has line ends only where they are meant.
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

/** The error of a command that destroys something and was not told `--yes`. `what` says what would happen. */
export function notConfirmed(what: string, path: string): PmemError {
  return new PmemError('ERR_PMEM_NOT_CONFIRMED', `${what}; say --yes to do it`, { path });
}

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

/** Ways out that the library names in the words of programs, and what users of the command read in their place. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/[.;] (To make a new file, )?pass create: true and a size$/, ''],
  [/\. To (map|read) it( for reading only)?, pass readOnly: true$/, ''],
  [/,? or pass shared: true[^.;]*/, ''],
  [/; force destroys it$/, '; --force destroys it'],
  [/Btt\.format makes one$/, "'pmem btt format' makes one"],
  [/\(durability\.reason says why\)/, "('pmem explain PATH' says why)"],
  [/pass assumePersistent: true or set/, 'pass --assume-persistent or set'],
  [/emulate: 'input', 'output' or 'both' takes/, '--emulate input, output or both takes'],
  [/leave exclusive out/, 'leave --exclusive out'],
  [/open the disk with the right one; (.*) with force: true$/, 'pass --sector-size; $1'],
  [/; length copies a part$/, '; --length copies a part'],
];

/** `options.parentUuid` of the library is `--parent-uuid` here. */
function flag(_: string, option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function inCommandWords(message: string): string {
  const told = WORDS.reduce((text, [program, command]) => text.replace(program, command), message);
  return told.replace(/\boptions\.(\w+)/, flag);
}

function inLines(text: string): string {
  return text.replaceAll('\n', BREAK);
}

function text(error: unknown): string {
  if (!types.isNativeError(error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  // An error without a code is a defect of ours: the place of it matters.
  if (code === undefined) return inLines(error.stack ?? error.message);
  const message = inCommandWords(error.message);
  const told = message.includes(code) ? message : `${code}: ${message}`;
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

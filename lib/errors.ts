/** Coded errors. Every message names the value, the limit and the way out. docs/errors.md lists the codes. */

import { constants } from 'node:os';
import { getSystemErrorName, types } from 'node:util';
import { printable } from './printable.js';

/** Properties of a {@link PmemError} beside its message. */
export interface PmemErrorDetails {
  /** Number of the POSIX error, positive. */
  readonly errno?: number | undefined;
  /** The system call that failed. */
  readonly syscall?: string | undefined;
  /** The file or device concerned. */
  readonly path?: string | undefined;
  /** Offset in the region, in bytes, of the failure. */
  readonly offset?: number | undefined;
  /** Processes that hold a lock, or may hold it, as far as this user may see. */
  readonly holders?: readonly LockHolder[] | undefined;
  readonly cause?: unknown;
  /** The message has several lines on purpose. */
  readonly inLines?: boolean;
}

/** A process that has a file or device open. */
export interface LockHolder {
  readonly pid: number;
  /** Its name in the kernel, at most 15 bytes. The process may have chosen it. */
  readonly name: string;
  /** Its arguments, shortened, as the process itself tells them. Not safe to print: it may have control characters. */
  readonly command: string;
}

function cleaned(message: string, inLines: boolean): string {
  return inLines ? message.split('\n').map(printable).join('\n') : printable(message);
}

/**
 * An operation failed. `code` is a POSIX name where a system call failed or this package refuses as the kernel would (`EACCES`,
 * `ENOSPC`); else it begins with `ERR_PMEM_`.
 *
 * The message is safe for terminals and logs: control characters are written in hexadecimal (`\x1b`), and it has one line, except
 * `ERR_PMEM_CRASH_CONSISTENCY` and its like. The properties have every name unchanged.
 */
export class PmemError extends Error {
  override readonly name: string = 'PmemError';
  readonly code: string;
  // Declared only: an unknown property must be absent, not undefined.
  declare readonly errno?: number;
  declare readonly syscall?: string;
  declare readonly path?: string;
  declare readonly offset?: number;
  declare readonly holders?: readonly LockHolder[];

  constructor(code: string, message: string, details: PmemErrorDetails = {}) {
    super(
      cleaned(message, details.inLines === true),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    if (details.errno !== undefined) this.errno = details.errno;
    if (details.syscall !== undefined) this.syscall = details.syscall;
    if (details.path !== undefined) this.path = details.path;
    if (details.offset !== undefined) this.offset = details.offset;
    if (details.holders !== undefined) this.holders = details.holders;
  }
}

/** The POSIX name of an error number: 13 gives `EACCES`. */
export function errorName(errno: number): string {
  return errno > 0 ? getSystemErrorName(-errno) : 'EUNKNOWN';
}

/** POSIX names of error numbers. */
export type PosixCode = Extract<keyof typeof constants.errno, string>;

/** A {@link PmemError} with a POSIX code: `EINVAL: format: …`. The sentence names the value, the limit and the way out. */
export function posixError(code: PosixCode, sentence: string, details: PmemErrorDetails = {}): PmemError {
  return new PmemError(code, `${code}: ${sentence}`, { errno: constants.errno[code], ...details });
}

interface SystemError extends Error {
  errno: number;
  syscall: string;
}

function isSystemError(error: unknown): error is SystemError {
  // `instanceof` is false for errors of other realms (Jest, vm contexts).
  return types.isNativeError(error) && 'errno' in error && typeof error.errno === 'number' && 'syscall' in error;
}

/** The cause is printed with the error, and node:fs puts paths unchanged into its messages. */
function cleanMessage(error: Error): void {
  const { message, stack } = error;
  const clean = printable(message);
  if (clean === message) return;
  error.message = clean;
  if (stack !== undefined) error.stack = stack.replace(message, () => clean);
}

/** Turns an error of node:fs or the addon into a {@link PmemError}. `advice` says what to do about it. Other values are returned unchanged. */
export function systemError(error: unknown, path: string | undefined, advice?: string): unknown {
  if (error instanceof PmemError || !isSystemError(error)) return error;
  const errno = Math.abs(error.errno);
  const code = errorName(errno);
  const where = path === undefined ? '' : ` '${path}'`;
  const way = advice === undefined ? '' : `. ${advice}`;
  const reason = error.message.replace(/^[A-Z0-9]+: /, '').replace(/,[\s\S]*$/, '');
  cleanMessage(error);
  return new PmemError(code, `${code}: ${reason}, ${error.syscall}${where}${way}`, {
    errno,
    syscall: error.syscall,
    path,
    cause: error,
  });
}

function coded<T extends Error>(error: T, code: string): T & { code: string } {
  return Object.assign(error, { code });
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return `an instance of ${className(value)}`;
  return String(value);
}

/** Objects can say anything of their class, those that a parser made of hostile input too. */
function className(value: object): string {
  try {
    const name: unknown = value.constructor?.name;
    return typeof name === 'string' ? name : 'Object';
  } catch {
    return 'Object';
  }
}

/** `expected` may end with an aside, `at most 5, the size,`: the semicolon takes the place of its second comma. */
function mismatch(name: string, expected: string, value: unknown): string {
  return printable(`${name} must be ${expected.replace(/,$/, '')}; got ${shown(value)}`);
}

/** A `TypeError` with code `ERR_INVALID_ARG_TYPE`. */
export function wrongType(name: string, expected: string, value: unknown): TypeError {
  return coded(new TypeError(mismatch(name, expected, value)), 'ERR_INVALID_ARG_TYPE');
}

/** A `TypeError` with code `ERR_INVALID_ARG_VALUE`: the type is right, but the value makes no sense. */
export function wrongValue(name: string, expected: string, value: unknown): TypeError {
  return coded(new TypeError(mismatch(name, expected, value)), 'ERR_INVALID_ARG_VALUE');
}

/** A `TypeError` with code `ERR_INVALID_ARG_VALUE`: an option that nothing here has. */
export function unknownOption(what: string, known: readonly string[], name: string): TypeError {
  const message = `${what} has the unknown property ${shown(name)}; known: ${known.join(', ') || 'none'}`;
  return coded(new TypeError(printable(message)), 'ERR_INVALID_ARG_VALUE');
}

/** A `RangeError` with code `ERR_OUT_OF_RANGE`. */
export function outOfRange(name: string, expected: string, value: unknown): RangeError {
  return coded(new RangeError(mismatch(name, expected, value)), 'ERR_OUT_OF_RANGE');
}

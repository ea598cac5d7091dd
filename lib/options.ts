/**
 * Options, checked in one way everywhere: own properties only, each read once, before anything else is done. A name that is not known
 * is refused: a misspelt option would be ignored in silence.
 *
 * What is inherited is no option. Otherwise whoever can set a property of `Object.prototype`, as parsers of hostile input have let
 * people, would decide for every call of the process whether it locks, forces, or believes memory to be persistent.
 */

import { outOfRange, unknownOption, wrongType, wrongValue } from './errors.js';
import { parseSize, type Size } from './units.js';

/** Progress of a long operation. */
export interface Progress {
  /** How much is done, in the unit of `total`: bytes, unless the operation says otherwise. */
  readonly done: number;
  readonly total: number;
  /** What is being done, where the operation has several phases. */
  readonly phase?: string;
}

/** Options of every asynchronous operation that can take long. */
export interface JobOptions {
  /** Stops the operation at its next step; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called after each step. What it throws stops the operation, and rejects the promise. */
  onProgress?: (progress: Progress) => void;
}

/** {@link JobOptions}, checked. */
export interface CheckedJob {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** Names of {@link JobOptions}. */
export const JOB_OPTIONS = ['signal', 'onProgress'] as const satisfies readonly (keyof JobOptions)[];

/** `Object.prototype`, of whatever realm: everything inherits from it, and nobody passes it on purpose. */
function isRoot(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty');
}

/** An inherited option that somebody meant, and that would be ignored in silence: of a class, or of `Object.create(defaults)`. */
function refuseInherited(given: object, name: string, what: string): void {
  for (let at: object | null = given; at !== null && !isRoot(at); at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, name)) {
      throw wrongValue(what, `an object with properties of its own, such as { ${name}: … }`, `an inherited ${name}`);
    }
  }
}

/**
 * The named options, as own properties of an object that inherits nothing; other properties are ignored. Getters run here, and never
 * again. For objects that may carry more than options; {@link ownOptions} is the rule.
 *
 * @throws TypeError for what is no object, and for a named option that is inherited from anything but `Object.prototype`
 */
export function readOptions<T extends object>(given: T, names: readonly string[], what = 'options'): T {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongType(what, 'an object', given);
  const own: Record<string, unknown> = Object.create(null);
  for (const name of names) {
    if (Object.hasOwn(given, name)) own[name] = given[name as keyof T];
    else if (name in given) refuseInherited(given, name, what);
  }
  return own as T;
}

/**
 * {@link readOptions}, which refuses every other property.
 *
 * @throws TypeError `ERR_INVALID_ARG_VALUE` for a property that is none of the names
 */
export function ownOptions<T extends object>(given: T, names: readonly string[], what = 'options'): T {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongType(what, 'an object', given);
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw unknownOption(what, names, name);
  }
  return readOptions(given, names, what);
}

/** An own property of an object that is made for one call, such as a range; undefined where it has none of its own. */
export function own<T extends object, Name extends keyof T>(given: T, name: Name): T[Name] | undefined {
  return Object.hasOwn(given, name) ? given[name] : undefined;
}

/** A boolean option; `fallback` where it is absent. `name` is the option's, without `options.`. */
export function booleanOption(value: unknown, name: string, fallback: boolean): boolean;
export function booleanOption(value: unknown, name: string): boolean | undefined;
export function booleanOption(value: unknown, name: string, fallback?: boolean): boolean | undefined {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw wrongType(`options.${name}`, 'a boolean', value);
  return value;
}

/** A number of bytes from `least` on; undefined where the option is absent. */
export function sizeOption(value: Size | undefined, name: string, least = 0): number | undefined {
  if (value === undefined) return undefined;
  const bytes = parseSize(value, `options.${name}`);
  if (bytes < least) throw outOfRange(`options.${name}`, `at least ${least} ${least === 1 ? 'byte' : 'bytes'}`, value);
  return bytes;
}

/** A power of two in bytes; undefined where the option is absent. */
export function powerOfTwoOption(value: Size | undefined, name: string): number | undefined {
  const bytes = sizeOption(value, name);
  if (bytes !== undefined && (bytes === 0 || 2 ** Math.round(Math.log2(bytes)) !== bytes)) {
    throw outOfRange(`options.${name}`, 'a power of two', value);
  }
  return bytes;
}

/** A whole number from `least` to `most`; undefined where the option is absent. */
export function integerOption(value: unknown, name: string, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw wrongType(`options.${name}`, 'a number', value);
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw outOfRange(`options.${name}`, `a whole number from ${least} to ${most}`, value);
  }
  return value + 0; // never -0
}

/** {@link integerOption} of an option that must be given. */
export function requiredInteger(value: unknown, name: string, least: number, most: number): number {
  const number = integerOption(value, name, least, most);
  if (number === undefined) throw wrongType(`options.${name}`, 'a number', value);
  return number;
}

/** One of several values; `fallback` where the option is absent. */
export function choiceOption<const T extends string | number, const F extends T | undefined>(
  value: unknown,
  name: string,
  choices: readonly T[],
  fallback: F,
): T | F {
  if (value === undefined) return fallback;
  if ((choices as readonly unknown[]).includes(value)) return value as T;
  const shown = choices.map((one) => (typeof one === 'string' ? `'${one}'` : String(one)));
  const last = shown.pop();
  const expected = shown.length === 0 ? `${last}` : `${shown.join(', ')} or ${last}`;
  if (choices.every((one) => typeof one === typeof value)) throw wrongValue(`options.${name}`, expected, value);
  throw wrongType(`options.${name}`, expected, value);
}

/** A function; undefined where the option is absent. */
export function functionOption<T extends (...args: never[]) => unknown>(
  value: T | undefined,
  name: string,
): T | undefined {
  if (value !== undefined && typeof value !== 'function') throw wrongType(`options.${name}`, 'a function', value);
  return value;
}

/** By its looks: `instanceof` is false for signals of other realms (Jest, vm contexts). */
function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener, throwIfAborted } = value as Partial<AbortSignal>;
  const methods = [addEventListener, removeEventListener, throwIfAborted];
  return typeof aborted === 'boolean' && methods.every((one) => typeof one === 'function');
}

/** An AbortSignal; undefined where the option is absent. */
export function signalOption(value: unknown, name = 'signal'): AbortSignal | undefined {
  if (value === undefined || isSignal(value)) return value;
  throw wrongType(`options.${name}`, 'an AbortSignal', value);
}

/** {@link JobOptions} among options that {@link ownOptions} has read. */
export function jobOptions(options: JobOptions): CheckedJob {
  return {
    signal: signalOption(options.signal),
    onProgress: functionOption(options.onProgress, 'onProgress'),
  };
}

/** {@link JobOptions}, of which a call has no others. */
export function checkJob(given: JobOptions = {}): CheckedJob {
  return jobOptions(ownOptions(given, JOB_OPTIONS));
}

/** From the words of the command line to checked arguments. */

import { parseArgs } from 'node:util';
import { parseSize } from '../units.js';
import { type Command, type CommandEntry, type Options, UsageError } from './command.js';
import { HELP } from './options.js';
import { didYouMean } from './suggest.js';

/** What the user wrote, checked against the command's options and operands. */
export class Arguments {
  readonly operands: readonly string[];
  readonly #flags: ReadonlySet<string>;
  readonly #values: ReadonlyMap<string, string>;

  constructor(operands: readonly string[], flags: Iterable<string>, values: Iterable<readonly [string, string]>) {
    this.operands = operands;
    this.#flags = new Set(flags);
    this.#values = new Map(values);
  }

  /** The first operand. `''` if it is optional and absent. */
  get path(): string {
    return this.operands[0] ?? '';
  }

  /** Whether the option was given, with a value or without. */
  has(name: string): boolean {
    return this.#flags.has(name) || this.#values.has(name);
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** The bytes that an option such as `2MiB` names. */
  size(name: string): number | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    try {
      return parseSize(text, `--${name}`);
    } catch (error) {
      throw new UsageError((error as Error).message);
    }
  }

  /** The whole number that an option names. */
  integer(name: string, least = 0, most?: number): number | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= (most ?? value)) return value;
    const range = most === undefined ? '' : ` from ${least} to ${most}`;
    throw new UsageError(`--${name} must be a whole number${range}; got '${text}'`);
  }

  /** The one of several values that an option names, as it is written in `choices`. */
  choice<const Choice extends string | number>(name: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    const found = choices.find((one) => String(one) === text);
    if (found !== undefined) return found;
    const expected = `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
    throw new UsageError(`--${name} must be ${expected}; got '${text}'`);
  }
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  /** Index of the word. */
  readonly index: number;
}

/** A guess at what `--jsno` or `-json` should have been. */
function meantBy(word: string, options: Options): string {
  const name = word.replace(/^-+/, '').replace(/=.*$/s, '');
  return name.length < 2 ? '' : didYouMean(name, Object.keys(options), '--');
}

function checkOption({ name, rawName, value, index }: OptionToken, options: Options, words: readonly string[]): void {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) throw new UsageError(`unknown option '${rawName}'${meantBy(words[index] ?? '', options)}`);
  if (option.type === 'boolean' && value !== undefined) {
    throw new UsageError(`option '--${name}' takes no value; got '${value}'`);
  }
  if (option.type === 'string' && (value === undefined || value === '')) {
    throw new UsageError(`option '--${name}' needs a value: --${name} ${option.value ?? 'VALUE'}`);
  }
}

function checkOperands(operands: readonly string[], wanted: string): void {
  const words = wanted === '' ? [] : wanted.split(' ');
  const extra = wanted.endsWith('...') ? undefined : operands[words.length];
  if (extra !== undefined) throw new UsageError(`unexpected argument '${extra}'`);
  const missing = words.slice(operands.length).find((word) => !word.startsWith('['));
  if (missing !== undefined) throw new UsageError(`${missing.replace(/\.+$/, '')} is missing`);
  if (operands.includes('')) throw new UsageError(`${/[A-Z]+/.exec(wanted)?.[0] ?? 'PATH'} is empty`);
}

/**
 * Parses the words after the command's name. Undefined if they ask for help, whatever else is wrong with them.
 *
 * @throws UsageError for an unknown or repeated option, a value too many or too few, and wrong operands
 */
export function parse(
  words: readonly string[],
  { options: known, lastCounts }: Command,
  { operands: wanted }: CommandEntry,
): Arguments | undefined {
  const options: Options = { ...known, help: HELP };
  // Not strict: the messages of parseArgs are worded for programmers, and suggest nothing.
  const { tokens } = parseArgs({ args: [...words], options: { ...options }, strict: false, tokens: true });
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const operands: string[] = [];
  const given: OptionToken[] = [];
  let twice: string | undefined;
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    given.push(token);
    if (token.value === undefined) {
      flags.add(token.name);
    } else {
      if (values.has(token.name)) twice ??= token.name;
      values.set(token.name, token.value);
    }
  }
  if (flags.has('help')) return undefined;
  for (const token of given) checkOption(token, options, words);
  if (twice !== undefined && lastCounts !== true) throw new UsageError(`option '--${twice}' was given more than once`);
  checkOperands(operands, wanted);
  return new Arguments(operands, flags, values);
}

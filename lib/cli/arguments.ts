/** From the words of the command line to checked arguments. */

import { parseArgs } from 'node:util';
import { parseSize } from '../units.js';
import { type Arguments, type Command, type Option, UsageError } from './command.js';
import { didYouMean } from './suggest.js';

/** Every command has it. */
export const HELP: Option = { type: 'boolean', short: 'h', help: 'show this help' };

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
}

function checkOption({ name, rawName, value }: OptionToken, options: Command['options'], command: string): void {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const meant = rawName.startsWith('--') ? didYouMean(name, Object.keys(options), '--') : '';
    throw new UsageError(`unknown option '${rawName}'${meant}`, command);
  }
  if (option.type === 'boolean' && value !== undefined) {
    throw new UsageError(`option '--${name}' takes no value; got '${value}'`, command);
  }
  if (option.type === 'string' && (value === undefined || value === '')) {
    throw new UsageError(`option '--${name}' needs a value: --${name} ${option.value ?? 'VALUE'}`, command);
  }
}

function checkOperands(operands: readonly string[], { name, operands: wanted }: Command): void {
  const words = wanted === '' ? [] : wanted.split(' ');
  const extra = wanted.endsWith('...') ? undefined : operands[words.length];
  if (extra !== undefined) throw new UsageError(`unexpected argument '${extra}'`, name);
  const first = /^[A-Z]+/.exec(wanted)?.[0];
  if (first !== undefined && operands.length === 0) throw new UsageError(`${first} is missing`, name);
  if (operands.includes('')) throw new UsageError(`${first ?? 'PATH'} is empty`, name);
}

/**
 * Parses the words after the command's name. `--help` wins over whatever else is wrong.
 *
 * @throws UsageError for options that the command has not, values that are missing or too many, and wrong operands.
 */
export function parse(words: readonly string[], command: Command): Arguments {
  const options: Command['options'] = { ...command.options, help: HELP };
  // Not strict: its errors are worded for programmers and suggest nothing.
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
    if (token.value === undefined) flags.add(token.name);
    else {
      if (values.has(token.name)) twice ??= token.name;
      values.set(token.name, token.value);
    }
  }
  if (!flags.has('help')) {
    for (const token of given) checkOption(token, options, command.name);
    if (twice !== undefined && command.lastCounts !== true) {
      throw new UsageError(`option '--${twice}' was given more than once`, command.name);
    }
    checkOperands(operands, command);
  }
  return { operands, flags, values };
}

/** The bytes that an option names, such as `2MiB`; undefined where it was not given. */
export function sizeValue(values: Arguments['values'], name: string, command: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  try {
    return parseSize(text, `--${name}`);
  } catch (error) {
    throw new UsageError((error as Error).message, command);
  }
}

/** The whole number that an option names; undefined where it was not given. */
export function numberValue(values: Arguments['values'], name: string, command: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name} must be a whole number; got '${text}'`, command);
  return Number(text);
}

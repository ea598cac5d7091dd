/** From the words of the command line to checked arguments. */

import { parseArgs } from 'node:util';
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

function checkOperands(operands: readonly string[], command: Command): void {
  const most = { '': 0, PATH: 1, '[PATH]': 1, 'PATH...': Number.POSITIVE_INFINITY, 'format|check|info PATH': 2 }[
    command.operands
  ];
  const extra = operands[most];
  if (extra !== undefined) throw new UsageError(`unexpected argument '${extra}'`, command.name);
  if (command.operands.startsWith('PATH') && operands.length === 0) {
    throw new UsageError('PATH is missing', command.name);
  }
  if (operands.includes('')) throw new UsageError('PATH is empty', command.name);
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
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    given.push(token);
    if (token.value === undefined) flags.add(token.name);
    else values.set(token.name, token.value);
  }
  if (!flags.has('help')) {
    for (const token of given) checkOption(token, options, command.name);
    checkOperands(operands, command);
  }
  return { operands, flags, values };
}

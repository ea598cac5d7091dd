/** The help texts. */

import type { Command, CommandEntry, CommandGroup, Option } from './command.js';
import { HELP } from './options.js';
import { BREAK } from './terminal/emit.js';
import { colours, wrap } from './terminal/style.js';
import { pairs } from './terminal/table.js';

function listed(entries: readonly (readonly [string, string])[]): string[] {
  return pairs(entries).map(([name, text]) => `  ${name}  ${wrap(text, name.length + 4)}`);
}

function optionName(name: string, { short, value }: Option): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

function entry(one: CommandEntry | CommandGroup, group = ''): readonly [string, string] {
  const what = 'commands' in one ? 'COMMAND' : one.operands;
  return [`${group}${one.name} ${what}`.trim(), one.summary];
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text) => [wrap(text), '']);
}

/** What `pmem --help` shows. */
export function generalHelp(commands: readonly (CommandEntry | CommandGroup)[]): string {
  const { bold } = colours();
  return [
    wrap('Persistent memory: shows what a path offers, and proves that it keeps what was persisted.'),
    '',
    `${bold('Usage:')} pmem COMMAND [OPTIONS]`,
    '',
    bold('Commands:'),
    ...listed(commands.map((one) => entry(one))),
    '',
    bold('Options:'),
    ...listed([
      ['-h, --help', 'show this help'],
      ['-V, --version', 'show the version'],
    ]),
    '',
    bold('Exit codes:'),
    ...listed([
      ['0', 'done'],
      ['1', 'failed: a message is on stderr, or the help of the command says what else it means'],
      ['2', 'wrong usage: nothing was done'],
      ['141', 'the reader of the output left'],
    ]),
    '',
    wrap("'pmem help COMMAND' tells more about a command. Try 'pmem demo' first: it needs no hardware and no options."),
  ].join(BREAK);
}

/** What `pmem GROUP --help` shows. */
export function groupHelp({ name, description, commands }: CommandGroup): string {
  const { bold } = colours();
  return [
    `${bold('Usage:')} pmem ${name} COMMAND [OPTIONS]`,
    '',
    ...paragraphs(description),
    bold('Commands:'),
    ...listed(commands.map((one) => entry(one, `${name} `))),
    '',
    wrap(`'pmem help ${name} COMMAND' tells more about a command.`),
  ].join(BREAK);
}

/** What `pmem COMMAND --help` shows; `name` has the group's name in it. */
export function commandHelp(name: string, { operands }: CommandEntry, command: Command): string {
  const { bold } = colours();
  const { description, options, examples = [], alsoFails } = command;
  const entries = Object.entries({ ...options, help: HELP }).map(
    ([option, about]) => [optionName(option, about), about.help] as const,
  );
  const usage = ['pmem', name, operands, '[OPTIONS]'].filter((word) => word !== '').join(' ');
  return [
    `${bold('Usage:')} ${usage}`,
    '',
    ...paragraphs(description),
    bold('Options:'),
    ...listed(entries),
    '',
    // Never broken: they are there to be copied.
    ...(examples.length === 0 ? [] : [bold('Examples:'), ...examples.map((line) => `  ${line}`), '']),
    bold('Exit codes:'),
    ...listed([
      ['0', 'done'],
      ['1', alsoFails === undefined ? 'failed' : `failed, or ${alsoFails}`],
      ['2', 'wrong usage'],
    ]),
  ].join(BREAK);
}

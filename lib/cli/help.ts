/** The help texts. */

import { HELP } from './arguments.js';
import type { Command, CommandGroup, Option } from './command.js';
import { colours, wrap } from './style.js';
import { pairs } from './table.js';
import { BREAK } from './terminal.js';

function listed(entries: readonly (readonly [string, string])[]): string[] {
  return pairs(entries).map(([name, text]) => `  ${name}  ${wrap(text, name.length + 4)}`);
}

function optionName(name: string, { short, value }: Option): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

function entry(command: Command | CommandGroup): readonly [string, string] {
  const what = 'commands' in command ? 'COMMAND' : command.operands;
  return [`${command.name} ${what}`.trim(), command.summary];
}

/** What `pmem --help` shows. */
export function generalHelp(commands: readonly (Command | CommandGroup)[]): string {
  const { bold } = colours();
  return [
    'Persistent memory: what a path offers, and whether it keeps its promises.',
    '',
    `${bold('Usage:')} pmem COMMAND [OPTIONS]`,
    '',
    bold('Commands:'),
    ...listed(commands.map(entry)),
    '',
    bold('Options:'),
    ...listed([
      ['-h, --help', 'show this help'],
      ['-V, --version', 'show the version'],
    ]),
    '',
    "'pmem help COMMAND' tells more about a command. Exit codes: 0 done, 1 failed,",
    '2 wrong usage.',
  ].join(BREAK);
}

/** What `pmem GROUP --help` shows. */
export function groupHelp({ name, description }: CommandGroup, commands: readonly Command[]): string {
  const { bold } = colours();
  return [
    `${bold('Usage:')} pmem ${name} COMMAND [OPTIONS]`,
    '',
    ...description.flatMap((paragraph) => [wrap(paragraph), '']),
    bold('Commands:'),
    ...listed(commands.map(entry)),
    '',
    `'pmem help ${name} COMMAND' tells more about a command.`,
  ].join(BREAK);
}

/** What `pmem COMMAND --help` shows. */
export function commandHelp({ name, operands, description, options }: Command): string {
  const { bold } = colours();
  const entries = Object.entries({ ...options, help: HELP }).map(
    ([option, about]) => [optionName(option, about), about.help] as const,
  );
  const usage = ['pmem', name, operands, '[OPTIONS]'].filter((word) => word !== '').join(' ');
  return [
    `${bold('Usage:')} ${usage}`,
    '',
    ...description.flatMap((paragraph) => [wrap(paragraph), '']),
    bold('Options:'),
    ...listed(entries),
  ].join(BREAK);
}

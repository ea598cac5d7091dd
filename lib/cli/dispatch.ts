/** Finds the command that was asked for, and runs it. */

import { parse } from './arguments.js';
import { btt } from './btt.js';
import { type Command, type CommandGroup, UsageError } from './command.js';
import { dax } from './dax.js';
import { demo } from './demo.js';
import { explainCommand } from './explain.js';
import { fdisk } from './fdisk.js';
import { commandHelp, generalHelp, groupHelp } from './help.js';
import { info } from './info.js';
import { list } from './list.js';
import { print } from './output.js';
import { didYouMean } from './suggest.js';
import { version } from './version.js';

const COMMANDS: readonly (Command | CommandGroup)[] = [info, explainCommand, list, fdisk, btt, dax, demo];

function isHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h';
}

function find(name: string): Command | CommandGroup {
  const found = COMMANDS.find((command) => command.name === name);
  if (found !== undefined) return found;
  const known = [...COMMANDS.map((command) => command.name), 'help'];
  throw new UsageError(`unknown command '${name}'${didYouMean(name, known)}`);
}

function findIn(group: CommandGroup, word: string): Command {
  const found = group.commands.find(({ name }) => name === `${group.name} ${word}`);
  if (found !== undefined) return found;
  const known = group.commands.map(({ name }) => name.slice(group.name.length + 1));
  throw new UsageError(`unknown command '${group.name} ${word}'${didYouMean(word, known)}`, group.name);
}

function help(words: readonly string[]): number {
  const [name, second, ...extra] = words;
  const found = name === undefined || name === 'help' ? undefined : find(name);
  const isGroup = found !== undefined && 'commands' in found;
  const unexpected = isGroup ? extra[0] : second;
  if (unexpected !== undefined) throw new UsageError(`unexpected argument '${unexpected}'`);
  if (found === undefined) print(generalHelp(COMMANDS));
  else if (!isGroup) print(commandHelp(found));
  else print(second === undefined ? groupHelp(found) : commandHelp(findIn(found, second)));
  return 0;
}

async function runIn(group: CommandGroup, words: readonly string[]): Promise<number> {
  const [word, ...rest] = words;
  if (isHelp(word)) return help([group.name]);
  if (word === undefined) throw new UsageError(`${group.name} needs a command`, group.name);
  if (word.startsWith('-'))
    throw new UsageError(`unknown option '${word}'; options come after the command`, group.name);
  return await runCommand(findIn(group, word), rest);
}

async function runCommand(command: Command, words: readonly string[]): Promise<number> {
  const args = parse(words, command);
  return args.flags.has('help') ? help(command.name.split(' ')) : await command.run(args);
}

/** Runs what the words after `pmem` ask for; resolves with the exit code. */
export async function dispatch(words: readonly string[]): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined || isHelp(first)) return help([]);
  if (first === 'help') return help(rest.filter((word) => !isHelp(word)));
  if (first === '--version' || first === '-V') {
    print(version());
    return 0;
  }
  if (first.startsWith('-')) {
    const meant = first.startsWith('--') ? didYouMean(first.slice(2), ['help', 'version'], '--') : '';
    throw new UsageError(`unknown option '${first}'${meant === '' ? '; options come after the command' : meant}`);
  }
  const found = find(first);
  return 'commands' in found ? await runIn(found, rest) : await runCommand(found, rest);
}

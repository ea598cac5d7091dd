/** Finds the command that was asked for, and runs it. */

import { parse } from './arguments.js';
import { type Command, type CommandGroup, type Commands, UsageError } from './command.js';
import { commandHelp, generalHelp, groupHelp } from './help.js';
import { print } from './output.js';
import { didYouMean } from './suggest.js';
import { version } from './version.js';

const COMMANDS: Commands<Command | CommandGroup> = {
  info: async () => (await import('./info.js')).info,
  explain: async () => (await import('./explain.js')).explainCommand,
  list: async () => (await import('./list.js')).list,
  fdisk: async () => (await import('./fdisk.js')).fdisk,
  btt: async () => (await import('./btt.js')).btt,
  dax: async () => (await import('./dax.js')).dax,
  reconfigure: async () => (await import('./reconfigure.js')).reconfigure,
  demo: async () => (await import('./demo.js')).demo,
};

function isHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h';
}

async function all<Kind>(commands: Commands<Kind>): Promise<Kind[]> {
  return await Promise.all(Object.values(commands).map((load) => load()));
}

async function find(name: string): Promise<Command | CommandGroup> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load !== undefined) return await load();
  throw new UsageError(`unknown command '${name}'${didYouMean(name, [...Object.keys(COMMANDS), 'help'])}`);
}

async function findIn({ name, commands }: CommandGroup, word: string): Promise<Command> {
  const load = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (load !== undefined) return await load();
  throw new UsageError(`unknown command '${name} ${word}'${didYouMean(word, Object.keys(commands))}`, name);
}

async function help(words: readonly string[]): Promise<number> {
  const [name, second, ...extra] = words;
  const found = name === undefined || name === 'help' ? undefined : await find(name);
  const group = found !== undefined && 'commands' in found ? found : undefined;
  const unexpected = group === undefined ? second : extra[0];
  if (unexpected !== undefined) throw new UsageError(`unexpected argument '${unexpected}'`);
  if (found === undefined) print(generalHelp(await all(COMMANDS)));
  else if (!('commands' in found)) print(commandHelp(found));
  else
    print(
      second === undefined ? groupHelp(found, await all(found.commands)) : commandHelp(await findIn(found, second)),
    );
  return 0;
}

async function runCommand(command: Command, words: readonly string[]): Promise<number> {
  const args = parse(words, command);
  return args.flags.has('help') ? await help(command.name.split(' ')) : await command.run(args);
}

async function runIn(group: CommandGroup, words: readonly string[]): Promise<number> {
  const [word, ...rest] = words;
  if (isHelp(word)) return await help([group.name]);
  if (word === 'help') return await help([group.name, ...rest.filter((one) => !isHelp(one))]);
  if (word === undefined) throw new UsageError(`${group.name} needs a command`, group.name);
  if (word.startsWith('-'))
    throw new UsageError(`unknown option '${word}'; options come after the command`, group.name);
  return await runCommand(await findIn(group, word), rest);
}

/** Runs what the words after `pmem` ask for; resolves with the exit code. */
export async function dispatch(words: readonly string[]): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined || isHelp(first)) return await help([]);
  if (first === 'help') return await help(rest.filter((word) => !isHelp(word)));
  if (first === '--version' || first === '-V') {
    print(version());
    return 0;
  }
  if (first.startsWith('-')) {
    const meant = first.startsWith('--') ? didYouMean(first.slice(2), ['help', 'version'], '--') : '';
    throw new UsageError(`unknown option '${first}'${meant === '' ? '; options come after the command' : meant}`);
  }
  const found = await find(first);
  return 'commands' in found ? await runIn(found, rest) : await runCommand(found, rest);
}

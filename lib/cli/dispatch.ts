/** Finds the command that was asked for, and runs it. */

import { parse } from './arguments.js';
import { type Command, type CommandEntry, type CommandGroup, UsageError } from './command.js';
import { COMMANDS } from './commands.js';
import { commandHelp, generalHelp, groupHelp } from './help.js';
import { didYouMean } from './suggest.js';
import { print } from './terminal/output.js';
import { version } from './version.js';

function isHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h';
}

function isGroup(one: CommandEntry | CommandGroup): one is CommandGroup {
  return 'commands' in one;
}

/** Where a command is in a group: `Did you mean 'dax copy'?` for `copy`. */
function inGroups(word: string): string {
  const found = COMMANDS.find((one) => isGroup(one) && one.commands.some(({ name }) => name === word));
  return found === undefined ? '' : `. Did you mean '${found.name} ${word}'?`;
}

function find(word: string): CommandEntry | CommandGroup {
  const found = COMMANDS.find(({ name }) => name === word);
  if (found !== undefined) return found;
  const known = [...COMMANDS.map(({ name }) => name), 'help'];
  throw new UsageError(`unknown command '${word}'${inGroups(word) || didYouMean(word, known)}`);
}

function findIn({ name: group, commands }: CommandGroup, word: string): CommandEntry {
  const found = commands.find(({ name }) => name === word);
  if (found !== undefined) return found;
  const known = commands.map(({ name }) => name);
  throw new UsageError(`unknown command '${group} ${word}'${didYouMean(word, known, `${group} `)}`, group);
}

async function help(words: readonly string[]): Promise<void> {
  const [name, second, ...extra] = words;
  const found = name === undefined || name === 'help' ? undefined : find(name);
  const group = found !== undefined && isGroup(found) ? found : undefined;
  const unexpected = group === undefined ? second : extra[0];
  if (unexpected !== undefined) throw new UsageError(`unexpected argument '${unexpected}'`);
  if (found === undefined) print(generalHelp(COMMANDS));
  else if (group !== undefined && second === undefined) print(groupHelp(group));
  else {
    const entry = group === undefined ? (found as CommandEntry) : findIn(group, second as string);
    print(commandHelp(words.join(' '), entry, await entry.load()));
  }
}

/** `name` is the command's whole name: `dax list`. */
async function runCommand(name: string, entry: CommandEntry, words: readonly string[]): Promise<number> {
  const command: Command = await entry.load();
  try {
    const args = parse(words, command, entry);
    if (args !== undefined) return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) error.command ??= name;
    throw error;
  }
  print(commandHelp(name, entry, command));
  return 0;
}

async function runGroup(group: CommandGroup, words: readonly string[]): Promise<number> {
  const [word, ...rest] = words;
  if (isHelp(word) || word === 'help') {
    await help([group.name, ...rest.filter((one) => !isHelp(one))]);
    return 0;
  }
  if (word === undefined) throw new UsageError(`${group.name} needs a command`, group.name);
  if (word.startsWith('-')) {
    throw new UsageError(`unknown option '${word}'; options come after the command`, group.name);
  }
  return await runCommand(`${group.name} ${word}`, findIn(group, word), rest);
}

/** Runs what the words after `pmem` ask for; resolves with the exit code. */
export async function dispatch(words: readonly string[]): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined || isHelp(first) || first === 'help') {
    await help(rest.filter((word) => !isHelp(word)));
    return 0;
  }
  if (first === '--version' || first === '-V') {
    print(version());
    return 0;
  }
  if (first.startsWith('-')) {
    const meant = first.startsWith('--') ? didYouMean(first.slice(2), ['help', 'version'], '--') : '';
    throw new UsageError(`unknown option '${first}'${meant === '' ? '; options come after the command' : meant}`);
  }
  const found = find(first);
  return isGroup(found) ? await runGroup(found, rest) : await runCommand(first, found, rest);
}

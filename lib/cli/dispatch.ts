/** Finds the command that was asked for, and runs it. */

import { parse } from './arguments.js';
import { btt } from './btt.js';
import { type Command, UsageError } from './command.js';
import { demo } from './demo.js';
import { explainCommand } from './explain.js';
import { fdisk } from './fdisk.js';
import { commandHelp, generalHelp } from './help.js';
import { info } from './info.js';
import { list } from './list.js';
import { print } from './output.js';
import { reconfigure } from './reconfigure.js';
import { didYouMean } from './suggest.js';
import { version } from './version.js';

const COMMANDS: readonly Command[] = [info, explainCommand, list, fdisk, btt, reconfigure, demo];

function find(name: string): Command {
  const found = COMMANDS.find((command) => command.name === name);
  if (found !== undefined) return found;
  const known = [...COMMANDS.map((command) => command.name), 'help'];
  throw new UsageError(`unknown command '${name}'${didYouMean(name, known)}`);
}

function help(words: readonly string[]): number {
  const [name, extra] = words;
  if (extra !== undefined) throw new UsageError(`unexpected argument '${extra}'`);
  print(name === undefined || name === 'help' ? generalHelp(COMMANDS) : commandHelp(find(name)));
  return 0;
}

/** Runs what the words after `pmem` ask for; resolves with the exit code. */
export async function dispatch(words: readonly string[]): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined || first === '--help' || first === '-h') return help([]);
  if (first === 'help') return help(rest.filter((word) => word !== '--help' && word !== '-h'));
  if (first === '--version' || first === '-V') {
    print(version());
    return 0;
  }
  if (first.startsWith('-')) {
    const meant = first.startsWith('--') ? didYouMean(first.slice(2), ['help', 'version'], '--') : '';
    throw new UsageError(`unknown option '${first}'${meant === '' ? '; options come after the command' : meant}`);
  }
  const command = find(first);
  const args = parse(rest, command);
  if (args.flags.has('help')) return help([command.name]);
  return await command.run(args);
}

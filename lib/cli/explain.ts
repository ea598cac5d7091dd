/** `pmem explain PATH`: which durability, why, and what stands in the way of a better one. */

import type { Explanation } from '../memory/durability/explain.js';
import type { Durability } from '../memory/memory.js';
import { formatSize } from '../units.js';
import type { Arguments, Command } from './command.js';
import { explainPath, granularityInWords } from './inspect.js';
import { print, printJson } from './output.js';
import { colours, indented, wrap } from './style.js';

const MEANING: Readonly<Record<Durability['granularity'], string>> = {
  byte: 'A store is durable as soon as a fence has ordered it: persist costs next to nothing.',
  'cache-line':
    'A store is durable once the CPU has written its cache line back: persist costs a fraction of a microsecond and no system call.',
  page: 'A store is durable once msync has written its whole page: persist is a system call, as slow as the disk.',
};

/** The verdict in a line. */
function headline({ durability }: Explanation): string {
  if (durability.volatile) return 'nothing stored here is durable';
  const { granularity, assumed, below } = durability;
  const unknown = below === 'unknown' ? ', unless what is below forgets, which is unknown' : '';
  const confirmed = assumed ? ', assumed and not confirmed by the kernel' : unknown;
  return `${granularityInWords(granularity)} (granularity '${granularity}')${confirmed}`;
}

function meaning({ durability }: Explanation): string {
  if (durability.volatile)
    return 'A store survives the end of the process, but not power-off; persist throws rather than pretend.';
  const pages = `Pages of ${formatSize(durability.pageSize)}.`;
  const sync = durability.mapSync ? ' The kernel keeps the metadata of the file durable too (MAP_SYNC).' : '';
  return `${MEANING[durability.granularity]} ${pages}${sync}`;
}

function run({ operands: [path = ''], flags }: Arguments): number {
  const found = explainPath(path);
  const { durability, obstacles, kind } = found;
  if (flags.has('json')) {
    printJson({ path, kind, durability, obstacles });
    return 0;
  }
  const { bold } = colours();
  print(bold(wrap(`${path}: ${headline(found)}`)));
  print();
  print(indented(`Why: ${durability.reason}.`, 2));
  print(indented(meaning(found), 2));
  print();
  if (obstacles.length === 0) {
    print(`  ${wrap(withoutObstacles(durability), 2)}`);
    return 0;
  }
  print('In the way of better:');
  for (const { code, cause, remedy, commands } of obstacles) {
    print();
    print(`  ${bold(code)}`);
    print(indented(`${cause}.`, 4));
    print(indented(`Way out: ${remedy}${commands.length === 0 ? '.' : ':'}`, 4));
    // Never broken: they are there to be copied.
    for (const command of commands) print(`      ${command}`);
  }
  return 0;
}

function withoutObstacles(durability: Durability): string {
  if (durability.volatile) return 'There is no way to a better one here: the memory itself forgets.';
  if (!durability.assumed && durability.below === 'unknown')
    return 'Nothing stands in the way of better, as far as is known.';
  if (durability.assumed) return 'The kernel cannot confirm it; whoever names the path vouches for it.';
  return 'Nothing stands in the way of better.';
}

export const explainCommand: Command = {
  name: 'explain',
  operands: 'PATH',
  summary: 'the durability there, why, and the way to a better one',
  description: [
    'Says in plain words which durability a region on PATH would have and why, and names everything that stands in the way of a better one, each with its way out. Changes nothing. The exit code is 0 whatever the answer.',
    'PMEM_ASSUME_PERSISTENT=1 in the environment counts, as it does for programs.',
  ],
  options: { json: { type: 'boolean', help: 'print { path, kind, durability, obstacles } for scripts' } },
  run,
};

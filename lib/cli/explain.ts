/** `pmem explain PATH`: which durability, why, and what stands in the way of a better one. */

import type { Explanation } from '../memory/durability/explain.js';
import type { Durability } from '../memory/memory.js';
import { formatSize } from '../units.js';
import type { Arguments } from './arguments.js';
import type { Command } from './command.js';
import { explainPath, granularityInWords } from './inspect.js';
import { print, printJson } from './terminal/output.js';
import { colours, indented, wrap } from './terminal/style.js';

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
  const unknown = below === 'unknown' ? ', if the memory below keeps its bytes at power-off, which is unknown' : '';
  const confirmed = assumed ? ', assumed and not confirmed by the kernel' : unknown;
  return `${granularityInWords(granularity)} (granularity '${granularity}')${confirmed}`;
}

function meaning({ durability }: Explanation): string {
  if (durability.volatile) return 'A store survives the end of the process, but not power-off. So persist throws.';
  const pages = `Pages of ${formatSize(durability.pageSize)}.`;
  const sync = durability.mapSync ? " The kernel keeps the file's metadata durable too (MAP_SYNC)." : '';
  return `${MEANING[durability.granularity]} ${pages}${sync}`;
}

function withoutObstacles({ volatile, assumed, below }: Durability): string {
  if (volatile) return 'Nothing makes this path durable: the memory itself loses its bytes at power-off.';
  if (assumed) return 'The kernel cannot confirm this durability; you assert it.';
  if (below === 'unknown') return 'No obstacle to a better durability is known.';
  return 'There is no obstacle to a better durability.';
}

function run(args: Arguments): number {
  const { path } = args;
  const found = explainPath(path);
  const { durability, obstacles, kind } = found;
  if (args.has('json')) {
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
    print(indented(withoutObstacles(durability), 2));
    return 0;
  }
  print('Obstacles to a better durability:');
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

export const explainCommand: Command = {
  description: [
    'Says in plain words which durability a region on PATH has, why, and what stands in the way of a better one, each obstacle with its way out. Changes nothing. A path that is not durable is no failure.',
    'PMEM_ASSUME_PERSISTENT=1 in the environment counts, as it does for programs.',
  ],
  options: { json: { type: 'boolean', help: 'print { path, kind, durability, obstacles } as JSON for scripts' } },
  examples: ['pmem explain /mnt/pmem', 'pmem explain /dev/dax0.0 --json'],
  run,
};

/** `pmem btt check PATH`: finds damage, and repairs it. */

import { Btt } from '../../block/btt/btt.js';
import type { BttReport } from '../../block/btt/check.js';
import type { Arguments } from '../arguments.js';
import { type Command, UsageError } from '../command.js';
import { notConfirmed } from '../failure.js';
import { ASSUME_PERSISTENT, JSON_OBJECT } from '../options.js';
import { print, printJson } from '../terminal/output.js';
import { withProgress } from '../terminal/progress.js';
import { colours, indented } from '../terminal/style.js';
import { withRegion } from './region.js';

/** Exit code: damage is left. */
const DAMAGED = 1;

function inWords(path: string, { version, arenas, problems, status, lanesRewritten }: BttReport): void {
  const { bold } = colours();
  print(`${bold(path)}: BTT ${version}, ${arenas === 1 ? '1 arena' : `${arenas} arenas`}: ${status}`);
  for (const { code, arena, detail, repairable, repaired } of problems) {
    const fate = repaired ? 'repaired' : repairable ? 'can be repaired' : 'cannot be repaired';
    print(`  arena ${arena}  ${bold(code)} (${fate})`);
    print(indented(detail, 4));
  }
  if (lanesRewritten > 0) print(`The log was rewritten: ${lanesRewritten} ${lanesRewritten === 1 ? 'lane' : 'lanes'}.`);
  if (status === 'repairable') print("'pmem btt check --repair --yes' repairs it.");
  if (status === 'unsafe') {
    print(indented('Nothing was changed. Do not write to it; a read-only Btt.open gives what can be read.', 0));
  }
}

async function run(args: Arguments): Promise<number> {
  const { path } = args;
  const [repair, rewriteLog] = [args.has('repair'), args.has('rewrite-log')];
  if (rewriteLog && !repair) throw new UsageError('--rewrite-log needs --repair');
  if (repair && !args.has('yes')) {
    throw notConfirmed(`'${path}' would be repaired${rewriteLog ? ', and its log rewritten' : ''}`, path);
  }
  return await withRegion(args, !repair, async (region) => {
    const report = await withProgress({ '': 'checked' }, (onProgress) =>
      Btt.checkAsync(region, { repair, rewriteLog, ...(onProgress && { onProgress }) }),
    );
    if (args.has('json')) printJson({ path, ...report });
    else inWords(path, report);
    return report.status === 'clean' || report.status === 'repaired' ? 0 : DAMAGED;
  });
}

export const bttCheck: Command = {
  description: [
    'Finds what is wrong with the BTT on PATH: a file, /dev/daxX.Y, or a namespace in raw mode. With --repair it repairs all damage; if some of it cannot be repaired, it changes nothing.',
  ],
  options: {
    repair: { type: 'boolean', help: 'repair what is wrong; wants --yes' },
    'rewrite-log': {
      type: 'boolean',
      help: 'with --repair: write the log anew, in a form that kernels before and after 4.15 read alike',
    },
    yes: { type: 'boolean', short: 'y', help: 'with --repair: do it' },
    'assume-persistent': ASSUME_PERSISTENT,
    json: JSON_OBJECT,
  },
  examples: ['pmem btt check disk.img', 'pmem btt check disk.img --repair --yes'],
  alsoFails: 'damage is left',
  run,
};

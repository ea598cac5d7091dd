/** `pmem btt info PATH`: the layout. */

import { Btt } from '../../block/btt/btt.js';
import type { Region } from '../../memory/region/region.js';
import { formatSize } from '../../units.js';
import type { Arguments } from '../arguments.js';
import type { Command } from '../command.js';
import { JSON_OBJECT } from '../options.js';
import { printJson } from '../terminal/output.js';
import { printFacts } from '../terminal/table.js';
import { withRegion } from './region.js';

/** Shows the BTT on a region. */
export function showBtt(region: Region, args: Arguments): void {
  const { path } = args;
  using btt = Btt.open(region, { readOnly: true });
  const { info } = btt;
  if (args.has('json')) {
    printJson({ path, ...info });
    return;
  }
  const [first] = info.arenas;
  printFacts([
    ['path', path],
    ['version', info.version === '1.1' ? '1.1 (Linux, begins at 4096)' : '2.0 (UEFI, begins at 0)'],
    ['UUID', info.uuid],
    ['parent UUID', info.parentUuid],
    ['sectors', `${info.sectorCount} of ${info.sectorSize} bytes, ${formatSize(info.size)}`],
    ['blocks', `${first?.blockSize} bytes each, ${first?.nfree} free in each arena`],
    ...info.arenas.map(({ offset, sectorCount, mapOffset, flogOffset, infoCopyOffset }, i): [string, string] => [
      `arena ${i}`,
      `at ${offset}: ${sectorCount} sectors; map at ${mapOffset}, flog at ${flogOffset}, copy at ${infoCopyOffset}`,
    ]),
    ...info.problems.map(({ arena, code, detail }): [string, string] => [
      'problem',
      `arena ${arena}, ${code}: ${detail}`,
    ]),
  ]);
}

async function run(args: Arguments): Promise<number> {
  await withRegion(args, true, (region) => showBtt(region, args));
  return 0;
}

export const bttInfo: Command = {
  description: [
    'Shows version, UUIDs, sectors and arenas of the BTT on PATH: a file, /dev/daxX.Y, or a namespace in raw mode. Offsets are bytes. Changes nothing.',
  ],
  options: { json: JSON_OBJECT },
  run,
};

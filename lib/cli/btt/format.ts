/** `pmem btt format PATH`: makes a BTT. */

import { Btt } from '../../block/btt/btt.js';
import { SECTOR_SIZES } from '../../block/btt/layout.js';
import { contentsOf } from '../../memory/contents.js';
import { formatSize } from '../../units.js';
import type { Arguments } from '../arguments.js';
import type { Command } from '../command.js';
import { notConfirmed } from '../failure.js';
import { ASSUME_PERSISTENT, JSON_OBJECT } from '../options.js';
import { withProgress } from '../terminal/progress.js';
import { showBtt } from './info.js';
import { withRegion } from './region.js';

async function run(args: Arguments): Promise<number> {
  const { path } = args;
  const sectorSize = args.choice('sector-size', SECTOR_SIZES);
  const version = args.choice('layout', ['1.1', '2.0']);
  const nfree = args.integer('nfree');
  const [uuid, parentUuid] = [args.text('uuid'), args.text('parent-uuid')];
  const force = args.has('force');
  await withRegion(args, false, async (region) => {
    const contents = contentsOf(region);
    // Without force, the library refuses what is not blank, and says what it holds.
    if (!args.has('yes') && (contents === undefined || force)) {
      const there = contents === undefined ? '' : ` (it holds ${contents})`;
      throw notConfirmed(
        `'${path}', ${formatSize(region.size)}, would be formatted and lose its contents${there}`,
        path,
      );
    }
    await withProgress({ '': 'formatted' }, (onProgress) =>
      Btt.formatAsync(region, {
        force,
        ...(sectorSize !== undefined && { sectorSize }),
        ...(version !== undefined && { version }),
        ...(nfree !== undefined && { nfree }),
        ...(uuid !== undefined && { uuid }),
        ...(parentUuid !== undefined && { parentUuid }),
        ...(onProgress && { onProgress }),
      }),
    );
    showBtt(region, args);
  });
  return 0;
}

export const bttFormat: Command = {
  description: [
    'Makes a BTT on PATH: a file, /dev/daxX.Y, or a namespace in raw mode. What PATH held is lost, so this wants --yes, and --force as well where PATH is not blank. Shows the BTT when it is done.',
  ],
  options: {
    'sector-size': {
      type: 'string',
      short: 'b',
      value: 'BYTES',
      help: `${SECTOR_SIZES.slice(0, -1).join(', ')} or ${SECTOR_SIZES.at(-1)}; default 4096`,
    },
    layout: { type: 'string', value: 'VERSION', help: '1.1 as Linux makes it (default), or 2.0 as UEFI describes it' },
    uuid: { type: 'string', value: 'UUID', help: 'default: a random one' },
    'parent-uuid': {
      type: 'string',
      value: 'UUID',
      help: "the namespace's; Linux refuses a BTT with another parent UUID",
    },
    nfree: { type: 'string', value: 'COUNT', help: 'free blocks of each arena; default 256' },
    force: { type: 'boolean', short: 'f', help: 'even if PATH is not blank' },
    yes: { type: 'boolean', short: 'y', help: 'do it' },
    'assume-persistent': ASSUME_PERSISTENT,
    json: JSON_OBJECT,
  },
  examples: ['pmem btt format disk.img --sector-size 512 --yes'],
  run,
};

/** `pmem dax destroy PATH`: gives the memory of a device back to its region. */

import { formatSize } from '../../units.js';
import type { Arguments } from '../arguments.js';
import type { Command } from '../command.js';
import { notConfirmed } from '../failure.js';
import { JSON_OBJECT } from '../options.js';
import { print, printJson } from '../terminal/output.js';
import { withProgress } from '../terminal/progress.js';
import { instanceNamed } from './instance.js';

async function run(args: Arguments): Promise<number> {
  const { path } = args;
  const instance = instanceNamed(path);
  const { name, size } = instance;
  if (!args.has('yes'))
    throw notConfirmed(`'${name}', ${formatSize(size)}, would be destroyed, with its contents`, path);
  const zero = args.has('zero');
  await withProgress({ '': 'zeroed' }, (onProgress) =>
    instance.destroyAsync({ zero, ...(onProgress && { onProgress }) }),
  );
  if (args.has('json')) printJson({ chardev: name, size, zeroed: zero });
  else print(`${name}: ${zero ? 'zeroed and ' : ''}destroyed, ${formatSize(size)} are available again`);
  return 0;
}

export const daxDestroy: Command = {
  description: [
    'Destroys a DAX device that was made in a region of the kernel. PATH is dax0.1 or /dev/dax0.1. Refuses a device in use. Needs root, and --yes. Without --zero, the next owner of the memory can read what the device held.',
  ],
  options: {
    zero: { type: 'boolean', short: 'z', help: 'overwrite all bytes with zeroes first' },
    yes: { type: 'boolean', short: 'y', help: 'do it' },
    json: JSON_OBJECT,
  },
  examples: ['pmem dax destroy dax0.1 --zero --yes'],
  run,
};

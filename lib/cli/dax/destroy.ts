/** `pmem dax destroy PATH`: gives the memory of a device back to its region. */

import { PmemError } from '../../errors.js';
import { formatSize } from '../../units.js';
import type { Arguments, Command } from '../command.js';
import { print, printJson } from '../output.js';
import { instanceNamed } from './instance.js';

async function run({ operands: [operand = ''], flags }: Arguments): Promise<number> {
  const instance = instanceNamed(operand);
  const { name, size } = instance;
  if (!flags.has('yes')) {
    const message = `'${name}', ${formatSize(size)}, is going to be destroyed, with its contents; say --yes to do it`;
    throw new PmemError('ERR_PMEM_NOT_CONFIRMED', message, { path: operand });
  }
  const zero = flags.has('zero');
  await instance.destroyAsync({ zero });
  if (flags.has('json')) printJson({ chardev: name, size, zeroed: zero });
  else print(`${name}: ${zero ? 'zeroed and ' : ''}destroyed, ${formatSize(size)} are available again`);
  return 0;
}

export const daxDestroy: Command = {
  name: 'dax destroy',
  operands: 'PATH',
  summary: 'a device that was created, and its memory is available again',
  description: [
    'Destroys a DAX device of a region that devices can be created in. PATH is dax0.1 or /dev/dax0.1. Refuses one that is in use. Needs root, and --yes. Without --zero whoever gets the memory next can read what the device held.',
  ],
  options: {
    zero: { type: 'boolean', short: 'z', help: 'overwrite all of it before it is given back; takes a while' },
    yes: { type: 'boolean', short: 'y', help: 'do it' },
    json: { type: 'boolean', help: 'print an object for scripts' },
  },
  run,
};

/** `pmem dax reconfigure PATH --mode MODE`: a DAX device as ordinary memory, and back. */

import { type Reconfigured, reconfigure } from '../../devdax/reconfigure/reconfigure.js';
import { formatSize } from '../../units.js';
import type { Arguments } from '../arguments.js';
import { type Command, UsageError } from '../command.js';
import { JSON_OBJECT } from '../options.js';
import { print, printJson } from '../terminal/output.js';
import { colours, indented } from '../terminal/style.js';

function inWords({ device, mode, changed, path, targetNode, memory, offlined }: Reconfigured): void {
  const { bold } = colours();
  print(
    `${bold(device)}: ${changed ? 'now' : 'already'} in mode ${bold(mode)}${path === undefined ? '' : `, ${path}`}`,
  );
  if (offlined > 0) print(`  ${offlined} ${offlined === 1 ? 'memory block was' : 'memory blocks were'} taken offline`);
  if (memory === undefined) return;
  const { blocks, online, blockSize, onlineBytes, movable, autoOnline } = memory;
  const zone =
    movable === undefined ? '' : movable ? ', movable' : ', not all movable: only a restart is sure to take it back';
  print(
    `  NUMA node ${targetNode}: ${formatSize(onlineBytes)} online, ${online} of ${blocks} blocks of ${formatSize(blockSize)}${zone}`,
  );
  if (autoOnline?.startsWith('online') === true) {
    print(indented(`The kernel brings new memory online by itself (auto_online_blocks: ${autoOnline}).`, 2));
  }
}

function run(args: Arguments): number {
  const mode = args.choice('mode', ['system-ram', 'devdax']);
  if (mode === undefined) throw new UsageError('--mode is missing: --mode system-ram or --mode devdax');
  for (const option of ['no-online', 'no-movable', 'yes']) {
    if (mode === 'devdax' && args.has(option)) throw new UsageError(`--${option} goes with --mode system-ram`);
  }
  if (args.has('no-online') && args.has('no-movable')) {
    throw new UsageError('--no-movable says how to bring memory online, and --no-online not to');
  }
  const done = reconfigure(args.path, mode, {
    online: !args.has('no-online'),
    movable: !args.has('no-movable'),
    force: args.has('force'),
    destroyData: args.has('yes'),
  });
  if (args.has('json')) printJson(done);
  else inWords(done);
  return 0;
}

export const daxReconfigure: Command = {
  description: [
    'Gives a DAX device to the kernel as ordinary memory (system-ram), as a NUMA node of its own where the platform describes one, or takes it back (devdax). Works through sysfs, as daxctl reconfigure-device does. PATH is dax0.0 or /dev/dax0.0. Needs root.',
    'To system-ram destroys what the device holds, so it wants --yes. To devdax wants --force while the memory is online: the kernel moves away what is in it, or refuses. Both are refused while a process has the device open.',
  ],
  options: {
    mode: { type: 'string', short: 'm', value: 'MODE', help: 'system-ram or devdax; required' },
    'no-online': { type: 'boolean', short: 'N', help: 'system-ram: leave the memory offline' },
    'no-movable': {
      type: 'boolean',
      help: 'system-ram: let the kernel use the memory for itself; it may not be able to give it back',
    },
    force: {
      type: 'boolean',
      short: 'f',
      help: 'system-ram: even if the kernel brings memory online by itself; devdax: take the memory offline',
    },
    yes: { type: 'boolean', short: 'y', help: 'system-ram: do it, and lose what the device holds' },
    json: JSON_OBJECT,
  },
  examples: [
    'pmem dax reconfigure dax0.0 --mode system-ram --yes',
    'pmem dax reconfigure dax0.0 --mode devdax --force',
  ],
  run,
};

/** `pmem reconfigure PATH --mode MODE`: a DAX device as ordinary memory, and back. */

import {
  type DaxMode,
  type Reconfigured,
  reconfigure as reconfigureDevice,
} from '../devdax/reconfigure/reconfigure.js';
import { formatSize } from '../units.js';
import { type Arguments, type Command, type Option, UsageError } from './command.js';
import { print, printJson } from './output.js';
import { colours, wrap } from './style.js';

function modeOf(text: string | undefined, command: string): DaxMode {
  if (text === 'devdax' || text === 'system-ram') return text;
  if (text === undefined) throw new UsageError('--mode is missing: --mode system-ram or --mode devdax', command);
  throw new UsageError(`--mode must be system-ram or devdax; got '${text}'`, command);
}

function inWords({ device, mode, changed, path, targetNode, memory, offlined }: Reconfigured): void {
  const { bold } = colours();
  print(
    `${bold(device)}: ${changed ? 'now' : 'already'} in mode ${bold(mode)}${path === undefined ? '' : `, ${path}`}`,
  );
  if (offlined > 0) print(`  ${offlined} blocks of memory were taken offline`);
  if (memory === undefined) return;
  const { blocks, online, blockSize, onlineBytes, movable, autoOnline } = memory;
  const zone =
    movable === undefined
      ? ''
      : movable
        ? ', movable'
        : ', not all of it movable: only a restart takes it back for sure';
  print(
    `  NUMA node ${targetNode}: ${formatSize(onlineBytes)} online, ${online} of ${blocks} blocks of ${formatSize(blockSize)}${zone}`,
  );
  if (autoOnline?.startsWith('online') === true) {
    print(`  ${wrap(`The kernel brings new memory online by itself (auto_online_blocks: ${autoOnline}).`, 2)}`);
  }
}

/** The options, for every command that offers this. */
export const RECONFIGURE_OPTIONS: Readonly<Record<string, Option>> = {
  mode: { type: 'string', short: 'm', value: 'MODE', help: 'system-ram or devdax' },
  'no-online': { type: 'boolean', short: 'N', help: 'system-ram: leave the memory offline' },
  'no-movable': {
    type: 'boolean',
    help: 'system-ram: memory that the kernel may use for itself, and then cannot give back',
  },
  force: {
    type: 'boolean',
    short: 'f',
    help: 'system-ram: even if the kernel onlines memory otherwise; devdax: take the memory offline',
  },
  yes: { type: 'boolean', short: 'y', help: 'system-ram: do it, and lose what the device holds' },
  json: { type: 'boolean', help: 'print an object for scripts' },
};

/** What it tells about itself, for every command that offers this. */
export const RECONFIGURE_DESCRIPTION: readonly string[] = [
  'Gives a DAX device to the kernel as ordinary memory (system-ram), a NUMA node of its own where the platform says so, or takes it back (devdax), through sysfs, as daxctl reconfigure-device does. PATH is dax0.0 or /dev/dax0.0. Needs root.',
  'To system-ram destroys what the device holds, so it wants --yes. To devdax wants --force while the memory is online: the kernel moves away what is in it, or refuses. In both directions it is refused while somebody has the device open.',
];

/** Reconfigures the device that the operand names; `command` is what to see in case of wrong usage. */
export function runReconfigure(device: string, { flags, values }: Arguments, command: string): number {
  const mode = modeOf(values.get('mode'), command);
  for (const option of ['no-online', 'no-movable', 'yes']) {
    if (mode === 'devdax' && flags.has(option))
      throw new UsageError(`--${option} goes with --mode system-ram`, command);
  }
  if (flags.has('no-online') && flags.has('no-movable')) {
    throw new UsageError('--no-movable says how to bring memory online, and --no-online not to', command);
  }
  const done = reconfigureDevice(device, mode, {
    online: !flags.has('no-online'),
    movable: !flags.has('no-movable'),
    force: flags.has('force'),
    destroyData: flags.has('yes'),
  });
  if (flags.has('json')) printJson(done);
  else inWords(done);
  return 0;
}

export const reconfigure: Command = {
  name: 'reconfigure',
  operands: 'PATH',
  summary: 'a DAX device as ordinary memory, and back',
  description: RECONFIGURE_DESCRIPTION,
  options: RECONFIGURE_OPTIONS,
  run: (args) => runReconfigure(args.operands[0] ?? '', args, 'reconfigure'),
};

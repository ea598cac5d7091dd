/** `pmem dax reconfigure`: the same as `pmem reconfigure`. */

import type { Command } from '../command.js';
import { RECONFIGURE_DESCRIPTION, RECONFIGURE_OPTIONS, runReconfigure } from '../reconfigure.js';

const NAME = 'dax reconfigure';

export const daxReconfigure: Command = {
  name: NAME,
  operands: 'PATH',
  summary: 'a device as ordinary memory, and back',
  description: RECONFIGURE_DESCRIPTION,
  options: RECONFIGURE_OPTIONS,
  run: (args) => runReconfigure(args.operands[0] ?? '', args, NAME),
};

/** `pmem dax COMMAND`: device-DAX. */

import type { CommandGroup } from './command.js';

export const dax: CommandGroup = {
  name: 'dax',
  summary: 'device-DAX: devices, regions, and what is on them',
  description: ['Devices that are mapped, with nothing in between: what daxctl and daxio do.'],
  commands: {
    copy: async () => (await import('./dax/copy.js')).daxCopy,
  },
};

/** `pmem dax COMMAND`: device-DAX. */

import type { CommandGroup } from './command.js';

export const dax: CommandGroup = {
  name: 'dax',
  summary: 'device-DAX: devices, regions, and what is on them',
  description: ['Devices that are mapped, with nothing in between: what daxctl and daxio do.'],
  commands: {
    list: async () => (await import('./dax/list.js')).daxList,
    info: async () => (await import('./dax/info.js')).daxInfo,
    create: async () => (await import('./dax/create.js')).daxCreate,
    destroy: async () => (await import('./dax/destroy.js')).daxDestroy,
    reconfigure: async () => (await import('./dax/reconfigure.js')).daxReconfigure,
    copy: async () => (await import('./dax/copy.js')).daxCopy,
  },
};

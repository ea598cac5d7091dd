/** Every command, as data. A new command is an entry here and a file. */

import type { CommandEntry, CommandGroup } from './command.js';

const BTT: CommandGroup = {
  name: 'btt',
  summary: 'block translation tables: sectors that never tear',
  description: [
    'A BTT gives memory sectors that a power cut leaves old or new, never torn. Linux calls it a namespace in sector mode.',
  ],
  commands: [
    {
      name: 'format',
      operands: 'PATH',
      summary: 'make a BTT; destroys what is there',
      load: async () => (await import('./btt/format.js')).bttFormat,
    },
    {
      name: 'check',
      operands: 'PATH',
      summary: 'find damage, and repair it with --repair',
      load: async () => (await import('./btt/check.js')).bttCheck,
    },
    {
      name: 'info',
      operands: 'PATH',
      summary: 'show version, sectors and arenas',
      load: async () => (await import('./btt/info.js')).bttInfo,
    },
  ],
};

const DAX: CommandGroup = {
  name: 'dax',
  summary: 'device-DAX: devices, regions, modes, copies',
  description: ['Devices of memory that programs map, with no file system between: what daxctl and daxio do.'],
  commands: [
    {
      name: 'list',
      operands: '',
      summary: 'list devices, or regions with --regions',
      load: async () => (await import('./dax/list.js')).daxList,
    },
    {
      name: 'info',
      operands: 'PATH',
      summary: 'show alignment, nodes, ranges and size of page faults',
      load: async () => (await import('./dax/info.js')).daxInfo,
    },
    {
      name: 'create',
      operands: '',
      summary: 'make a device from available memory of a region',
      load: async () => (await import('./dax/create.js')).daxCreate,
    },
    {
      name: 'destroy',
      operands: 'PATH',
      summary: 'give the memory of a device back to its region',
      load: async () => (await import('./dax/destroy.js')).daxDestroy,
    },
    {
      name: 'reconfigure',
      operands: 'PATH',
      summary: 'turn a device into ordinary memory, and back',
      load: async () => (await import('./dax/reconfigure.js')).daxReconfigure,
    },
    {
      name: 'copy',
      operands: '',
      summary: 'copy to and from a device, as dd cannot',
      load: async () => (await import('./dax/copy.js')).daxCopy,
    },
  ],
};

export const COMMANDS: readonly (CommandEntry | CommandGroup)[] = [
  {
    name: 'info',
    operands: 'PATH',
    summary: 'show kind, size, device, durability and CPU',
    load: async () => (await import('./info.js')).info,
  },
  {
    name: 'explain',
    operands: 'PATH',
    summary: 'say how durable a path is, why, and what would make it better',
    load: async () => (await import('./explain.js')).explainCommand,
  },
  {
    name: 'list',
    operands: '',
    summary: 'list every persistent-memory device that the kernel knows',
    load: async () => (await import('./list.js')).list,
  },
  {
    name: 'partitions',
    operands: 'PATH',
    summary: 'show partitions, their alignment and contents, and problems',
    load: async () => (await import('./partitions.js')).partitions,
  },
  {
    name: 'fdisk',
    operands: 'PATH...',
    summary: 'print partition tables as fdisk -l does',
    load: async () => (await import('./fdisk/fdisk.js')).fdisk,
  },
  BTT,
  DAX,
  {
    name: 'demo',
    operands: '[PATH]',
    summary: 'kill a writer, check its records, measure',
    load: async () => (await import('./demo/demo.js')).demo,
  },
];

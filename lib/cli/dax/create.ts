/** `pmem dax create`: a device of a region of the kernel. */

import { DaxRegion, type DaxRegionFilter } from '../../devdax/region/dax-region.js';
import { formatSize } from '../../units.js';
import type { Arguments } from '../arguments.js';
import type { Command } from '../command.js';
import { JSON_OBJECT } from '../options.js';
import { print, printJson } from '../terminal/output.js';
import { colours } from '../terminal/style.js';

async function run(args: Arguments): Promise<number> {
  const filter: DaxRegionFilter = Object.fromEntries(
    [
      ['id', args.integer('region')],
      ['numaNode', args.integer('numa-node')],
      ['targetNode', args.integer('target-node')],
    ].filter(([, value]) => value !== undefined),
  );
  const wanted = args.size('size');
  using region = DaxRegion.find(filter);
  const { name, size, align, mappings } = await region.createAsync(wanted === undefined ? {} : { size: wanted });
  if (args.has('json')) printJson({ chardev: name, path: `/dev/${name}`, size, align, mappings });
  else print(`${colours().bold(name)}: /dev/${name}, ${formatSize(size)}, alignment ${formatSize(align)}`);
  return 0;
}

export const daxCreate: Command = {
  description: [
    'Makes a DAX device from memory that is available in a region of the kernel: memory that firmware set apart, or CXL. Regions of NVDIMMs are static: ndctl makes namespaces there. Needs root. The device stays until it is destroyed or the machine restarts.',
  ],
  options: {
    size: {
      type: 'string',
      short: 's',
      value: 'SIZE',
      help: "a multiple of the region's alignment ('pmem dax list -R'); default: all that is available",
    },
    region: { type: 'string', short: 'r', value: 'ID', help: 'in this region; default: the first one that fits' },
    'numa-node': { type: 'string', short: 'n', value: 'NODE', help: 'in a region near this NUMA node' },
    'target-node': { type: 'string', short: 't', value: 'NODE', help: 'in a region with this target node' },
    json: JSON_OBJECT,
  },
  examples: ['pmem dax create --size 4GiB'],
  run,
};

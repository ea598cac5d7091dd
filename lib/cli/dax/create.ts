/** `pmem dax create`: a device of a region of the kernel. */

import { DaxRegion, type DaxRegionFilter } from '../../devdax/region/dax-region.js';
import { formatSize } from '../../units.js';
import { numberValue, sizeValue } from '../arguments.js';
import type { Arguments, Command } from '../command.js';
import { print, printJson } from '../output.js';
import { colours } from '../style.js';

const NAME = 'dax create';

function run({ flags, values }: Arguments): number {
  const filter: DaxRegionFilter = Object.fromEntries(
    [
      ['id', numberValue(values, 'region', NAME)],
      ['numaNode', numberValue(values, 'numa-node', NAME)],
      ['targetNode', numberValue(values, 'target-node', NAME)],
    ].filter(([, value]) => value !== undefined),
  );
  const size = sizeValue(values, 'size', NAME);
  using region = DaxRegion.find(filter);
  const made = region.create(size === undefined ? {} : { size });
  const { name, align, mappings } = made;
  if (flags.has('json')) printJson({ chardev: name, path: `/dev/${name}`, size: made.size, align, mappings });
  else print(`${colours().bold(name)}: /dev/${name}, ${formatSize(made.size)}, alignment ${formatSize(align)}`);
  return 0;
}

export const daxCreate: Command = {
  name: NAME,
  operands: '',
  summary: 'a device of what is available in a region',
  description: [
    'Makes a DAX device of memory that is available in a region of the kernel: memory that firmware set apart, or CXL. Those of NVDIMMs are static; ndctl makes namespaces there. Needs root. The device stays until it is destroyed or the machine restarts.',
  ],
  options: {
    size: {
      type: 'string',
      short: 's',
      value: 'SIZE',
      help: "a multiple of the region's alignment ('pmem dax list -R'); all that is available by default",
    },
    region: { type: 'string', short: 'r', value: 'ID', help: 'of this region; the first one that fits by default' },
    'numa-node': { type: 'string', short: 'n', value: 'NODE', help: 'of a region near to this node' },
    'target-node': { type: 'string', short: 't', value: 'NODE', help: 'of a region with this target node' },
    json: { type: 'boolean', help: 'print an object for scripts' },
  },
  run,
};

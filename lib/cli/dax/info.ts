/** `pmem dax info PATH`: one device, and what it guarantees. */

import type { DaxDevice } from '../../devdax/device/dax-device.js';
import type { DaxMapping } from '../../devdax/region/backend.js';
import { formatSize } from '../../units.js';
import { sizeValue } from '../arguments.js';
import type { Arguments, Command } from '../command.js';
import { print, printJson } from '../output.js';
import { colours, wrap } from '../style.js';
import { pairs } from '../table.js';
import { findInstance, lookAtDevice } from './instance.js';

const NAME = 'dax info';

function shown(value: string | number | undefined): string {
  return value === undefined ? '-' : String(value);
}

function hexadecimal(value: number | undefined): string {
  return value === undefined ? '-' : `0x${value.toString(16)}`;
}

function show(device: DaxDevice, mappings: readonly DaxMapping[]): void {
  const { path, size, align, emulated, resource, region, numaNode, targetNode, guarantee } = device;
  const { bold } = colours();
  const facts = pairs([
    ['path', path],
    ['kind', emulated ? 'emulated: the rules are kept in the process that opens it' : 'device-DAX'],
    ['size', `${formatSize(size)} (${size} bytes)`],
    ['alignment', formatSize(align)],
    ['resource', hexadecimal(resource)],
    ['region', shown(region)],
    ['NUMA node', shown(numaNode)],
    ['target node', shown(targetNode)],
    ...mappings.map(({ start, end }, i): [string, string] => [
      `mapping${i}`,
      `0x${start.toString(16)} to 0x${end.toString(16)}`,
    ]),
    ['page faults', `${guarantee.given ? 'guaranteed' : 'not guaranteed'}: ${guarantee.reason}`],
    ...guarantee.missing
      .filter((one) => !one.includes(guarantee.reason))
      .map((one): [string, string] => ['missing', one]),
  ]);
  for (const [name, value] of facts) print(`${bold(name)}  ${wrap(value, name.length + 2)}`);
}

function run({ operands: [operand = ''], flags, values }: Arguments): number {
  const align = sizeValue(values, 'align', NAME);
  using device = lookAtDevice(operand, align === undefined ? {} : { align });
  const mappings = device.emulated ? [] : (findInstance(operand)?.mappings ?? []);
  if (flags.has('json')) {
    const { name, path, mode, size, emulated, resource, region, numaNode, targetNode, guarantee } = device;
    const facts = { name, path, mode, size, align: device.align, emulated, resource, region, numaNode, targetNode };
    printJson({ ...facts, mappings, guarantee });
  } else {
    show(device, mappings);
  }
  return 0;
}

export const daxInfo: Command = {
  name: NAME,
  operands: 'PATH',
  summary: 'one device: alignment, nodes, pieces, what a page fault brings in',
  description: [
    'Shows a DAX device, or what a file would be as an emulated one, and whether each page fault is guaranteed to bring in one page of its alignment. PATH is /dev/dax0.0, dax0.0 or a file. Changes nothing.',
  ],
  options: {
    align: { type: 'string', short: 'a', value: 'SIZE', help: 'of an emulated device: 4KiB, 2MiB (default) or 1GiB' },
    json: { type: 'boolean', help: 'print an object for scripts; what is not known is null' },
  },
  run,
};

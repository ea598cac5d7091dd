/** `pmem dax info PATH`: one device, and what it guarantees. */

import type { DaxDevice } from '../../devdax/device/dax-device.js';
import type { DaxMapping } from '../../devdax/region/backend.js';
import { formatSize } from '../../units.js';
import type { Arguments } from '../arguments.js';
import type { Command } from '../command.js';
import { JSON_OBJECT } from '../options.js';
import { printJson } from '../terminal/output.js';
import { printFacts } from '../terminal/table.js';
import { findInstance, lookAtDevice } from './instance.js';

function shown(value: string | number | undefined): string {
  return value === undefined ? '-' : String(value);
}

function hexadecimal(value: number | undefined): string {
  return value === undefined ? '-' : `0x${value.toString(16)}`;
}

function show(device: DaxDevice, mappings: readonly DaxMapping[]): void {
  const { path, size, align, emulated, resource, region, numaNode, targetNode, guarantee } = device;
  printFacts([
    ['path', path],
    ['kind', emulated ? 'emulated: the process that opens it keeps the rules' : 'device-DAX'],
    ['size', `${formatSize(size)} (${size} bytes)`],
    ['alignment', formatSize(align)],
    ['resource', hexadecimal(resource)],
    ['region', shown(region)],
    ['NUMA node', shown(numaNode)],
    ['target node', shown(targetNode)],
    ...mappings.map(({ offset, length }, i): [string, string] => [
      `mapping${i}`,
      `0x${offset.toString(16)} to 0x${(offset + length - 1).toString(16)}`,
    ]),
    ['page faults', `${guarantee.given ? 'guaranteed' : 'not guaranteed'}: ${guarantee.reason}`],
    ...guarantee.missing
      .filter((one) => !one.includes(guarantee.reason))
      .map((one): [string, string] => ['missing', one]),
  ]);
}

function run(args: Arguments): number {
  const align = args.size('align');
  using device = lookAtDevice(args.path, align === undefined ? {} : { align });
  const mappings = device.emulated ? [] : (findInstance(args.path)?.mappings ?? []);
  if (args.has('json')) {
    const { name, path, mode, size, emulated, resource, region, numaNode, targetNode, guarantee } = device;
    const facts = { name, path, mode, size, align: device.align, emulated, resource, region, numaNode, targetNode };
    printJson({ ...facts, mappings, guarantee });
  } else {
    show(device, mappings);
  }
  return 0;
}

export const daxInfo: Command = {
  description: [
    'Shows a DAX device, or what a regular file would be as an emulated one, and whether each page fault is guaranteed to bring in one page of the alignment. PATH is /dev/dax0.0, dax0.0 or a file. Changes nothing.',
  ],
  options: {
    align: { type: 'string', short: 'a', value: 'SIZE', help: 'of an emulated device: 4KiB, 2MiB (default) or 1GiB' },
    json: JSON_OBJECT,
  },
  examples: ['pmem dax info dax0.0'],
  run,
};

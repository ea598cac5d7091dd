/** `pmem dax list`: devices and regions of the DAX bus. */

import { DaxRegion } from '../../devdax/region/dax-region.js';
import { HOST, type Host } from '../../linux/host.js';
import { devicesOf, type PmemDevice } from '../../memory/devices.js';
import { formatSize } from '../../units.js';
import type { Arguments } from '../arguments.js';
import type { Command } from '../command.js';
import { print, printJson } from '../terminal/output.js';
import { type Column, printTable } from '../terminal/table.js';

const UNKNOWN = '-';

const DEVICES: readonly Column[] = [
  { heading: 'DEVICE' },
  { heading: 'PATH' },
  { heading: 'MODE' },
  { heading: 'SIZE', right: true },
  { heading: 'ALIGN', right: true },
  { heading: 'REGION' },
  { heading: 'NODE', right: true },
  { heading: 'TARGET', right: true },
];

const REGIONS: readonly Column[] = [
  { heading: 'REGION', right: true },
  { heading: 'SIZE', right: true },
  { heading: 'AVAILABLE', right: true },
  { heading: 'ALIGN', right: true },
  { heading: 'NODE', right: true },
  { heading: 'TARGET', right: true },
  { heading: 'DEVICES' },
];

function shown(value: string | number | undefined): string {
  return value === undefined ? UNKNOWN : String(value);
}

function size(bytes: number | undefined): string {
  return bytes === undefined ? UNKNOWN : formatSize(bytes);
}

function deviceRow({ charDevice, path, mode, size: bytes, alignment, ...device }: PmemDevice): string[] {
  const { region, provider, numaNode, targetNode } = device;
  const places = [shown(region ?? provider), shown(numaNode), shown(targetNode)];
  return [shown(charDevice), shown(path), shown(mode), size(bytes), size(alignment), ...places];
}

function regionRow({ id, size: bytes, availableSize, align, numaNode, targetNode, instances }: DaxRegion): string[] {
  const sizes = [size(bytes), size(availableSize), size(align)];
  const names = instances.map(({ name }) => name).join(', ');
  return [String(id), ...sizes, shown(numaNode), shown(targetNode), names === '' ? UNKNOWN : names];
}

function regionJson(region: DaxRegion): Record<string, unknown> {
  const { id, path, size: bytes, availableSize, align, numaNode, targetNode, resource, instances } = region;
  return {
    id,
    path,
    size: bytes,
    available_size: availableSize,
    align,
    numa_node: numaNode,
    target_node: targetNode,
    resource,
    devices: instances.map(({ name, size: own, mappings }) => ({ chardev: name, size: own, mappings })),
  };
}

function deviceJson({
  charDevice,
  path,
  mode,
  size: bytes,
  alignment,
  ...device
}: PmemDevice): Record<string, unknown> {
  const { region, provider, numaNode, targetNode, resource } = device;
  const nodes = { numa_node: numaNode, target_node: targetNode, resource };
  return { chardev: charDevice, path, mode, size: bytes, align: alignment, region: region ?? provider, ...nodes };
}

/** Objects for scripts, and rows for people. */
export interface Listed {
  readonly json: readonly Record<string, unknown>[];
  readonly columns: readonly Column[];
  readonly rows: string[][];
  /** The sentence for no rows. */
  readonly none: string;
}

/** Devices or regions of the host, as the arguments ask for them. */
export function listed(args: Arguments, host: Host = HOST): Listed {
  const [numaNode, targetNode] = [args.integer('numa-node'), args.integer('target-node')];
  if (args.has('regions')) {
    const nodes = {
      ...(numaNode === undefined ? {} : { numaNode }),
      ...(targetNode === undefined ? {} : { targetNode }),
    };
    const regions = DaxRegion.list(nodes, host);
    const none = 'The kernel has no such DAX region.';
    return { json: regions.map(regionJson), columns: REGIONS, rows: regions.map(regionRow), none };
  }
  const devices = devicesOf(host).filter(
    (device) =>
      device.charDevice !== undefined &&
      (numaNode ?? device.numaNode) === device.numaNode &&
      (targetNode ?? device.targetNode) === device.targetNode,
  );
  const none = "The kernel has no such DAX device; 'pmem list' shows all persistent memory.";
  return { json: devices.map(deviceJson), columns: DEVICES, rows: devices.map(deviceRow), none };
}

function run(args: Arguments): number {
  const { json, columns, rows, none } = listed(args);
  if (args.has('json')) printJson(json);
  else if (rows.length === 0) print(none);
  else printTable(columns, rows);
  return 0;
}

export const daxList: Command = {
  description: [
    'Lists the DAX devices that the kernel knows, in mode devdax and system-ram, or the regions that devices are made from. NODE is the NUMA node near the memory; TARGET is the node that the memory is, or would become, in mode system-ram.',
  ],
  options: {
    regions: { type: 'boolean', short: 'R', help: 'list regions, with the memory that is available in them' },
    'numa-node': { type: 'string', short: 'n', value: 'NODE', help: 'only those near this NUMA node' },
    'target-node': { type: 'string', short: 't', value: 'NODE', help: 'only those with this target node' },
    json: { type: 'boolean', help: "print a JSON array for scripts, with daxctl's names; [] for nothing" },
  },
  run,
};

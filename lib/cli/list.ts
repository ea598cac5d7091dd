/** `pmem list`: every persistent-memory device that the kernel knows. */

import { listDevices, type PmemDevice } from '../memory/devices.js';
import { printableJson } from '../printable.js';
import { formatSize } from '../units.js';
import type { Arguments } from './arguments.js';
import type { Command } from './command.js';
import { emitRaw } from './terminal/emit.js';
import { print } from './terminal/output.js';
import { wrap } from './terminal/style.js';
import { type Column, printTable, table } from './terminal/table.js';

const UNKNOWN = '-';

/** Names are those of ndctl and daxctl where they have one. As there, what does not apply is left out. */
function asNdctl(device: PmemDevice): Record<string, unknown> {
  return {
    dev: device.name,
    mode: device.mode,
    path: device.path,
    size: device.size,
    align: device.alignment,
    sector_size: device.sectorSize,
    blockdev: device.blockDevice,
    chardev: device.charDevice,
    region: device.region,
    provider: device.provider,
    persistence_domain: device.persistenceDomain,
    volatile: device.volatile,
    caveat: device.caveat,
    assumed: device.assumed ? true : undefined,
    numa_node: device.numaNode,
    target_node: device.targetNode,
    resource: device.resource,
    mountpoints: device.mountPoints,
    state: device.enabled ? undefined : 'disabled',
  };
}

const COLUMNS: readonly Column[] = [
  { heading: 'NAME' },
  { heading: 'PATH' },
  { heading: 'MODE' },
  { heading: 'SIZE', right: true },
  { heading: 'ALIGN', right: true },
  { heading: 'REGION' },
  { heading: 'PERSISTENCE' },
  { heading: 'NODE', right: true },
  { heading: 'MOUNTED ON' },
];

function sizeOrUnknown(bytes: number | undefined): string {
  return bytes === undefined ? UNKNOWN : formatSize(bytes);
}

function modeInWords({ mode, enabled }: PmemDevice): string {
  if (enabled) return mode ?? UNKNOWN;
  return mode === undefined ? 'disabled' : `${mode} (disabled)`;
}

function persistenceInWords({ volatile, caveat, persistenceDomain, assumed }: PmemDevice): string {
  const found = volatile ? 'volatile' : caveat === undefined ? (persistenceDomain ?? UNKNOWN) : 'unknown';
  return assumed ? `${found}, assumed` : found;
}

function row(device: PmemDevice): string[] {
  const { name, path, mode, region, mountPoints, numaNode, targetNode } = device;
  return [
    name,
    path ?? UNKNOWN,
    modeInWords(device),
    sizeOrUnknown(device.size),
    sizeOrUnknown(device.alignment),
    region ?? device.provider ?? UNKNOWN,
    persistenceInWords(device),
    String((mode === 'system-ram' ? (targetNode ?? numaNode) : numaNode) ?? UNKNOWN),
    mountPoints.length === 0 ? UNKNOWN : mountPoints.join(', '),
  ];
}

const NONE = [
  'The kernel knows of no persistent memory on this machine. Ways to get some:',
  'Any file will do to begin with: Region.open(path, { create: true, size }); persist is an msync there. For the fast path, take a file in /dev/shm with assumePersistent: true.',
  "NVDIMMs or CXL memory without a namespace: 'ndctl create-namespace -m fsdax', then a file system on it, mounted with '-o dax'; or '-m devdax' for a /dev/daxX.Y.",
  "Ordinary RAM: 'memmap=4G!12G' on the kernel's command line turns the 4 GiB from 12 GiB on into /dev/pmem0. It works as on an NVDIMM, but loses its bytes at power-off.",
];

/** The table's lines, heading first. */
export function deviceTable(devices: readonly PmemDevice[]): string[] {
  return table(COLUMNS, devices.map(row));
}

/** Remarks below the table. */
export function deviceRemarks(devices: readonly PmemDevice[]): string[] {
  const caveats = devices.flatMap(({ name, caveat }) => (caveat === undefined ? [] : [`${name}: ${caveat}.`]));
  if (!devices.some(({ assumed }) => assumed)) return caveats;
  return [
    ...caveats,
    'assumed: PMEM_ASSUME_PERSISTENT=1 takes flushed bytes for durable, which the kernel does not confirm.',
  ];
}

/** The text for scripts. */
export function deviceJson(devices: readonly PmemDevice[]): string {
  return printableJson(JSON.stringify(devices.map(asNdctl), undefined, 2));
}

function run(args: Arguments): number {
  const devices = listDevices();
  if (args.has('json')) {
    emitRaw(process.stdout, `${deviceJson(devices)}\n`);
  } else if (devices.length === 0) {
    for (const [i, text] of NONE.entries()) print(i === 0 ? wrap(text) : `  - ${wrap(text, 4)}`);
  } else {
    printTable(COLUMNS, devices.map(row));
    const remarks = deviceRemarks(devices);
    if (remarks.length > 0) print();
    for (const remark of remarks) print(wrap(remark));
  }
  return 0;
}

export const list: Command = {
  description: [
    'Lists the namespaces of libnvdimm (NVDIMMs, CXL, legacy memory and memmap=, virtio-pmem) and device-DAX memory in every mode: raw, sector, fsdax, devdax or system-ram. Reads sysfs only, opens no device and needs no privileges.',
    'NODE is the NUMA node near the memory; in mode system-ram, the node that the memory became. PERSISTENCE is what survives power-off: cpu_cache (eADR), memory_controller (ADR), volatile (nothing), unknown (legacy memory: e820, memmap=), - (the kernel does not tell). "assumed" follows where PMEM_ASSUME_PERSISTENT=1 counts.',
  ],
  options: {
    json: { type: 'boolean', help: "print a JSON array for scripts, with ndctl's and daxctl's names; [] for nothing" },
  },
  run,
};

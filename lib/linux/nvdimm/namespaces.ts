/** Namespaces of libnvdimm, and the personalities (BTT, PFN, DAX) that claim them: Documentation/ABI/testing/sysfs-bus-nvdimm. */

import { dirname, join } from 'node:path';
import type { Host } from '../host.js';
import { children, type Entry, node } from '../sysfs/nodes.js';
import { attribute, numericAttribute, resolve } from '../sysfs/read.js';
import { type NvdimmRegion, nvdimmRegionOf } from './regions.js';

/** ndctl's names of the modes of a namespace. */
export type NamespaceMode = 'raw' | 'sector' | 'fsdax' | 'devdax';

/** One namespace, with what its personality tells. */
export interface Namespace {
  readonly name: string;
  /** The region that the namespace is a part of. */
  readonly region: NvdimmRegion | undefined;
  readonly mode: NamespaceMode | undefined;
  readonly size: number | undefined;
  readonly align: number | undefined;
  readonly sectorSize: number;
  readonly block: Entry | undefined;
  /** Directory of the device that serves the memory: the personality, else the namespace itself. */
  readonly holder: string;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
  readonly resource: number | undefined;
  readonly enabled: boolean;
}

/** The kernel's names of the modes, and ndctl's. */
const MODES: Readonly<Record<string, NamespaceMode>> = {
  raw: 'raw',
  safe: 'sector',
  memory: 'fsdax',
  dax: 'devdax',
};

/** The mode of a claimed namespace, by the name of its personality: `btt0.1`. */
const CLAIMS: Readonly<Record<string, NamespaceMode>> = { btt: 'sector', pfn: 'fsdax', dax: 'devdax' };

function modeOf(directory: string, claim: string | undefined): NamespaceMode | undefined {
  const told = MODES[attribute(directory, 'mode') ?? ''];
  return told ?? CLAIMS[/^[a-z]+/.exec(claim ?? '')?.[0] ?? ''];
}

/** The attribute is a list with the size in use marked, `[512] 520 528 4096`, or one number. The kernel's default is 512. */
function sectorSizeOf(directory: string): number {
  const text = attribute(directory, 'sector_size') ?? '';
  const size = Number(/\[(\d+)\]/.exec(text)?.[1] ?? text);
  return Number.isInteger(size) && size > 0 ? size : 512;
}

/** The namespace's own node, else its region's. */
function nodeOf(directory: string, name: string): number | undefined {
  return node(directory, name) ?? node(dirname(directory), name);
}

function inspect(bus: string, { name, directory }: Entry): Namespace {
  const holder = attribute(directory, 'holder');
  const claim = holder === '' ? undefined : holder;
  const personality = claim === undefined ? undefined : resolve(join(bus, claim));
  const server = personality ?? directory;
  return {
    name,
    region: nvdimmRegionOf(directory),
    mode: modeOf(directory, claim),
    // A personality keeps records of its own in the namespace, and tells the remaining size only while it is enabled.
    size: numericAttribute(server, 'size') ?? numericAttribute(directory, 'size'),
    align: numericAttribute(server, 'align'),
    sectorSize: sectorSizeOf(server),
    block: children(join(server, 'block'), /./)[0],
    holder: server,
    numaNode: nodeOf(directory, 'numa_node'),
    targetNode: nodeOf(directory, 'target_node'),
    resource: numericAttribute(server, 'resource') ?? numericAttribute(directory, 'resource'),
    enabled: resolve(join(server, 'driver')) !== undefined,
  };
}

/**
 * The namespaces that have memory. Left out are empty ones, of which new namespaces are made, and those of BLK mode (kernels before
 * 5.18), whose memory cannot be mapped.
 */
export function namespaces(host: Host): Namespace[] {
  const bus = join(host.sys, 'bus', 'nd', 'devices');
  return children(bus, /^namespace\d+\.\d+$/)
    .filter(({ directory }) => numericAttribute(directory, 'size') !== 0)
    .filter(({ directory }) => attribute(directory, 'devtype') !== 'nd_namespace_blk')
    .map((entry) => inspect(bus, entry));
}

/** Namespaces of libnvdimm: Documentation/ABI/testing/sysfs-bus-nvdimm, and the personalities that claim them. */

import { basename, dirname, join } from 'node:path';
import type { Host } from './host.js';
import { children, type Entry, node } from './sysfs/nodes.js';
import { attribute, ndRegion, numericAttribute, resolve } from './sysfs/read.js';

/** ndctl's word for what serves a namespace. */
export type NamespaceMode = 'raw' | 'sector' | 'fsdax' | 'devdax';

/** What the libnvdimm region says that a device lies in; nothing outside of one. */
export interface RegionFacts {
  readonly region: string | undefined;
  readonly provider: string | undefined;
  readonly persistenceDomain: string | undefined;
}

/** One namespace, with what its personality (BTT, PFN or DAX) makes of it. */
export interface Namespace extends RegionFacts {
  readonly name: string;
  readonly mode: NamespaceMode | undefined;
  readonly size: number | undefined;
  readonly alignment: number | undefined;
  readonly sectorSize: number;
  readonly block: Entry | undefined;
  /** Directory of whoever serves the memory: the personality, or the namespace itself. */
  readonly holder: string;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
  readonly resource: number | undefined;
  readonly enabled: boolean;
}

/** The kernel's words for the modes, which differ from ndctl's. */
const MODES: Readonly<Record<string, NamespaceMode>> = {
  raw: 'raw',
  safe: 'sector',
  memory: 'fsdax',
  dax: 'devdax',
};

/** The mode that a claim amounts to, by the name of the personality: `btt0.1`. */
const CLAIMS: Readonly<Record<string, NamespaceMode>> = { btt: 'sector', pfn: 'fsdax', dax: 'devdax' };

function modeOf(directory: string, claim: string | undefined): NamespaceMode | undefined {
  const told = MODES[attribute(directory, 'mode') ?? ''];
  return told ?? CLAIMS[/^[a-z]+/.exec(claim ?? '')?.[0] ?? ''];
}

/** Of a list such as `[512] 520 528 4096`, the one in use; else a plain number. The kernel's default is 512. */
function sectorSizeOf(directory: string): number {
  const text = attribute(directory, 'sector_size') ?? '';
  const size = Number(/\[(\d+)\]/.exec(text)?.[1] ?? text);
  return Number.isInteger(size) && size > 0 ? size : 512;
}

/** The facts of the region around a device's directory. */
export function regionFacts(directory: string): RegionFacts {
  const region = ndRegion(directory);
  if (region === undefined) return { region, provider: undefined, persistenceDomain: undefined };
  const domain = attribute(region, 'persistence_domain');
  return {
    region: basename(region),
    provider: attribute(dirname(region), 'provider'),
    persistenceDomain: domain === '' ? undefined : domain,
  };
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
    ...regionFacts(directory),
    mode: modeOf(directory, claim),
    // A personality takes room for its own records, and tells what is left only while it is enabled.
    size: numericAttribute(server, 'size') ?? numericAttribute(directory, 'size'),
    alignment: numericAttribute(server, 'align'),
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
 * The namespaces that have any memory. Left out: the empty ones that wait to be created, and windows of BLK mode (kernels
 * before 5.18), which are no memory that could be mapped.
 */
export function namespaces(host: Host): Namespace[] {
  const bus = join(host.sys, 'bus', 'nd', 'devices');
  return children(bus, /^namespace\d+\.\d+$/)
    .filter(({ directory }) => numericAttribute(directory, 'size') !== 0)
    .filter(({ directory }) => attribute(directory, 'devtype') !== 'nd_namespace_blk')
    .map((entry) => inspect(bus, entry));
}

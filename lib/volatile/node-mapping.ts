/** Maps memory of a given NUMA node, and makes sure of where its pages are: at once, or chunk by chunk. */

import { constants } from 'node:os';
import { type Mapped, native } from '../binding.js';
import { PmemError, posixError, systemError } from '../errors.js';
import { groupRoom } from '../linux/control-groups.js';
import type { Host } from '../linux/host.js';
import { allowedNodes, hugeRoomOn, memoryNodes, roomOn } from '../linux/numa-nodes.js';
import type { CheckedJob } from '../options.js';
import { formatSize } from '../units.js';
import { checkNode } from './check-node.js';
import type { CheckedMapOptions } from './options.js';

/** On which nodes pages are. */
export interface PagePlacement {
  /** Bytes of a page, as the kernel counts them here. */
  readonly pageSize: number;
  /** How many pages are on each node, by its number. */
  readonly nodes: ReadonlyMap<number, number>;
  /** Pages that nobody has touched yet: they are on no node. */
  readonly untouched: number;
}

/** An open mapping of a node's memory. */
export interface NodeMapping extends Mapped {
  readonly node: number;
  readonly pageSize: number;
  /** Alignment of the address, in bytes. */
  readonly align: number;
  /** The memory is bound to its node; false where the kernel has no NUMA calls. */
  readonly bound: boolean;
}

/** Bytes that are populated, bound and checked before the event loop turns: a few milliseconds. */
const CHUNK = 32 * 2 ** 20;

const { EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM } = constants.errno;

function errnoOf(error: unknown): number | undefined {
  return (error as { errno?: number }).errno;
}

/** The kernel has no NUMA calls, or a sandbox forbids them. */
function isUnavailable(error: unknown): boolean {
  return errnoOf(error) === ENOSYS || errnoOf(error) === EPERM;
}

const FORBIDDEN =
  "The sandbox of this process forbids the system calls for NUMA; containers allow them with the capability CAP_SYS_NICE ('--cap-add SYS_NICE')";

/** Bytes of a limit that are left to the process for its other work. */
const RESERVE = 4 * 2 ** 20;

/** Refuses a size for which the kernel would kill a process of this control group. */
function checkGroup(size: number, host: Host): void {
  const found = groupRoom(host);
  // Page tables count too: 8 bytes for each page of 4 KiB.
  if (found === undefined || found.room >= size + size / 512 + RESERVE) return;
  const { group, limit, room } = found;
  throw posixError(
    'ENOMEM',
    `${formatSize(size)} are wanted, and the limit of this process's control group '${group}', ${formatSize(limit)}, leaves ` +
      `${formatSize(room)}, page tables included. Past the limit the kernel kills a process. Take less, or raise the limit ` +
      '(memory.max; --memory of a container, MemoryMax= of a service)',
  );
}

/** Refuses a size that is unavailable, before anything is mapped. */
function checkRoom(node: number, { size, hugePages, strict, populate }: CheckedMapOptions, host: Host): void {
  if (hugePages !== undefined) {
    const room = hugeRoomOn(node, hugePages, host);
    if (room !== undefined && room >= size) return;
    const kib = hugePages / 1024;
    const there =
      room === undefined ? 'the kernel has no pages of that size' : `node ${node} has ${formatSize(room)} free`;
    throw posixError(
      'ENOMEM',
      `${formatSize(size)} in huge pages of ${formatSize(hugePages)} are wanted, and ${there}. Reserve more: ` +
        `'echo COUNT >/sys/devices/system/node/node${node}/hugepages/hugepages-${kib}kB/nr_hugepages'`,
    );
  }
  if (!populate) return;
  checkGroup(size, host);
  // Past what all nodes have the kernel does not fail: it kills.
  const rooms = (strict ? [node] : memoryNodes(host)).map((one) => roomOn(one, host) ?? Number.POSITIVE_INFINITY);
  const room = rooms.reduce((sum, one) => sum + one, 0);
  if (room >= size) return;
  const [what, way] = strict
    ? [`NUMA node ${node}`, 'Take less, another node, or pass strict: false to take the rest from elsewhere']
    : ['all NUMA nodes together', 'Take less'];
  throw posixError(
    'ENOMEM',
    `${formatSize(size)} of ${what} are wanted, and ${formatSize(room)} are free or can be freed. ${way}`,
  );
}

function explained(error: unknown, node: number, host: Host): unknown {
  const errno = errnoOf(error);
  const { syscall } = error as { syscall?: string };
  if (errno === EPERM) return systemError(error, undefined, FORBIDDEN);
  if (errno === EINVAL && syscall === 'mbind') {
    const allowed = allowedNodes(host) ?? 'unknown';
    const way = `This process may use memory of the nodes ${allowed} (cpuset(7), Mems_allowed_list in /proc/self/status), not of ${node}`;
    return systemError(error, undefined, way);
  }
  if (errno === ENOMEM)
    return systemError(error, undefined, `There is not enough memory, or address space (ulimit -v)`);
  return systemError(error, undefined);
}

/** Maps and binds, and populates unless `later`; does not check where the pages are. */
function map(node: number, options: CheckedMapOptions, later: boolean, host: Host): NodeMapping {
  const { size, align, hugePages, populate, dontDump } = options;
  const pageSize = hugePages ?? native.pageSize();
  const huge = hugePages !== undefined;
  const request = { length: size, pageSize, alignment: align, hugePages: huge, node, populate, later, dontDump };
  try {
    return { ...native.mapNode(request), node, pageSize, align, bound: true };
  } catch (error) {
    // Where all memory is on one node, nothing needs to be bound.
    const only = memoryNodes(host).length === 1;
    if (!only || !isUnavailable(error)) throw explained(error, node, host);
  }
  try {
    return { ...native.mapNode({ ...request, node: -1 }), node, pageSize, align, bound: false };
  } catch (error) {
    throw explained(error, node, host);
  }
}

/** On which nodes the pages of the range are. */
export function placementOf(
  { handle, pageSize }: NodeMapping,
  offset: number,
  length: number,
  host: Host,
): PagePlacement {
  let pairs: number[];
  let only: number | undefined;
  try {
    pairs = native.pagesByNode(handle, offset, length, true);
  } catch (error) {
    const nodes = memoryNodes(host);
    if (nodes.length !== 1 || !isUnavailable(error)) throw explained(error, -1, host);
    [only] = nodes;
    pairs = native.pagesByNode(handle, offset, length, false);
  }
  const nodes = new Map<number, number>();
  let untouched = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    const [node, pages] = [pairs[i] as number, pairs[i + 1] as number];
    if (node < 0) untouched += pages;
    else nodes.set(only ?? node, pages);
  }
  return { pageSize, nodes, untouched };
}

/** Throws if the pages are not all on the node. */
function demandPlaced(mapping: NodeMapping, offset: number, length: number, host: Host): void {
  const { nodes, pageSize } = placementOf(mapping, offset, length, host);
  const elsewhere = [...nodes].filter(([node]) => node !== mapping.node);
  if (elsewhere.length === 0) return;
  const there = [...nodes].map(([node, pages]) => `${pages} on node ${node}`).join(', ');
  throw new PmemError(
    'ERR_PMEM_NODE_PLACEMENT',
    `pages of ${formatSize(pageSize)} were wanted on NUMA node ${mapping.node}, and ${there}: the node has no room for all. ` +
      'Take less, or pass strict: false to accept pages of other nodes',
  );
}

/** Opens memory of a node, and makes sure that its pages are there. */
export function openNodeMapping(node: number, options: CheckedMapOptions, host: Host): NodeMapping {
  checkNode(node, host);
  checkRoom(node, options, host);
  const mapping = map(node, options, false, host);
  try {
    if (options.populate && options.strict) demandPlaced(mapping, 0, mapping.size, host);
    return mapping;
  } catch (error) {
    native.close(mapping.handle);
    throw error;
  }
}

/** The chunk is allocated and bound when this resolves. */
async function populate({ handle, node, bound }: NodeMapping, at: number, length: number, host: Host): Promise<void> {
  const { status } = await native.populateAsync(handle, at, length, true);
  if (status !== 0) {
    // EFAULT, and SIGBUS on older kernels: huge pages have run out.
    const errno = status < 0 || status === EFAULT ? ENOMEM : status;
    throw explained(Object.assign(new Error('pages are unavailable'), { errno, syscall: 'madvise' }), node, host);
  }
  try {
    if (bound) native.bindNode(handle, at, length, node);
  } catch (error) {
    throw explained(error, node, host);
  }
}

/** {@link openNodeMapping}, chunk by chunk. */
export async function openNodeMappingAsync(
  node: number,
  options: CheckedMapOptions,
  { signal, onProgress }: CheckedJob,
  host: Host,
): Promise<NodeMapping> {
  signal?.throwIfAborted();
  checkNode(node, host);
  checkRoom(node, options, host);
  const mapping = map(node, options, options.populate, host);
  try {
    const { size, pageSize } = mapping;
    for (let at = 0; options.populate && at < size; ) {
      const length = Math.min(Math.max(CHUNK, pageSize), size - at);
      // Others may have taken memory meanwhile. Huge pages were reserved for this mapping when it was made.
      if (at > 0 && options.hugePages === undefined) checkRoom(node, { ...options, size: size - at }, host);
      await populate(mapping, at, length, host);
      if (options.strict) demandPlaced(mapping, at, length, host);
      at += length;
      onProgress?.({ done: at, total: size });
      signal?.throwIfAborted();
    }
    return mapping;
  } catch (error) {
    native.close(mapping.handle);
    throw error;
  }
}

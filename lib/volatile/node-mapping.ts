/** Mapping memory of a given NUMA node, and making sure of where its pages are: at one go, or in pieces. */

import { constants } from 'node:os';
import { type Mapped, native } from '../binding.js';
import { PmemError, systemError } from '../errors.js';
import type { Host } from '../linux/host.js';
import { formatSize } from '../units.js';
import { groupRoom } from './group-room.js';
import type { CheckedMapOptions, NodeMapAsyncOptions } from './map-options.js';
import { allowedNodes, checkNode, hugeRoomOn, memoryNodes, roomOn } from './nodes.js';

/** Where pages are. */
export interface PagePlacement {
  /** Bytes of a page, as the kernel counts them here. */
  readonly pageSize: number;
  /** How many pages are on each node, by its number. */
  readonly nodes: ReadonlyMap<number, number>;
  /** Pages that nobody touched yet, so that they are nowhere. */
  readonly untouched: number;
}

/** An open mapping of a node's memory; internal. */
export interface NodeMapping extends Mapped {
  readonly node: number;
  readonly pageSize: number;
  /** What the address is a multiple of. */
  readonly align: number;
  /** To its node; not where the kernel does not speak of nodes. */
  readonly bound: boolean;
}

/** Bytes that are populated, bound and looked at before the event loop turns; a few milliseconds. */
const PIECE = 32 * 2 ** 20;

const { EFAULT, EINVAL, ENOMEM, ENOSYS, EPERM } = constants.errno;

function errnoOf(error: unknown): number | undefined {
  return (error as { errno?: number }).errno;
}

/** The kernel knows of no nodes, or the sandbox forbids to speak of them. */
function isUnspoken(error: unknown): boolean {
  return errnoOf(error) === ENOSYS || errnoOf(error) === EPERM;
}

const FORBIDDEN =
  "The sandbox of this process forbids the system calls for NUMA; containers allow them with the capability CAP_SYS_NICE ('--cap-add SYS_NICE')";

/** Bytes that are left to the process for whatever else it does meanwhile. */
const RESERVE = 4 * 2 ** 20;

/** Refuses what a limit on this process would have it killed for. */
function checkGroup(size: number, host: Host): void {
  const found = groupRoom(host);
  // Page tables count too: 8 bytes for each page of 4 KiB.
  if (found === undefined || found.room >= size + size / 512 + RESERVE) return;
  const { group, limit, room } = found;
  throw new PmemError(
    'ENOMEM',
    `ENOMEM: ${formatSize(size)} are wanted, and the limit of this process's control group '${group}', ${formatSize(limit)}, leaves ` +
      `${formatSize(room)}, with page tables to come from it. Beyond it the kernel would kill a process. Take less, or raise the ` +
      'limit (memory.max; of a container --memory, of a service MemoryMax=)',
    { errno: ENOMEM },
  );
}

/** Refuses what cannot be had before anything is done for it. */
function checkRoom(node: number, { size, hugePages, strict, populate }: CheckedMapOptions, host: Host): void {
  if (hugePages !== undefined) {
    const room = hugeRoomOn(node, hugePages, host);
    if (room !== undefined && room >= size) return;
    const kib = hugePages / 1024;
    const there =
      room === undefined ? 'the kernel has no pages of that size' : `node ${node} has ${formatSize(room)} free`;
    throw new PmemError(
      'ENOMEM',
      `ENOMEM: ${formatSize(size)} in huge pages of ${formatSize(hugePages)} are wanted, and ${there}. Set more apart: ` +
        `'echo COUNT >/sys/devices/system/node/node${node}/hugepages/hugepages-${kib}kB/nr_hugepages'`,
      { errno: ENOMEM },
    );
  }
  if (!populate) return;
  checkGroup(size, host);
  // Beyond what all nodes have the kernel would not fail but kill.
  const rooms = (strict ? [node] : memoryNodes(host)).map((one) => roomOn(one, host) ?? Number.POSITIVE_INFINITY);
  const room = rooms.reduce((sum, one) => sum + one, 0);
  if (room >= size) return;
  const [what, way] = strict
    ? [`NUMA node ${node}`, 'Take less, another node, or pass strict: false to take the rest from elsewhere']
    : ['all NUMA nodes together', 'Take less'];
  throw new PmemError(
    'ENOMEM',
    `ENOMEM: ${formatSize(size)} of ${what} are wanted, with ${formatSize(room)} free or to be freed. ${way}`,
    { errno: ENOMEM },
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

/** Maps, binds and populates, unless that is for later; does not look where pages are. */
function map(node: number, options: CheckedMapOptions, later: boolean, host: Host): NodeMapping {
  const { size, align, hugePages, populate, dontDump } = options;
  const pageSize = hugePages ?? native.pageSize();
  const huge = hugePages !== undefined;
  const request = { length: size, pageSize, alignment: align, hugePages: huge, node, populate, later, dontDump };
  try {
    return { ...native.mapNode(request), node, pageSize, align, bound: true };
  } catch (error) {
    // Where all memory is on one node there is nothing to bind it to.
    const only = memoryNodes(host).length === 1;
    if (!only || !isUnspoken(error)) throw explained(error, node, host);
  }
  try {
    return { ...native.mapNode({ ...request, node: -1 }), node, pageSize, align, bound: false };
  } catch (error) {
    throw explained(error, node, host);
  }
}

/** Where the pages of the range are. */
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
    if (nodes.length !== 1 || !isUnspoken(error)) throw explained(error, -1, host);
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
    `of the pages of ${formatSize(pageSize)} that were wanted on NUMA node ${mapping.node}, ${there}: the node has no room ` +
      'for all. Take less, or pass strict: false to accept it',
  );
}

/** Opens memory of a node, and makes sure of where it is. What both faces of it are made from. */
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

/** One piece of it is there, and bound, when this resolves. */
async function populate({ handle, node, bound }: NodeMapping, at: number, length: number, host: Host): Promise<void> {
  const { status } = await native.populateAsync(handle, at, length, true);
  if (status !== 0) {
    // EFAULT, and SIGBUS with older kernels: huge pages have run out.
    const errno = status < 0 || status === EFAULT ? ENOMEM : status;
    throw explained(Object.assign(new Error('pages cannot be had'), { errno, syscall: 'madvise' }), node, host);
  }
  try {
    if (bound) native.bindNode(handle, at, length, node);
  } catch (error) {
    throw explained(error, node, host);
  }
}

/** {@link openNodeMapping}, piece by piece. */
export async function openNodeMappingAsync(
  node: number,
  options: CheckedMapOptions,
  { signal, onProgress }: NodeMapAsyncOptions,
  host: Host,
): Promise<NodeMapping> {
  signal?.throwIfAborted();
  checkNode(node, host);
  checkRoom(node, options, host);
  const mapping = map(node, options, options.populate, host);
  try {
    const { size, pageSize } = mapping;
    for (let at = 0; options.populate && at < size; ) {
      const length = Math.min(Math.max(PIECE, pageSize), size - at);
      // Others may have taken it meanwhile. Huge pages were set apart for this mapping when it was made.
      if (at > 0 && options.hugePages === undefined) checkRoom(node, { ...options, size: size - at }, host);
      await populate(mapping, at, length, host);
      if (options.strict) demandPlaced(mapping, at, length, host);
      at += length;
      onProgress?.(at);
      signal?.throwIfAborted();
    }
    return mapping;
  } catch (error) {
    native.close(mapping.handle);
    throw error;
  }
}

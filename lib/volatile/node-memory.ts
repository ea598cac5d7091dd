/** Ordinary memory of a given NUMA node, and where its pages really are. */

import { constants } from 'node:os';
import { type Mapped, native } from '../binding.js';
import { outOfRange, PmemError, systemError, wrongValue } from '../errors.js';
import { rangeError, within } from '../memory/checks.js';
import { HOST, type Host } from '../memory/host.js';
import { knownSource, knownTarget } from '../memory/known-bytes.js';
import { watchSignals } from '../memory/signals.js';
import { MOST_BUFFER_BYTES, Windows } from '../memory/windows.js';
import { formatSize, parseSize, type Size } from '../units.js';
import { groupRoom } from './group-room.js';
import {
  type CheckedMapOptions,
  checkKnown,
  checkMapOptions,
  checkNodeNumber,
  MAP_OPTIONS,
  type NodeMapOptions,
} from './map-options.js';
import { allowedNodes, checkNode, hugeRoomOn, memoryNodes, roomOn } from './nodes.js';
import { examine } from './soundness.js';

/** Options of {@link mapOnNode}. */
export interface MapOnNodeOptions extends NodeMapOptions {
  /** Number of the NUMA node. */
  node: number;
}

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
}

const { EINVAL, ENOMEM, ENOSYS, EPERM } = constants.errno;

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

/** Maps, binds and populates; does not look where pages are. */
function map(node: number, options: CheckedMapOptions, pageSize: number, host: Host): Mapped {
  const { size, align, hugePages, populate } = options;
  const request = { length: size, pageSize, alignment: align, hugePages: hugePages !== undefined, node, populate };
  try {
    return native.mapNode(request);
  } catch (error) {
    // Where all memory is on one node there is nothing to bind it to.
    const only = memoryNodes(host).length === 1;
    if (!only || !isUnspoken(error)) throw explained(error, node, host);
  }
  try {
    return native.mapNode({ ...request, node: -1 });
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
function demandPlaced(mapping: NodeMapping, host: Host): void {
  const { nodes, pageSize } = placementOf(mapping, 0, mapping.size, host);
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
  const pageSize = options.hugePages ?? native.pageSize();
  const mapped = map(node, options, pageSize, host);
  const mapping: NodeMapping = { ...mapped, node, pageSize, align: options.align };
  try {
    watchSignals();
    if (options.populate && options.strict) demandPlaced(mapping, host);
    return mapping;
  } catch (error) {
    native.close(mapping.handle);
    throw error;
  }
}

const OPEN = Symbol('open');

/**
 * Ordinary memory of one NUMA node, mapped into this process. It forgets: at the latest when the process ends, and it has no
 * call that would make anything durable.
 *
 * Every method throws `ERR_PMEM_CLOSED` after {@link close}, and `ERR_PMEM_MEDIA` once the hardware reported corrupt memory
 * in it.
 */
export class NodeMemory implements Disposable {
  /** Nothing of it survives. */
  readonly persistent = false;
  readonly #mapping: NodeMapping;
  readonly #host: Host;
  readonly #windows: Windows;
  #closed = false;

  /** @internal Use {@link mapOnNode}. */
  constructor(guard: typeof OPEN, mapping: NodeMapping, host: Host) {
    if (guard !== OPEN) throw wrongValue('NodeMemory', 'made by mapOnNode', 'new');
    this.#mapping = mapping;
    this.#host = host;
    this.#windows = new Windows(mapping.handle, mapping.size);
  }

  /** Bytes. */
  get size(): number {
    return this.#mapping.size;
  }

  /** Number of the NUMA node that the memory was asked of. */
  get node(): number {
    return this.#mapping.node;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * A zero-copy Buffer on the memory, zero until somebody stores into it. After {@link close} its length is 0.
   *
   * @param offset in bytes, default 0
   * @param length in bytes, default up to the end; at most the longest Buffer (4 GiB on Node.js 20)
   */
  view(offset: Size = 0, length?: Size): Buffer {
    const [start, count] = this.#range('view', offset, length);
    if (count > MOST_BUFFER_BYTES) {
      throw outOfRange('length', `at most ${formatSize(MOST_BUFFER_BYTES)}, the longest Buffer here,`, count);
    }
    return this.#windows.buffer(start, count);
  }

  /**
   * On which nodes the pages of the range are now, as the kernel says (move_pages(2)). It may move pages later: when an
   * administrator asks, or when the node is taken away.
   *
   * @throws PmemError `EPERM` where a sandbox forbids to ask
   */
  where(offset: Size = 0, length?: Size): PagePlacement {
    const [start, count] = this.#range('where', offset, length);
    return placementOf(this.#mapping, start, count, this.#host);
  }

  /** Gives the memory back: every Buffer made from it has length 0. Closing twice is harmless. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    knownSource.forget();
    knownTarget.forget();
    this.#windows.detachAll();
    native.close(this.#mapping.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #range(operation: string, offset: Size, length: Size | undefined): [start: number, count: number] {
    const { size, handle, node } = this.#mapping;
    if (this.#closed) {
      throw new PmemError('ERR_PMEM_CLOSED', `${operation}: the memory of NUMA node ${node} is closed`);
    }
    const start = typeof offset === 'number' ? offset : parseSize(offset, 'offset');
    const count =
      length === undefined ? size - start : typeof length === 'number' ? length : parseSize(length, 'length');
    if (!within(start, count, size)) throw rangeError(start, count, size, 'memory');
    examine(handle, operation, `NUMA node ${node}`);
    return [start, count];
  }
}

/**
 * Ordinary memory of one NUMA node: of the DRAM near some CPUs, or of a DAX device in mode `system-ram`
 * (its `targetNode`, see `reconfigure`). Unless `populate` is false, every page is there and on that node when this
 * returns, or it throws; the kernel was asked for each of them.
 *
 * It works on machines with one node too, on kernels that know of none (all memory is then on node 0), and in containers
 * that forbid mbind as long as there is only one node.
 *
 * @param host where the kernel tells about itself; another machine's copy in tests
 * @throws PmemError `ERR_PMEM_NODE` when there is no such node, or none with memory; `ENOMEM` when the node has too little, or
 *   the limit of a control group (cgroup) leaves too little;
 *   `ERR_PMEM_NODE_PLACEMENT` when pages came from elsewhere nevertheless; `EPERM` where a sandbox forbids to bind memory;
 *   `EINVAL` where a cpuset keeps the node from this process.
 */
export function mapOnNode(options: MapOnNodeOptions, host: Host = HOST): NodeMemory {
  checkKnown(options, ['node', ...MAP_OPTIONS]);
  const node = checkNodeNumber(options.node, 'options.node');
  const checked = checkMapOptions(options, native.pageSize());
  return new NodeMemory(OPEN, openNodeMapping(node, checked, host), host);
}

/** Ordinary memory of a given NUMA node, for users. */

import { native } from '../binding.js';
import { outOfRange, PmemError, wrongValue } from '../errors.js';
import { HOST, type Host } from '../linux/host.js';
import { rangeError, within } from '../memory/checks.js';
import { checkAsyncOptions } from '../memory/region/options.js';
import { knownSource, knownTarget } from '../memory/region/source-cache.js';
import { MOST_BUFFER_BYTES, Windows } from '../memory/region/windows.js';
import { ownOptions } from '../options.js';
import { formatSize, parseSize, type Size } from '../units.js';
import { examine } from './check.js';
import {
  ASYNC_OPTIONS,
  checkMapOptions,
  checkNodeNumber,
  MAP_OPTIONS,
  type NodeMapAsyncOptions,
  type NodeMapOptions,
} from './map-options.js';
import {
  type NodeMapping,
  openNodeMapping,
  openNodeMappingAsync,
  type PagePlacement,
  placementOf,
} from './node-mapping.js';

/** Options of {@link mapOnNode}. */
export interface MapOnNodeOptions extends NodeMapOptions {
  /** Number of the NUMA node. */
  node: number;
}

/** Options of {@link mapOnNodeAsync}. */
export interface MapOnNodeAsyncOptions extends MapOnNodeOptions, NodeMapAsyncOptions {}

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
    this.#closed = true;
    knownSource.forget();
    knownTarget.forget();
    // Each can be done twice: a close that was interrupted is done again.
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
export function mapOnNode(given: MapOnNodeOptions, host: Host = HOST): NodeMemory {
  const options = ownOptions(given, ['node', ...MAP_OPTIONS]);
  const node = checkNodeNumber(options.node, 'options.node');
  const checked = checkMapOptions(options, native.pageSize(), false);
  return new NodeMemory(OPEN, openNodeMapping(node, checked, host), host);
}

/**
 * {@link mapOnNode}, with the pages brought in on another thread, and looked at in pieces: the event loop goes on turning. Where
 * others take the memory meanwhile it is `ENOMEM`, as far as that can be seen in time.
 *
 * @throws PmemError as `mapOnNode` does; the signal's reason when it was given up. Then all of the memory is given back.
 */
export async function mapOnNodeAsync(given: MapOnNodeAsyncOptions, host: Host = HOST): Promise<NodeMemory> {
  const options = ownOptions(given, ['node', ...MAP_OPTIONS, ...ASYNC_OPTIONS]);
  checkAsyncOptions(options);
  const node = checkNodeNumber(options.node, 'options.node');
  const checked = checkMapOptions(options, native.pageSize(), false);
  return new NodeMemory(OPEN, await openNodeMappingAsync(node, checked, options, host), host);
}

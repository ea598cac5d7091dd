/** Ordinary memory of a given NUMA node, for users. */

import { inspect } from 'node:util';
import { native } from '../binding.js';
import { outOfRange, PmemError, wrongType, wrongValue } from '../errors.js';
import { HOST, type Host } from '../linux/host.js';
import { rangeError, within } from '../memory/checks.js';
import { sourceCache, targetCache } from '../memory/region/source-cache.js';
import { MOST_BUFFER_BYTES, Windows } from '../memory/region/windows.js';
import { jobOptions, ownOptions } from '../options.js';
import { formatSize } from '../units.js';
import { checkMemory } from './check.js';
import {
  type NodeMapping,
  openNodeMapping,
  openNodeMappingAsync,
  type PagePlacement,
  placementOf,
} from './node-mapping.js';
import {
  type CheckedMapOptions,
  checkMapOptions,
  MAP_ASYNC_OPTIONS,
  MAP_OPTIONS,
  type NodeMapAsyncOptions,
  type NodeMapOptions,
  nodeOption,
} from './options.js';

/** Options of {@link NodeMemory.open}. */
export interface NodeMemoryOptions extends NodeMapOptions {
  /** Number of the NUMA node, from 0 to 1023. */
  node: number;
}

/** Options of {@link NodeMemory.openAsync}. */
export interface NodeMemoryAsyncOptions extends NodeMemoryOptions, NodeMapAsyncOptions {}

/** The node, and how it is mapped. */
function checkOpen(options: NodeMemoryOptions): [node: number, checked: CheckedMapOptions] {
  const node = nodeOption(options.node);
  if (node === undefined) throw wrongType('options.node', 'the number of a NUMA node', undefined);
  return [node, checkMapOptions(options, native.pageSize(), false)];
}

const OPEN = Symbol('open');

/**
 * Ordinary memory of one NUMA node, mapped into this process: the DRAM near some CPUs, or what a DAX device became in mode
 * `system-ram` (its `targetNode`, see `reconfigure`). It is lost when the process ends at the latest. No call makes it durable.
 *
 * It works on machines with one node too, on kernels without NUMA (all memory is on node 0 then), and in containers that forbid mbind,
 * as long as there is only one node.
 *
 * Every method throws `ERR_PMEM_CLOSED` after {@link close}, and `ERR_PMEM_MEDIA` once the hardware reported corrupt memory in it.
 */
export class NodeMemory implements Disposable {
  /** The memory is never persistent. */
  readonly persistent = false;
  readonly #mapping: NodeMapping;
  readonly #host: Host;
  readonly #windows: Windows;
  #closed = false;

  private constructor(guard: typeof OPEN, mapping: NodeMapping, host: Host) {
    if (guard !== OPEN) throw wrongValue('NodeMemory', 'made by NodeMemory.open', 'new');
    this.#mapping = mapping;
    this.#host = host;
    this.#windows = new Windows(mapping.handle, mapping.size);
  }

  /**
   * Maps memory of a node. Unless `populate` is false, every page is allocated on that node when this returns, or it throws: the
   * kernel was asked for each page.
   *
   * @throws PmemError `ERR_PMEM_NODE` when there is no such node, or it has no memory; `ENOMEM` when the node, or the limit of a control
   *   group (cgroup), has too little left; `ERR_PMEM_NODE_PLACEMENT` when the kernel took pages from another node; `EPERM` where a
   *   sandbox forbids to bind memory; `EINVAL` where a cpuset keeps the node from this process. TypeError and RangeError for wrong options.
   */
  static open(options: NodeMemoryOptions): NodeMemory;
  /** @internal On what another host tells of itself. */
  static open(options: NodeMemoryOptions, host: Host): NodeMemory;
  static open(given: NodeMemoryOptions, host: Host = HOST): NodeMemory {
    const options = ownOptions(given, ['node', ...MAP_OPTIONS]);
    const [node, checked] = checkOpen(options);
    return new NodeMemory(OPEN, openNodeMapping(node, checked, host), host);
  }

  /**
   * {@link open}, step by step: another thread allocates the pages, and the event loop turns between the steps. `ENOMEM` where others
   * take the memory meanwhile, as far as this can be seen in time.
   *
   * @throws PmemError as {@link open}; the signal's reason when it was aborted. All of the memory is given back then.
   */
  static openAsync(options: NodeMemoryAsyncOptions): Promise<NodeMemory>;
  /** @internal On what another host tells of itself. */
  static openAsync(options: NodeMemoryAsyncOptions, host: Host): Promise<NodeMemory>;
  static async openAsync(given: NodeMemoryAsyncOptions, host: Host = HOST): Promise<NodeMemory> {
    const options = ownOptions(given, ['node', ...MAP_ASYNC_OPTIONS]);
    const job = jobOptions(options);
    const [node, checked] = checkOpen(options);
    return new NodeMemory(OPEN, await openNodeMappingAsync(node, checked, job, host), host);
  }

  /** Bytes. */
  get size(): number {
    return this.#mapping.size;
  }

  /** Number of the NUMA node that was asked for. */
  get node(): number {
    return this.#mapping.node;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * A zero-copy Buffer on the memory, which is zero until somebody stores into it. Its length is 0 after {@link close}.
   *
   * @param offset in bytes
   * @param length in bytes; default up to the end; at most the longest Buffer (4 GiB on Node.js 20)
   * @throws TypeError, RangeError `ERR_OUT_OF_RANGE` for what is not whole bytes within the memory
   */
  view(offset = 0, length?: number): Buffer {
    const count = this.#checkRange('view', offset, length);
    if (count > MOST_BUFFER_BYTES) {
      throw outOfRange('length', `at most ${formatSize(MOST_BUFFER_BYTES)}, the longest Buffer here,`, count);
    }
    return this.#windows.buffer(offset, count);
  }

  /**
   * On which nodes the pages of the range are now, as the kernel says (move_pages(2)). The kernel may move pages later: when an
   * administrator asks for it, or takes the node away.
   *
   * @param offset in bytes
   * @param length in bytes; default up to the end
   * @throws PmemError `EPERM` where a sandbox forbids the question; TypeError and RangeError as {@link view}
   */
  where(offset = 0, length?: number): PagePlacement {
    const count = this.#checkRange('where', offset, length);
    return placementOf(this.#mapping, offset, count, this.#host);
  }

  /** Gives the memory back; every Buffer made from it has length 0 then. Closing twice is harmless. */
  close(): void {
    this.#closed = true;
    sourceCache.clear();
    targetCache.clear();
    // Each can be done twice: a close that was interrupted is done again.
    this.#windows.detachAll();
    native.close(this.#mapping.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** What `console.log` shows. */
  [inspect.custom](): string {
    return `NodeMemory on node ${this.node} (${this.#closed ? 'closed' : formatSize(this.size)})`;
  }

  /** Throws unless the memory is usable and the range lies within it; returns the length. */
  #checkRange(operation: string, offset: number, length: number | undefined): number {
    const { size, handle, node } = this.#mapping;
    if (this.#closed) {
      throw new PmemError('ERR_PMEM_CLOSED', `${operation}: the memory of NUMA node ${node} is closed`);
    }
    const rest = typeof offset === 'number' ? size - offset : 0;
    const count = length === undefined ? rest : length;
    if (!within(offset, count, size)) throw rangeError(offset, count, size, 'memory');
    checkMemory(handle, operation, `NUMA node ${node}`);
    return count;
  }
}

/** Buffers on the memory of one NUMA node. */

import { inspect } from 'node:util';
import { isUint8Array } from 'node:util/types';
import { Completion, EXTRA, HANDLE, LENGTH, mailbox, native, OFFSET, RESULT, STATUS } from '../binding.js';
import { PmemError, posixError, wrongType, wrongValue } from '../errors.js';
import { Jobs } from '../jobs.js';
import { HOST, type Host } from '../linux/host.js';
import { bufferOf, lengthOf, sizeOf } from '../memory/checks.js';
import { sourceCache, targetCache } from '../memory/region/source-cache.js';
import { mappedBuffer } from '../memory/region/windows.js';
import { jobOptions, ownOptions } from '../options.js';
import { formatSize } from '../units.js';
import {
  type AllocateOptions,
  ARENA_ASYNC_OPTIONS,
  ARENA_OPTIONS,
  type ArenaAsyncOptions,
  type ArenaOptions,
  checkAllocation,
  checkArena,
  checkReuse,
  type FreeOptions,
} from './arena-options.js';
import { checkMemory } from './check.js';
import { collectGarbage } from './collect.js';
import { FreeSpace, GRANULE } from './free-space.js';
import {
  type NodeMapping,
  openNodeMapping,
  openNodeMappingAsync,
  type PagePlacement,
  placementOf,
} from './node-mapping.js';

/** How an arena is used. Bytes count in whole multiples of 64. */
export interface ArenaStatistics {
  readonly persistent: false;
  readonly node: number;
  /** Bytes in all. */
  readonly size: number;
  /** Bytes that Buffers have, their sizes rounded up. */
  readonly used: number;
  /** Of those, bytes of Buffers that were freed and wait to be collected (`reuse: 'collected'`). */
  readonly pending: number;
  readonly free: number;
  /** Bytes of the longest Buffer that could be allocated now. */
  readonly largestFree: number;
  /** Buffers that were neither freed nor found to be collected. */
  readonly buffers: number;
  /** Buffers that were ever allocated. */
  readonly allocations: number;
  /** Buffers that `free` gave back. */
  readonly freedByHand: number;
  /** Buffers that garbage collection gave back. */
  readonly freedByCollection: number;
}

/** The memory of one Buffer. */
interface Allocation {
  readonly arena: VolatileArena;
  readonly offset: number;
  /** As it was asked for. */
  readonly bytes: number;
  readonly buffer: WeakRef<ArrayBuffer>;
  /** What the addon knows it by. */
  readonly view: object;
  freed: boolean;
}

/** Of every ArrayBuffer that an arena of this thread made, the freed ones included. */
const allocations = new WeakMap<ArrayBufferLike, Allocation>();

const OPEN = Symbol('open');
const { fill } = native;

/** Most collections that {@link VolatileArena.allocateAsync} waits for, each of which gave something back. */
const ROUNDS = 8;

/**
 * Hands out Buffers on the memory of one NUMA node, for example of what a DAX device became in mode `system-ram`. A Buffer ends by
 * {@link free} or by garbage collection; while anybody can reach one of its bytes, no other Buffer has them. The memory is not
 * persistent, and no call makes it durable. Core dumps leave it out, unless `dontDump: false` is passed.
 *
 * An arena has a fixed size. It belongs to the thread that opened it. Every method but {@link close} throws `ERR_PMEM_CLOSED` after it.
 */
export class VolatileArena implements Disposable, AsyncDisposable {
  /** The memory is never persistent. */
  readonly persistent = false;
  readonly #mapping: NodeMapping;
  readonly #host: Host;
  readonly #zeroOnFree: boolean;
  readonly #space: FreeSpace;
  readonly #live = new Map<number, Allocation>();
  /** What was collected, as the addon notes it. */
  readonly #collected = native.collectedList();
  readonly #jobs = new Jobs();
  #pending = 0;
  #waiting = 0;
  #allocations = 0;
  /** Allocations that garbage collection gave back, those that were freed before included. */
  #givenBack = 0;
  #freedByHand = 0;
  #freedByCollection = 0;
  #closed = false;

  private constructor(guard: typeof OPEN, mapping: NodeMapping, host: Host, zeroOnFree: boolean) {
    if (guard !== OPEN) throw wrongValue('VolatileArena', 'made by VolatileArena.open', 'new');
    this.#mapping = mapping;
    this.#host = host;
    this.#zeroOnFree = zeroOnFree;
    this.#space = new FreeSpace(mapping.size);
  }

  /**
   * Maps memory of the node, or of the node that a device in mode `system-ram` became, as `NodeMemory.open` does: by default every page
   * is allocated on that node when this returns. If the node has other memory beside the device's, pages may be on that.
   *
   * @throws PmemError as `NodeMemory.open`; `ENODEV` when there is no such device, `ERR_PMEM_MODE` when it is not in mode `system-ram`
   */
  static open(options: ArenaOptions): VolatileArena;
  /** @internal On what another host tells of itself. */
  static open(options: ArenaOptions, host: Host): VolatileArena;
  static open(given: ArenaOptions, host: Host = HOST): VolatileArena {
    const { node, map, zeroOnFree } = checkArena(ownOptions(given, ARENA_OPTIONS), host);
    return new VolatileArena(OPEN, openNodeMapping(node, map, host), host, zeroOnFree);
  }

  /**
   * {@link open}, step by step: another thread allocates the pages, as `NodeMemory.openAsync` does.
   *
   * @throws PmemError as {@link open}; the signal's reason when it was aborted. All of the memory is given back then.
   */
  static openAsync(options: ArenaAsyncOptions): Promise<VolatileArena>;
  /** @internal On what another host tells of itself. */
  static openAsync(options: ArenaAsyncOptions, host: Host): Promise<VolatileArena>;
  static async openAsync(given: ArenaAsyncOptions, host: Host = HOST): Promise<VolatileArena> {
    const options = ownOptions(given, ARENA_ASYNC_OPTIONS);
    const job = jobOptions(options);
    const { node, map, zeroOnFree } = checkArena(options, host);
    return new VolatileArena(OPEN, await openNodeMappingAsync(node, map, job, host), host, zeroOnFree);
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
   * A new Buffer, filled with zeroes by default. It begins at a multiple of 64 bytes, and shares no cache line with another one. It
   * has an ArrayBuffer (`buffer`) of its own.
   *
   * @param bytes at least 1, at most the longest Buffer (4 GiB on Node.js 20)
   * @throws PmemError `ENOMEM` when no free range is long enough. Garbage is given back between turns of the event loop only:
   *   {@link allocateAsync} waits for it. TypeError and RangeError for wrong arguments.
   */
  allocate(bytes: number, options: AllocateOptions = {}): Buffer {
    const { length, align, zero } = checkAllocation(bytes, options, this.#mapping.align);
    this.#check('allocate');
    const buffer = this.#make(length, align, zero);
    if (buffer === undefined) throw this.#exhausted(length, align);
    return buffer;
  }

  /**
   * {@link allocate}, which collects garbage when there is no room, and again as long as that gives something back. V8 does not know how
   * much memory its Buffers hold here, and may collect them late. A full collection stops the event loop for as long as this thread's
   * heap takes, some 100 ms for a million objects; where nothing is garbage there is one collection.
   *
   * @throws PmemError `ENOMEM` when collecting does not help; else as {@link allocate}
   */
  async allocateAsync(bytes: number, options: AllocateOptions = {}): Promise<Buffer> {
    const { length, align, zero } = checkAllocation(bytes, options, this.#mapping.align);
    return await this.#jobs.track(this.#makeOrCollect(length, align, zero));
  }

  async #makeOrCollect(length: number, align: number, zero: boolean): Promise<Buffer> {
    for (let round = 0; ; round++) {
      this.#check('allocateAsync');
      const buffer = this.#make(length, align, zero);
      if (buffer !== undefined) return buffer;
      const before = this.#givenBack;
      if (round < ROUNDS) await collectGarbage();
      if (this.#closed) continue; // and throw so
      this.#drain();
      if (this.#givenBack === before) throw this.#exhausted(length, align);
    }
  }

  /**
   * Gives the bytes of a Buffer back at once. Its length is 0 from then on, and so is that of whatever else was made on its ArrayBuffer
   * (subarrays, DataViews).
   *
   * This cannot see what Node.js is doing with the Buffer on other threads, just as C's `free`: let that end first, or pass
   * `reuse: 'collected'`.
   *
   * @param buffer what `allocate` returned, not a part of it
   * @throws TypeError `ERR_INVALID_ARG_VALUE` for anything else; PmemError `ERR_PMEM_DOUBLE_FREE` for a Buffer that was freed before;
   *   `ERR_PMEM_TRANSFERRED` when its memory was transferred to another ArrayBuffer: garbage collection of both gives it back
   */
  free(buffer: Uint8Array, options: FreeOptions = {}): void {
    if (!isUint8Array(buffer)) throw wrongType('buffer', 'a Buffer that allocate returned', buffer);
    const reuse = checkReuse(options);
    this.#check('free');
    const memory = bufferOf.call(buffer) as ArrayBuffer;
    const allocation = allocations.get(memory);
    if (allocation === undefined) throw wrongValue('buffer', 'a Buffer that allocate returned', buffer);
    if (allocation.arena !== this) throw wrongValue('buffer', "a Buffer of this arena; it is another one's", buffer);
    if (allocation.freed) throw new PmemError('ERR_PMEM_DOUBLE_FREE', 'free: this Buffer was freed before');
    if (sizeOf.call(memory) === 0) {
      throw new PmemError(
        'ERR_PMEM_TRANSFERRED',
        "free: this Buffer's memory was transferred to another ArrayBuffer; garbage collection gives it back",
      );
    }
    if (lengthOf.call(buffer) !== allocation.bytes) {
      throw wrongValue('buffer', 'the Buffer that allocate returned, as a whole', buffer);
    }
    native.detach(memory, allocation.view);
    if (sizeOf.call(memory) !== 0) {
      throw new PmemError(
        'ERR_PMEM_IN_USE',
        'free: the runtime cannot detach this ArrayBuffer; leave it to garbage collection',
      );
    }
    allocation.freed = true;
    this.#freedByHand++;
    if (reuse === 'now') {
      native.leaveCollected(allocation.view);
      this.#zero(allocation.offset, 'free');
      this.#live.delete(allocation.offset);
      this.#space.give(allocation.offset);
    } else {
      this.#waiting++;
      this.#pending += this.#space.lengthOf(allocation.offset) ?? 0;
    }
  }

  /** How the arena is used; what was collected by now counts as free. */
  statistics(): ArenaStatistics {
    this.#check('statistics');
    this.#drain();
    const space = this.#space;
    const size = this.size - (this.size % GRANULE);
    return {
      persistent: false,
      node: this.node,
      size,
      used: size - space.freeBytes,
      pending: this.#pending,
      free: space.freeBytes,
      largestFree: space.largest,
      buffers: this.#live.size - this.#waiting,
      allocations: this.#allocations,
      freedByHand: this.#freedByHand,
      freedByCollection: this.#freedByCollection,
    };
  }

  /**
   * On which nodes the pages of the whole arena are now, as the kernel says.
   *
   * @throws PmemError as `NodeMemory.where`
   */
  where(): PagePlacement {
    this.#check('where');
    return placementOf(this.#mapping, 0, this.size, this.#host);
  }

  /**
   * Ends the arena: every Buffer of it has length 0, and the memory is given back. An {@link allocateAsync} under way rejects. Closing
   * twice is harmless.
   */
  close(): void {
    if (this.#closed) return;
    try {
      if (this.#zeroOnFree) this.#zeroAll();
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#closed = true;
    sourceCache.clear();
    targetCache.clear();
    // Each can be done twice: a close that was interrupted is done again.
    for (const { buffer, view } of this.#live.values()) {
      const memory = buffer.deref();
      if (memory !== undefined) native.detach(memory, view);
    }
    this.#live.clear();
    native.close(this.#mapping.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** {@link close}, once no {@link allocateAsync} is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs.whenIdle(() => this.close());
  }

  /** What `console.log` shows. */
  [inspect.custom](): string {
    const state = this.#closed ? 'closed' : `${formatSize(this.#space.freeBytes)} of ${formatSize(this.size)} free`;
    return `VolatileArena on node ${this.node} (${state})`;
  }

  #make(length: number, align: number, zero: boolean): Buffer | undefined {
    this.#drain();
    const offset = this.#space.take(length, align);
    if (offset === undefined) return undefined;
    let made: ReturnType<typeof mappedBuffer>;
    try {
      made = mappedBuffer(this.#mapping.handle, offset, length, this.#collected);
    } catch (error) {
      this.#space.give(offset);
      throw error;
    }
    const { buffer: memory, view } = made;
    const allocation = { arena: this, offset, bytes: length, buffer: new WeakRef(memory), view, freed: false };
    this.#live.set(offset, allocation);
    allocations.set(memory, allocation);
    this.#allocations++;
    const buffer = Buffer.from(memory);
    return zero ? buffer.fill(0) : buffer;
  }

  /** Overwrites natively, not through a Buffer: V8 could leave out stores that nobody reads. */
  #zero(offset: number, operation: string): void {
    const length = this.#space.lengthOf(offset);
    if (!this.#zeroOnFree || length === undefined) return;
    mailbox[HANDLE] = this.#mapping.handle;
    mailbox[OFFSET] = offset;
    mailbox[LENGTH] = length;
    mailbox[EXTRA] = Completion.store;
    mailbox[RESULT] = 0;
    fill();
    if (mailbox[STATUS] === 0) return;
    this.#check(operation);
    throw new PmemError(
      'ERR_PMEM_MEDIA',
      `${operation}: bytes of the arena on NUMA node ${this.node} could not be overwritten`,
    );
  }

  /** Overwrites what is still used when the arena ends, except memory that was transferred, which outlives the arena. */
  #zeroAll(): void {
    this.#drain();
    for (const { offset, buffer, freed } of this.#live.values()) {
      const memory = buffer.deref();
      if (freed || (memory !== undefined && sizeOf.call(memory) > 0)) this.#zero(offset, 'close');
    }
  }

  /** Takes back memory whose addresses nobody can know any more. */
  #drain(): void {
    const offsets = native.takeCollected(this.#collected);
    if (offsets === undefined) return;
    this.#givenBack += offsets.length;
    for (const offset of offsets) {
      const allocation = this.#live.get(offset);
      this.#zero(offset, 'free');
      const length = this.#space.give(offset) ?? 0;
      this.#live.delete(offset);
      if (allocation?.freed === true) {
        this.#waiting--;
        this.#pending -= length;
      } else {
        this.#freedByCollection++;
      }
    }
  }

  #check(operation: string): void {
    if (this.#closed) {
      throw new PmemError('ERR_PMEM_CLOSED', `${operation}: the arena on NUMA node ${this.node} is closed`);
    }
    checkMemory(this.#mapping.handle, operation, `NUMA node ${this.node}`);
  }

  #exhausted(length: number, align: number): PmemError {
    const { free, largestFree, used, buffers, pending } = this.statistics();
    const aligned = align > GRANULE ? ` at a multiple of ${formatSize(align)}` : '';
    const waiting = pending === 0 ? '' : `, ${formatSize(pending)} more of freed ones that were not collected yet`;
    return posixError(
      'ENOMEM',
      `the arena on NUMA node ${this.node} has no free ${formatSize(length)}${aligned}: of ${formatSize(this.size)}, ` +
        `${formatSize(free)} are free, at most ${formatSize(largestFree)} in one range; ${buffers} Buffers have ${formatSize(used - pending)}${waiting}. ` +
        'Free some, wait for garbage collection with allocateAsync, or open a larger arena',
    );
  }
}

/** Buffers on the memory of one NUMA node. */

import { isUint8Array } from 'node:util/types';
import { Completion, EXTRA, HANDLE, LENGTH, mailbox, native, OFFSET, RESULT, STATUS } from '../binding.js';
import { outOfRange, PmemError, wrongType, wrongValue } from '../errors.js';
import { HOST, type Host } from '../linux/host.js';
import { bufferOf, lengthOf, sizeOf } from '../memory/checks.js';
import { checkAsyncOptions } from '../memory/region/options.js';
import { knownSource, knownTarget } from '../memory/region/source-cache.js';
import { MOST_BUFFER_BYTES, mappedBuffer } from '../memory/region/windows.js';
import { ownOptions } from '../options.js';
import { formatSize, parseSize, type Size } from '../units.js';
import { examine } from './check.js';
import { collectGarbage } from './collect.js';
import { nodeOfDevice } from './device-node.js';
import { FreeSpace, GRANULE } from './free-space.js';
import {
  ASYNC_OPTIONS,
  type CheckedMapOptions,
  checkAlign,
  checkBoolean,
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

/** Options of {@link VolatileArena.open}; either `node` or `device`. */
export interface ArenaOptions extends NodeMapOptions {
  /** Number of the NUMA node. */
  node?: number;
  /** A DAX device in mode `system-ram`, `dax0.0` or `/dev/dax0.0`: the arena is on the node that its memory became. */
  device?: string;
  /**
   * Overwrite a Buffer's bytes with zeroes when they are given back, so that they are nowhere in this process afterwards: by `free` at
   * once, or with `reuse: 'collected'` when the Buffer was collected; of what garbage collection gave back at the next `allocate`,
   * `free` or `statistics`; by `close` all that Buffers still have, but for memory that was transferred. Default false.
   */
  zeroOnFree?: boolean;
}

/** Options of {@link VolatileArena.openAsync}. */
export interface ArenaAsyncOptions extends ArenaOptions, NodeMapAsyncOptions {}

/** Options of {@link VolatileArena.allocate}. */
export interface AllocateOptions {
  /** Alignment of the address in bytes, a power of two up to the arena's own. Default 64; less comes to 64. */
  align?: Size;
  /** Fill with zeroes, as Buffer.alloc does; false leaves what was there, as Buffer.allocUnsafe does. Default true. */
  zero?: boolean;
}

/** Options of {@link VolatileArena.free}. */
export interface FreeOptions {
  /**
   * `'now'` (default): the bytes can be another Buffer's as soon as the call returns. `'collected'`: only when the Buffer was
   * collected, which whatever is under way with it on other threads (`fs.read`, a socket's write) puts off.
   */
  reuse?: 'now' | 'collected';
}

/** How an arena is used. Bytes count in whole multiples of 64. */
export interface ArenaStatistics {
  readonly persistent: false;
  readonly node: number;
  /** Bytes to have Buffers on. */
  readonly size: number;
  /** Bytes that Buffers lie on, with what their sizes were rounded up by. */
  readonly used: number;
  /** Of those, bytes of Buffers that were freed, and wait to be collected (`reuse: 'collected'`). */
  readonly pending: number;
  readonly free: number;
  /** The longest Buffer that can be had now. */
  readonly largestFree: number;
  /** Buffers that were not freed, nor known to be collected. */
  readonly buffers: number;
  /** Buffers that were ever made. */
  readonly allocations: number;
  /** Buffers that `free` gave back. */
  readonly freedByHand: number;
  /** Buffers that garbage collection gave back. */
  readonly freedByCollection: number;
}

/** One Buffer's memory. */
interface Piece {
  readonly arena: VolatileArena;
  readonly offset: number;
  /** As asked for. */
  readonly bytes: number;
  readonly buffer: WeakRef<ArrayBuffer>;
  /** What the addon needs to know it by. */
  readonly view: object;
  freed: boolean;
}

/** Of every ArrayBuffer that an arena of this thread made, also those that were freed. */
const pieces = new WeakMap<ArrayBufferLike, Piece>();

const OPEN = Symbol('open');
const { fill } = native;
const ARENA_OPTIONS = ['node', 'device', 'zeroOnFree'] as const;

/** The options of `open`, but for names that it does not know, and the node that is meant. */
function checkOpen(options: ArenaOptions, host: Host): { node: number; checked: CheckedMapOptions; wipes: boolean } {
  const { node, device } = options;
  if ((node === undefined) === (device === undefined)) {
    throw wrongValue('options', 'with either a node or a device', node === undefined ? 'neither' : 'both');
  }
  const checked = checkMapOptions(options, native.pageSize(), true);
  const wipes = checkBoolean(options.zeroOnFree, 'options.zeroOnFree', false);
  const number = device === undefined ? checkNodeNumber(node, 'options.node') : nodeOfDevice(device, host);
  return { node: number, checked, wipes };
}

/** Most rounds of collection that {@link VolatileArena.allocateAsync} waits for, each of which gave something back. */
const ROUNDS = 8;

/**
 * Hands out Buffers on the memory of one NUMA node, such as what a DAX device became in mode `system-ram`. Buffers are
 * freed by {@link free} or by garbage collection; while anybody can reach a byte of one, no other has it. The memory
 * forgets, and there is nothing here to make it durable. It is left out of core dumps unless `dontDump: false` asks for it.
 *
 * It has its size from the beginning, and does not grow. It belongs to the thread that opened it. Every method but
 * {@link close} throws `ERR_PMEM_CLOSED` after it.
 */
export class VolatileArena implements Disposable {
  /** Nothing of it survives. */
  readonly persistent = false;
  readonly #mapping: NodeMapping;
  readonly #host: Host;
  readonly #wipes: boolean;
  readonly #space: FreeSpace;
  readonly #live = new Map<number, Piece>();
  readonly #notes = native.collectedList();
  #pending = 0;
  #waiting = 0;
  #allocations = 0;
  /** Pieces that garbage collection gave back, those that were freed before too. */
  #givenBack = 0;
  #freedByHand = 0;
  #freedByCollection = 0;
  #closed = false;

  /** @internal Use {@link VolatileArena.open}. */
  constructor(guard: typeof OPEN, mapping: NodeMapping, host: Host, wipes: boolean) {
    if (guard !== OPEN) throw wrongValue('VolatileArena', 'made by VolatileArena.open', 'new');
    this.#mapping = mapping;
    this.#host = host;
    this.#wipes = wipes;
    this.#space = new FreeSpace(mapping.size);
  }

  /**
   * Maps memory of the node, or of the node that a device in mode `system-ram` became, as `mapOnNode` does: unless told
   * otherwise all of it is there, and on that node, when this returns. If the node has other memory beside the device's,
   * pages may be on that.
   *
   * @param host where the kernel tells about itself; another machine's copy in tests
   * @throws PmemError what `mapOnNode` throws; `ENODEV` when there is no such device, `ERR_PMEM_MODE` when it is not in mode
   *   `system-ram`.
   */
  static open(given: ArenaOptions, host: Host = HOST): VolatileArena {
    const options = ownOptions(given, [...ARENA_OPTIONS, ...MAP_OPTIONS]);
    const { node, checked, wipes } = checkOpen(options, host);
    return new VolatileArena(OPEN, openNodeMapping(node, checked, host), host, wipes);
  }

  /**
   * {@link VolatileArena.open}, with the pages brought in on another thread, and looked at in pieces, as `mapOnNodeAsync` does.
   *
   * @throws PmemError as `open` does; the signal's reason when it was given up. Then all of the memory is given back.
   */
  static async openAsync(given: ArenaAsyncOptions, host: Host = HOST): Promise<VolatileArena> {
    const options = ownOptions(given, [...ARENA_OPTIONS, ...MAP_OPTIONS, ...ASYNC_OPTIONS]);
    checkAsyncOptions(options);
    const { node, checked, wipes } = checkOpen(options, host);
    return new VolatileArena(OPEN, await openNodeMappingAsync(node, checked, options, host), host, wipes);
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
   * A new Buffer, filled with zeroes unless told otherwise. It begins at a multiple of 64 bytes, and shares no cache line.
   * Its `buffer` (the ArrayBuffer) has nothing beside it.
   *
   * @param bytes at least 1, at most the longest Buffer (4 GiB on Node.js 20)
   * @throws PmemError `ENOMEM` when no free piece is long enough. What nobody reaches any more is given back between turns of
   *   the event loop only: {@link allocateAsync} waits for it.
   */
  allocate(bytes: Size, options: AllocateOptions = {}): Buffer {
    const { length, align, zero } = this.#checkRequest(bytes, options);
    this.#examine('allocate');
    const buffer = this.#make(length, align, zero);
    if (buffer === undefined) throw this.#exhausted(length, align);
    return buffer;
  }

  /**
   * {@link allocate}, which collects garbage if there is no room, and again as long as that gives something back. V8 does not know
   * how much memory hangs on its Buffers, and left alone may collect them late. A full collection stops the event loop for as long
   * as this thread's heap takes, some 100 ms for a million objects; where nothing is garbage there is one.
   *
   * @throws PmemError `ENOMEM` when collecting does not help.
   */
  async allocateAsync(bytes: Size, options: AllocateOptions = {}): Promise<Buffer> {
    const { length, align, zero } = this.#checkRequest(bytes, options);
    for (let round = 0; ; round++) {
      this.#examine('allocateAsync');
      const buffer = this.#make(length, align, zero);
      if (buffer !== undefined) return buffer;
      const before = this.#givenBack;
      if (round < ROUNDS) await collectGarbage();
      if (this.#closed) continue; // and say so
      this.#drain();
      if (this.#givenBack === before) throw this.#exhausted(length, align);
    }
  }

  /**
   * Gives a Buffer's bytes back at once. It has length 0 from then on, and so has whatever else was made on its
   * ArrayBuffer (subarrays, DataViews).
   *
   * What Node.js has under way with it on other threads is not seen, as with C's `free`: end it first, or say
   * `reuse: 'collected'`.
   *
   * @param buffer what `allocate` returned, not a part of it
   * @throws TypeError `ERR_INVALID_ARG_VALUE` for anything else; PmemError `ERR_PMEM_DOUBLE_FREE` for one that was freed;
   *   `ERR_PMEM_TRANSFERRED` for one whose memory was transferred to another ArrayBuffer: it is given back when both are
   *   collected.
   */
  free(buffer: Uint8Array, given: FreeOptions = {}): void {
    if (!isUint8Array(buffer)) throw wrongType('buffer', 'a Buffer that allocate returned', buffer);
    const { reuse = 'now' } = ownOptions(given, ['reuse']);
    if (reuse !== 'now' && reuse !== 'collected') throw wrongValue('options.reuse', "'now' or 'collected'", reuse);
    this.#examine('free');
    const memory = bufferOf.call(buffer) as ArrayBuffer;
    const piece = pieces.get(memory);
    if (piece === undefined) throw wrongValue('buffer', 'a Buffer that allocate returned', buffer);
    if (piece.arena !== this) throw wrongValue('buffer', "a Buffer of this arena; it is another one's", buffer);
    if (piece.freed) throw new PmemError('ERR_PMEM_DOUBLE_FREE', 'free: this Buffer was freed before');
    if (sizeOf.call(memory) === 0) {
      throw new PmemError(
        'ERR_PMEM_TRANSFERRED',
        "free: this Buffer's memory was transferred to another ArrayBuffer, and is given back when that one is collected",
      );
    }
    if (lengthOf.call(buffer) !== piece.bytes) {
      throw wrongValue('buffer', 'the Buffer that allocate returned, as a whole', buffer);
    }
    native.detach(memory, piece.view);
    if (sizeOf.call(memory) !== 0) {
      throw new PmemError(
        'ERR_PMEM_IN_USE',
        'free: the runtime does not let go of this ArrayBuffer; leave it to garbage collection',
      );
    }
    piece.freed = true;
    this.#freedByHand++;
    if (reuse === 'now') {
      native.leaveCollected(piece.view);
      this.#wipe(piece.offset, 'free');
      this.#live.delete(piece.offset);
      this.#space.give(piece.offset);
    } else {
      this.#waiting++;
      this.#pending += this.#space.lengthOf(piece.offset) ?? 0;
    }
  }

  /** How the arena is used, with all that was given back until now. */
  statistics(): ArenaStatistics {
    this.#examine('statistics');
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

  /** On which nodes the pages of the whole arena are now, as the kernel says. */
  where(): PagePlacement {
    this.#examine('where');
    return placementOf(this.#mapping, 0, this.size, this.#host);
  }

  /** Ends the arena: every Buffer of it has length 0, and the memory is given back. Closing twice is harmless. */
  close(): void {
    if (this.#closed) return;
    try {
      if (this.#wipes) this.#wipeAll();
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#closed = true;
    knownSource.forget();
    knownTarget.forget();
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

  #checkRequest(bytes: Size, given: AllocateOptions): { length: number; align: number; zero: boolean } {
    const length = parseSize(bytes, 'bytes');
    if (length === 0) throw outOfRange('bytes', 'at least 1', bytes);
    if (length > MOST_BUFFER_BYTES) {
      throw outOfRange('bytes', `at most ${formatSize(MOST_BUFFER_BYTES)}, the longest Buffer here,`, bytes);
    }
    const options = ownOptions(given, ['align', 'zero']);
    const align = options.align === undefined ? GRANULE : checkAlign(options.align, 'options.align');
    const most = this.#mapping.align;
    if (align > most) {
      throw outOfRange(
        'options.align',
        `at most ${formatSize(most)}, the alignment that the arena was opened with,`,
        options.align,
      );
    }
    return { length, align: Math.max(align, GRANULE), zero: checkBoolean(options.zero, 'options.zero', true) };
  }

  #make(length: number, align: number, zero: boolean): Buffer | undefined {
    this.#drain();
    const offset = this.#space.take(length, align);
    if (offset === undefined) return undefined;
    let made: ReturnType<typeof mappedBuffer>;
    try {
      made = mappedBuffer(this.#mapping.handle, offset, length, this.#notes);
    } catch (error) {
      this.#space.give(offset);
      throw error;
    }
    const { buffer: memory, view } = made;
    const piece = { arena: this, offset, bytes: length, buffer: new WeakRef(memory), view, freed: false };
    this.#live.set(offset, piece);
    pieces.set(memory, piece);
    this.#allocations++;
    const buffer = Buffer.from(memory);
    return zero ? buffer.fill(0) : buffer;
  }

  /** Natively, and not through a Buffer: where stores go that nobody reads again is not left to V8. */
  #wipe(offset: number, operation: string): void {
    const length = this.#space.lengthOf(offset);
    if (!this.#wipes || length === undefined) return;
    mailbox[HANDLE] = this.#mapping.handle;
    mailbox[OFFSET] = offset;
    mailbox[LENGTH] = length;
    mailbox[EXTRA] = Completion.store;
    mailbox[RESULT] = 0;
    fill();
    if (mailbox[STATUS] === 0) return;
    this.#examine(operation);
    throw new PmemError(
      'ERR_PMEM_MEDIA',
      `${operation}: bytes of the arena on NUMA node ${this.node} cannot be overwritten`,
    );
  }

  /** What is still used when the arena ends; not what was transferred, and outlives it. */
  #wipeAll(): void {
    this.#drain();
    for (const { offset, buffer, freed } of this.#live.values()) {
      const memory = buffer.deref();
      if (freed || (memory !== undefined && sizeOf.call(memory) > 0)) this.#wipe(offset, 'close');
    }
  }

  /** Takes back what nobody can know the addresses of any more. */
  #drain(): void {
    const offsets = native.takeCollected(this.#notes);
    if (offsets === undefined) return;
    this.#givenBack += offsets.length;
    for (const offset of offsets) {
      const piece = this.#live.get(offset);
      this.#wipe(offset, 'free');
      const length = this.#space.give(offset) ?? 0;
      this.#live.delete(offset);
      if (piece?.freed === true) {
        this.#waiting--;
        this.#pending -= length;
      } else {
        this.#freedByCollection++;
      }
    }
  }

  #examine(operation: string): void {
    if (this.#closed) {
      throw new PmemError('ERR_PMEM_CLOSED', `${operation}: the arena on NUMA node ${this.node} is closed`);
    }
    examine(this.#mapping.handle, operation, `NUMA node ${this.node}`);
  }

  #exhausted(length: number, align: number): PmemError {
    const { free, largestFree, used, buffers, pending } = this.statistics();
    const aligned = align > GRANULE ? ` at a multiple of ${formatSize(align)}` : '';
    const waiting = pending === 0 ? '' : `, ${formatSize(pending)} more of freed ones that were not collected yet`;
    return new PmemError(
      'ENOMEM',
      `ENOMEM: the arena on NUMA node ${this.node} has no free ${formatSize(length)}${aligned}: of ${formatSize(this.size)}, ` +
        `${formatSize(free)} are free, at most ${formatSize(largestFree)} in one piece; ${buffers} Buffers lie on ${formatSize(used - pending)}${waiting}. ` +
        'Free some, wait for garbage collection with allocateAsync, or open a larger arena',
    );
  }
}

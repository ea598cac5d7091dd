/** What the public classes of regions and instances need of the maker of devices: this library, or the kernel. */

import type { ByteRange } from '../../memory/memory.js';
import type { DaxSource } from '../dax-source.js';

/**
 * A piece of an instance, as `mapping0`, `mapping1`, … of the kernel's devices tell it. `offset` is where it begins in the file or
 * device, in bytes; in a region of the kernel and in `/dev/mem` that is the physical address.
 */
export interface DaxMapping extends ByteRange {
  /** Where it begins in the instance, in pages of 4 KiB, as the kernel counts. */
  readonly pageOffset: number;
}

/** How an asynchronous change waits for other programs that change the same region. */
export interface Waiting {
  /** Ends the wait. */
  readonly signal: AbortSignal | undefined;
  /** Called when the wait is over, before anything is changed; throws where the change makes no sense any more. */
  readonly check: () => void;
}

/** An instance. Arguments were checked; nothing here has it in use when it is resized or destroyed. */
export interface InstanceBackend {
  /** `dax0.1` */
  readonly name: string;
  /** False once it was destroyed, by whomever. */
  readonly exists: boolean;
  /** Bytes. */
  readonly size: number;
  /** Bytes. */
  readonly align: number;
  readonly mappings: DaxMapping[];
  /** Something that outlives the instance's object uses it: a mapping, in whatever thread. */
  readonly inUse: boolean;
  /** `ERR_PMEM_LOCKED`, or in this process `ERR_PMEM_BUSY`, where somebody else is changing the region. */
  resize(size: number): void;
  /** {@link resize}, which waits for other programs. */
  resizeAsync(size: number, waiting: Waiting): Promise<void>;
  /** Throws where {@link destroy} would, as far as that can be known before anything is done. */
  checkDestroy(): void;
  /** `ERR_PMEM_LOCKED`, or in this process `ERR_PMEM_BUSY`, where somebody else is changing the region. */
  destroy(): void;
  /** {@link destroy}, which waits for other programs. */
  destroyAsync(waiting: Waiting): Promise<void>;
  /** What it is opened as; throws where there is nothing to open. */
  source(): DaxSource;
}

/** How much of the region is wanted, and where. */
export interface Wanted {
  /** Bytes; undefined: all that is free once nobody else changes the region. */
  readonly size: number | undefined;
  /** In one piece. */
  readonly contiguous: boolean;
  /** These very bytes; their sum is the size. */
  readonly ranges: readonly ByteRange[] | undefined;
}

/** A region. */
export interface RegionBackend {
  readonly id: number;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes: sizes of instances are multiples of it. */
  readonly align: number;
  /** The devices are the kernel's. */
  readonly real: boolean;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
  readonly resource: number | undefined;
  /** Offset of the first byte that `ranges` and mappings may name; undefined where this user is not told. */
  readonly start: number | undefined;
  /** Bytes. */
  readonly availableSize: number;
  /** By their numbers. */
  readonly instances: InstanceBackend[];
  /** `ERR_PMEM_LOCKED`, or in this process `ERR_PMEM_BUSY`, where somebody else is changing the region. */
  create(wanted: Wanted): InstanceBackend;
  /** {@link create}, which waits for other programs. */
  createAsync(wanted: Wanted, waiting: Waiting): Promise<InstanceBackend>;
  close(): void;
}

/** The pieces of a device, as sysfs would tell them. */
export function mappingsOf(extents: readonly ByteRange[]): DaxMapping[] {
  let before = 0;
  return extents.map(({ offset, length }) => {
    const pageOffset = before / 4096;
    before += length;
    return { pageOffset, offset, length };
  });
}

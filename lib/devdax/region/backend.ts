/** What a region and its instances are to the classes that users hold, whoever makes them: this library, or the kernel. */

import type { ByteRange } from '../../memory/memory.js';
import type { DaxSource } from '../dax-source.js';

/** A piece of an instance, as `mapping0`, `mapping1`, … of the kernel's devices tell it. */
export interface DaxMapping {
  /** Where it begins in the instance, in pages of 4 KiB, as the kernel counts. */
  readonly pageOffset: number;
  /** Its first byte: offset in the file or device; of a region of the kernel and of `/dev/mem` the physical address. */
  readonly start: number;
  /** Its last byte. */
  readonly end: number;
}

/** An instance. Arguments were checked; nothing of it is in use here when it is resized or destroyed. */
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
  /** Something that outlives its object here uses it: a mapping, in whatever thread. */
  readonly inUse: boolean;
  resize(size: number): void;
  /** Throws where {@link destroy} would, as far as that can be known before anything is done. */
  checkDestroy(): void;
  destroy(): void;
  /** What it is to be opened as; throws where there is nothing to open. */
  source(): DaxSource;
}

/** How much of the region is wanted, and where. */
export interface Wanted {
  readonly size: number;
  /** In one piece. */
  readonly contiguous: boolean;
  /** These very bytes; their sum is the size. */
  readonly ranges: readonly ByteRange[] | undefined;
}

export interface RegionBackend {
  readonly id: number;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes: sizes of instances are multiples of it. */
  readonly align: number;
  /** Of the kernel. */
  readonly real: boolean;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
  readonly resource: number | undefined;
  /** Where `ranges` and mappings may lie; undefined where this user is not told. */
  readonly start: number | undefined;
  /** Bytes. */
  readonly availableSize: number;
  /** By their numbers. */
  readonly instances: InstanceBackend[];
  create(wanted: Wanted): InstanceBackend;
  close(): void;
}

/** The pieces of a device, as sysfs would tell them. */
export function mappingsOf(extents: readonly ByteRange[]): DaxMapping[] {
  let before = 0;
  return extents.map(({ offset, length }) => {
    const pageOffset = before / 4096;
    before += length;
    return { pageOffset, start: offset, end: offset + length - 1 };
  });
}

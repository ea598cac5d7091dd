/** What a DAX device is made of: the seam between the code that configures devices and the code that maps them. */

import type { HeldLock } from '../binding.js';
import type { ByteRange } from '../memory/memory.js';

/** What a device is made of: a path and extents, from a region or from options. */
export interface DaxSource {
  /** `dax0.0`; of an emulated device the file's name. */
  readonly name: string;
  /** The path that is opened and mapped. */
  readonly path: string;
  /** An open descriptor. It is opened again instead of the path, which may name another file by now. */
  readonly descriptor: number | undefined;
  /** In the device's order; multiples of `align`; one for a plain device. */
  readonly extents: readonly ByteRange[];
  /** Bytes: 4096, 2 MiB or 1 GiB. */
  readonly align: number;
  /** The device reaches up to the end of its file: a file of another size is another device then, as for a real one. */
  readonly whole: boolean;
  /** False: the kernel keeps the rules. */
  readonly emulated: boolean;
  /** The region's instance holds a lock on these bytes already; mapping takes none then. */
  readonly locked: boolean;
  /** That lock. Each mapping becomes one more user of it, so that the bytes stay locked as long as one is mapped. */
  readonly lock: HeldLock | undefined;
  /** Must not be collected while a device made of this is in use. */
  readonly keeper: object | undefined;
}

/** A source of which no more than these is known: opened by its path, and not locked yet. */
export function plainSource(
  source: Pick<DaxSource, 'name' | 'path' | 'extents' | 'align' | 'whole' | 'emulated'>,
): DaxSource {
  return { ...source, descriptor: undefined, locked: false, lock: undefined, keeper: undefined };
}

/** Bytes of all the extents together. */
export function sizeOf(extents: readonly ByteRange[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}

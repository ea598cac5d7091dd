/** What a DAX device is made of: the seam between those who configure devices and those who map them. */

import type { HeldLock } from '../binding.js';

/** Bytes of a file or device. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** What a device is made of, whoever configured it. */
export interface DaxSource {
  /** `dax0.0`; of an emulated device the file's name. */
  readonly name: string;
  /** What is opened and mapped. */
  readonly path: string;
  /** A descriptor that is open on it, and is opened again instead of the path, which may name another file by now. */
  readonly descriptor?: number;
  /** In the device's order; multiples of `align`; one for a plain device. */
  readonly extents: readonly Extent[];
  /** Bytes: 4096, 2 MiB or 1 GiB. */
  readonly align: number;
  /** It reaches up to the end of its file: of another size that is another device, as a real one would be. */
  readonly whole?: boolean;
  /** False: the kernel keeps the rules. */
  readonly emulated: boolean;
  /** A lock is held already for these bytes, by the region's instance; then mapping takes none. */
  readonly locked: boolean;
  /** That lock, of the addon: each mapping becomes one more user of it, so that the bytes stay locked as long as one is mapped. */
  readonly lock?: HeldLock;
  /** What must not be collected while a device made of this is in use. */
  readonly keeper?: object;
}

/** Bytes of all the extents together. */
export function sizeOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}

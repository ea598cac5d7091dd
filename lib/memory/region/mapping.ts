/** A mapping and what is known about it: what a region and its slices have in common. */

import type { Outcome } from '../../binding.js';
import { Jobs } from '../../jobs.js';
import type { Backing, BackingKind } from '../backing.js';
import type { ByteRange, Durability } from '../memory.js';
import { failure } from './failure.js';
import { Windows } from './windows.js';

/** What is needed to ask again whether the kernel uses the file or device. */
export interface KnownUse {
  readonly identity: Backing['identity'];
  /** This process has claimed the block device, so that nobody can begin to use it. */
  readonly isClaimed: boolean;
  /** It may be stored to although it is in use. */
  readonly isAllowed: boolean;
}

/** What other threads of the process can know of a mapping, too. */
export interface MappingFacts {
  /** As given. */
  readonly path: string;
  readonly kind: BackingKind;
  readonly durability: Durability;
  readonly readOnly: boolean;
  /** Bytes of the whole mapping. */
  readonly size: number;
  /** Where the mapping begins in the file or device, in bytes. */
  readonly fileOffset: number;
  /** The pieces of the file, where there is more than one. */
  readonly extents: readonly ByteRange[] | undefined;
  /** Directory of the device in sysfs. */
  readonly device: string | undefined;
  readonly use: KnownUse;
}

/** A mapping that was just made, and a handle of this thread on it. */
export interface OpenedMapping extends MappingFacts {
  readonly handle: number;
  /** Gives the handle back when it is collected. */
  readonly keeper: object;
}

/** A mapping in use by regions of this thread. */
export interface Mapping extends OpenedMapping {
  readonly windows: Windows;
  /** Asynchronous calls on any of its regions. */
  readonly jobs: Jobs;
  closed: boolean;
  /** Nothing of it is left. If JavaScript ends within `close`, this stays false, and the next close does the rest. */
  ended: boolean;
}

export function mappingOf(opened: OpenedMapping): Mapping {
  const windows = new Windows(opened.handle, opened.size);
  return { ...opened, windows, jobs: new Jobs(), closed: false, ended: false };
}

/** The pieces of the file that it is made of, in its order. */
export function extentsOf({ extents, fileOffset, size }: MappingFacts): readonly ByteRange[] {
  return extents ?? [{ offset: fileOffset, length: size }];
}

/** The error for what an operation came to that was given `offset`, in a region that begins at `base`. */
export function failureIn(
  mapping: MappingFacts,
  base: number,
  operation: string,
  outcome: Outcome,
  offset: number,
): Error {
  return failure({ operation, path: mapping.path, extents: extentsOf(mapping), base, offset }, outcome);
}

/** From an open descriptor to a mapping, and the decision of what makes stores durable there. */

import { constants } from 'node:os';
import { type HeldLock, type Mapped, native } from '../../binding.js';
import { formatSize } from '../../units.js';
import type { Backing, BackingKind } from '../backing.js';
import { deviceOf } from '../backing.js';
import { type Assumption, decideDurability, nativeGranularity, satisfies } from '../durability/durability.js';
import { knowsMapSync, tooCoarse } from '../durability/explain.js';
import type { ByteRange, Durability, Granularity } from '../memory.js';

/** What asking again needs, whether the kernel uses the file or device by now. */
export interface KnownUse {
  readonly identity: Backing['identity'];
  /** Nobody can begin to use the block device: this process has it claimed. */
  readonly isClaimed: boolean;
  /** It is stored to whoever uses it. */
  readonly isAllowed: boolean;
}

/** A mapping and what is known about it. */
export interface OpenedMapping {
  readonly path: string;
  readonly kind: BackingKind;
  readonly durability: Durability;
  readonly readOnly: boolean;
  readonly handle: number;
  readonly keeper: object;
  readonly size: number;
  readonly fileOffset: number;
  /** The pieces of the file that it is made of, where there is more than one. */
  readonly extents: readonly ByteRange[] | undefined;
  readonly device: string | undefined;
  readonly use: KnownUse;
}

/** What is mapped, and how. Nothing of it is checked again. */
export interface DescriptorRequest {
  readonly fd: number;
  readonly backing: Backing;
  /** Of the file, in the order in which they follow each other in the mapping; multiples of `pageSize`. */
  readonly extents: readonly ByteRange[];
  /** Unit in which the kernel maps, in bytes. */
  readonly pageSize: number;
  /** Of the address, in bytes. */
  readonly alignment: number;
  /** Fail rather than accept a lesser alignment. */
  readonly mustAlign: boolean;
  /** Where to map; 0: anywhere. */
  readonly address: number;
  readonly smallPages: boolean;
  readonly readOnly: boolean;
  readonly populate: boolean;
  /** What a probe with MAP_SYNC came to: 0 or an errno. */
  readonly probed: number;
  readonly assumePersistent: Assumption;
  readonly granularity: Granularity;
  readonly allowInUse?: boolean;
  /** Keep it out of core dumps. */
  readonly dontDump: boolean;
  /** A lock that the mapping takes over. */
  readonly lock: HeldLock | undefined;
}

const { ENOMEM, EOPNOTSUPP, EPERM, ETXTBSY } = constants.errno;

/** What to do about an errno of mmap. */
export function adviceOnMap(
  error: unknown,
  { kind, pageSize }: Pick<Backing, 'kind' | 'pageSize'>,
): string | undefined {
  const { errno } = error as { errno?: number };
  if (errno === EPERM && kind === 'devmem') {
    return 'The range is System RAM, or lockdown or a missing CAP_SYS_RAWIO forbids it; reserve a range with memmap= on the kernel command line';
  }
  if (errno === ETXTBSY) return 'It is an active swap file (/proc/swaps); swapoff first';
  if (errno !== ENOMEM) return undefined;
  if (kind === 'file' && pageSize > native.pageSize()) {
    const pool = `/sys/kernel/mm/hugepages/hugepages-${pageSize / 1024}kB/nr_hugepages`;
    return `There are not enough free huge pages of ${formatSize(pageSize)}; reserve more in ${pool}`;
  }
  return 'There is not enough address space (ulimit -v; closed regions keep theirs until their Buffers are collected) or too many mappings (vm.max_map_count)';
}

/** The durability that there is; refused where it is coarser than what was asked for. */
export function demand(
  backing: Backing,
  syncErrno: number,
  { assumePersistent, granularity }: Pick<DescriptorRequest, 'assumePersistent' | 'granularity'>,
): Durability {
  const durability = decideDurability({ backing, syncErrno, assumePersistent });
  if (granularity === 'page' || satisfies(durability, granularity)) return durability;
  throw tooCoarse(backing, syncErrno, durability, granularity);
}

/** Maps. When it throws, nothing is mapped and the lock is given back. */
export function mapDescriptor(request: DescriptorRequest): OpenedMapping {
  const { backing, probed, readOnly, extents, lock } = request;
  const [first = { offset: 0, length: 0 }] = extents;
  let mapped: Mapped | undefined;
  try {
    mapped = native.map({
      fd: request.fd,
      offset: first.offset,
      length: extents.reduce((sum, { length }) => sum + length, 0),
      extents,
      pageSize: request.pageSize,
      alignment: request.alignment,
      mustAlign: request.mustAlign,
      writable: !readOnly,
      trySync: knowsMapSync(backing) && probed === 0,
      populate: request.populate,
      readBack: backing.kind === 'pci',
      lock,
      address: request.address,
      smallPages: request.smallPages,
      dontDump: request.dontDump,
    });
    // What the mapping got counts, not what the probe was promised.
    const durability = demand(backing, mapped.synchronous ? 0 : probed || EOPNOTSUPP, request);
    native.setGranularity(mapped.handle, nativeGranularity(durability));
    return {
      path: backing.path,
      kind: backing.kind,
      durability,
      readOnly,
      handle: mapped.handle,
      keeper: mapped.keeper,
      size: mapped.size,
      fileOffset: first.offset,
      extents: extents.length > 1 ? extents : undefined,
      device: deviceOf(backing),
      use: {
        identity: backing.identity,
        isClaimed: lock !== undefined && request.allowInUse !== true,
        isAllowed: readOnly || request.allowInUse === true,
      },
    };
  } catch (error) {
    // Of the mapping, the lock ends with it; else it is here, and nobody else gives it back.
    if (mapped !== undefined) native.close(mapped.handle);
    else if (lock !== undefined) native.unlock(lock);
    throw error;
  }
}

/** Maps an open descriptor, and decides what makes stores durable there. */

import { constants } from 'node:os';
import { type Mapped, type MapRequest, native } from '../../binding.js';
import { systemError } from '../../errors.js';
import { formatSize } from '../../units.js';
import type { Backing } from '../backing.js';
import { deviceOf } from '../backing.js';
import { type Assumption, decideDurability, nativeGranularity, satisfies } from '../durability/durability.js';
import { tooCoarse } from '../durability/granularity-error.js';
import { knowsMapSync } from '../durability/probe.js';
import type { Durability, Granularity } from '../memory.js';
import type { OpenedMapping } from './mapping.js';

/** What C++ is asked for, without what follows from the backing. */
export type MapPlan = Omit<MapRequest, 'length' | 'trySync' | 'readBack'>;

/** A backing to be mapped. Nothing of it is checked again. */
export interface DescriptorRequest {
  readonly backing: Backing;
  /** What a probe with MAP_SYNC came to: 0 or an errno. */
  readonly probed: number;
  readonly plan: MapPlan;
}

/** What a region demands of its mapping. */
export interface Demand {
  readonly assumePersistent: Assumption;
  /** The coarsest that will do. */
  readonly granularity: Granularity;
  readonly allowInUse: boolean;
}

const { ENOMEM, EOPNOTSUPP, EPERM, ETXTBSY } = constants.errno;

/** What to do about an errno of mmap. */
function adviceOnMap(error: unknown, { kind, pageSize }: Pick<Backing, 'kind' | 'pageSize'>): string | undefined {
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

/** The durability of a mapping. Throws where it is coarser than what was asked for. */
export function demand(
  backing: Backing,
  syncErrno: number,
  { assumePersistent, granularity }: Omit<Demand, 'allowInUse'>,
): Durability {
  const durability = decideDurability({ backing, syncErrno, assumePersistent });
  if (granularity === 'page' || satisfies(durability, granularity)) return durability;
  throw tooCoarse(backing, syncErrno, durability, granularity);
}

/** Maps, and does nothing else: the one way from a descriptor to C++. When it throws, the caller still has the lock. */
export function mapPlan({ backing, probed, plan }: DescriptorRequest): Mapped {
  try {
    return native.map({
      ...plan,
      length: plan.extents.reduce((sum, { length }) => sum + length, 0),
      trySync: knowsMapSync(backing) && probed === 0,
      readBack: backing.kind === 'pci',
    });
  } catch (error) {
    throw systemError(error, backing.path, adviceOnMap(error, backing));
  }
}

/** Maps, and decides what makes stores durable there. When it throws, nothing is mapped and the lock is released. */
export function mapDescriptor(request: DescriptorRequest, demanded: Demand): OpenedMapping {
  const { backing, probed, plan } = request;
  const { extents, lock } = plan;
  const readOnly = !plan.writable;
  let mapped: Mapped | undefined;
  try {
    mapped = mapPlan(request);
    // What the mapping got counts, not what the probe was promised.
    const durability = demand(backing, mapped.synchronous ? 0 : probed || EOPNOTSUPP, demanded);
    native.setGranularity(mapped.handle, nativeGranularity(durability));
    return {
      path: backing.path,
      kind: backing.kind,
      durability,
      readOnly,
      handle: mapped.handle,
      keeper: mapped.keeper,
      size: mapped.size,
      fileOffset: extents[0]?.offset ?? 0,
      extents: extents.length > 1 ? extents : undefined,
      device: deviceOf(backing),
      use: {
        identity: backing.identity,
        isClaimed: lock !== undefined && !demanded.allowInUse,
        isAllowed: readOnly || demanded.allowInUse,
      },
    };
  } catch (error) {
    // A mapping ends its lock with it. Without one, nobody else gives the lock back.
    if (mapped !== undefined) native.close(mapped.handle);
    else if (lock !== undefined) native.unlock(lock);
    throw error;
  }
}

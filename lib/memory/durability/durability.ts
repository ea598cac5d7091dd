/** Decides what makes stores to a mapping durable, from its backing, the kernel's answer to MAP_SYNC and the user's assertion. */

import { NativeGranularity, native } from '../../binding.js';
import { PmemError } from '../../errors.js';
import { persistenceDomainOf } from '../../linux/nvdimm/regions.js';
import { own } from '../../options.js';
import type { Backing } from '../backing.js';
import type { Below, Durability, Granularity } from '../memory.js';
import { isUnflushable, isVolatile, obstacles } from './obstacles.js';

/** The user's assertion where the kernel does not confirm persistence: see `RegionOptions.assumePersistent`. */
export type Assumption = boolean | 'msync';

/** What is known and asserted about a mapping. */
export interface Evidence {
  readonly backing: Backing;
  /** 0 where the kernel granted MAP_SYNC, or where MAP_SYNC has no meaning; else the errno of the refusal. */
  readonly syncErrno: number;
  /** `true`: flushed stores are durable. `'msync'`: stores are durable after an msync of their pages. */
  readonly assumePersistent: Assumption;
}

const VARIABLE = 'PMEM_ASSUME_PERSISTENT';

/** The value in the environment; empty where it is not set. Reads no property that `process.env` inherits from `Object.prototype`. */
export function assumptionInEnvironment(): string {
  return own(process.env, VARIABLE) ?? '';
}

/**
 * Whether PMEM_ASSUME_PERSISTENT is `1`; then says so on stderr, once per process. False where the variable is empty or not set, and in
 * a process with more rights than the user who started it (AT_SECURE).
 *
 * @throws PmemError `ERR_PMEM_ENVIRONMENT` for any other value: nobody who sets `false` means true
 */
export function assumedByEnvironment(): boolean {
  const value = assumptionInEnvironment();
  if (value === '' || native.isPrivileged()) return false;
  if (value !== '1') {
    throw new PmemError(
      'ERR_PMEM_ENVIRONMENT',
      `${VARIABLE}=${value} in the environment means nothing: 1 takes flushed stores for durable where the kernel does not ` +
        'confirm it; to leave that to the kernel, unset it',
    );
  }
  native.sayOnce(`pmem: ${VARIABLE}=1: flushed stores are taken for durable where the kernel does not confirm it`);
  return true;
}

/** `cpu_cache` (eADR) or `memory_controller` (ADR), where all regions below tell one; the weaker where they differ. */
export function persistenceDomain({ device, fileSystem, below }: Backing): string | undefined {
  const own = device ?? fileSystem?.device;
  const devices = below?.devices.length ? below.devices : own === undefined ? [] : [own];
  const domains = devices.map(persistenceDomainOf);
  return domains.includes(undefined) ? undefined : (domains.find((domain) => domain !== 'cpu_cache') ?? domains[0]);
}

const ASSERT =
  "if you know that it keeps what it is given, say assumePersistent: 'msync', or keep the file where its device can be seen";

function onPersistentMemory(backing: Backing, how: string, mapSync: boolean): Durability {
  const domain = persistenceDomain(backing);
  const pageSize = backing.pageSize;
  const { state = 'persistent', why } = backing.below ?? {};
  const common = { mapSync, pageSize, assumed: false, volatile: false, below: state };
  const caveat = state === 'persistent' || why === undefined ? '' : `; whether that survives is unknown: ${why}`;
  if (domain === 'cpu_cache') {
    const reason = `${how}; the platform says that it flushes the CPU caches on power failure (eADR), so a store needs only a fence`;
    return { ...common, granularity: 'byte', reason: `${reason}${caveat}` };
  }
  const where =
    domain === 'memory_controller'
      ? ' to the memory controller, which the platform says it saves on power failure (ADR)'
      : ' out of the caches, and the platform does not say what it saves on power failure';
  return { ...common, granularity: 'cache-line', reason: `${how}; CPU flushes carry a store${where}${caveat}` };
}

/** Durability by CPU flushes, as the kernel confirms it; undefined where it does not. */
function daxDurability({ backing, syncErrno }: Evidence): Durability | undefined {
  const { kind, path } = backing;
  if (isVolatile(backing) || isUnflushable(backing)) return undefined;
  const synchronous = syncErrno === 0;
  if (kind === 'devdax') return onPersistentMemory(backing, `${path} is device-DAX`, synchronous);
  if (kind !== 'file' || !synchronous) return undefined;
  const type = backing.fileSystem?.type ?? 'a file system';
  return onPersistentMemory(backing, `${path} is on ${type} with DAX, mapped with MAP_SYNC`, true);
}

/** The durability of a mapping, with the reason. */
export function decideDurability(evidence: Evidence): Durability {
  const { backing, syncErrno, assumePersistent } = evidence;
  const byFlushes = daxDurability(evidence);
  if (byFlushes !== undefined) return byFlushes;
  const { kind, pageSize, path } = backing;
  const hasVolatileMedia = isVolatile(backing);
  const below: Below = hasVolatileMedia ? 'volatile' : (backing.below?.state ?? 'persistent');
  const mapSync = kind === 'devdax' && syncErrno === 0;
  const byFlush = { granularity: 'cache-line', mapSync, pageSize, volatile: false, below } as const;
  if (kind === 'devmem' || kind === 'pci') {
    const what = kind === 'devmem' ? 'physical memory' : 'the memory of a PCI device';
    const reason = `${path} is ${what}: opening it asserts that it is persistent, because the kernel cannot tell`;
    return { ...byFlush, below: 'unknown', assumed: true, reason };
  }
  const cause = causeOf(backing, syncErrno);
  if (assumePersistent === true) {
    return { ...byFlush, assumed: true, reason: `persistence is assumed, not confirmed: ${cause}` };
  }
  const byPage = { granularity: 'page', mapSync: false, pageSize, volatile: false, below } as const;
  const isUnflushed = kind === 'devdax';
  if (assumePersistent === 'msync' && !isUnflushed) {
    return { ...byPage, assumed: true, reason: `that an msync of whole pages makes durable is assumed: ${cause}` };
  }
  if (hasVolatileMedia || isUnflushed) {
    const what = hasVolatileMedia ? 'no store here survives power-off' : 'no store here can be made durable';
    return { ...byPage, assumed: false, volatile: true, reason: `${what}, so persist throws: ${cause}` };
  }
  const reason = `a persist is an msync of whole pages: ${cause}`;
  const { why, withoutBarrier } = backing.below ?? {};
  const doubts = [below === 'unknown' ? why : undefined, withoutBarrier].filter((doubt) => doubt !== undefined);
  if (doubts.length === 0) return { ...byPage, assumed: false, reason };
  return {
    ...byPage,
    assumed: false,
    below: 'unknown',
    reason: `${reason}; whether that survives power-off is unknown: ${doubts.join('; ')}; ${ASSERT}`,
  };
}

function causeOf(backing: Backing, syncErrno: number): string {
  return obstacles(backing, syncErrno)
    .map((obstacle) => obstacle.cause)
    .join('; ');
}

/** The addon's number of the granularity. */
export function nativeGranularity(durability: Durability): number {
  return durability.volatile ? NativeGranularity.never : NativeGranularity[durability.granularity];
}

const STRENGTH: Readonly<Record<Granularity, number>> = { page: 0, 'cache-line': 1, byte: 2 };

/** Whether the granularity is at least as fine as the one asked for. */
export function satisfies(actual: Durability, wanted: Granularity): boolean {
  return STRENGTH[actual.granularity] >= STRENGTH[wanted] && !actual.volatile;
}

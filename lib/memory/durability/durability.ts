/** What a mapping needs to make stores durable, decided from what it is, what the kernel granted and what the user asserts. */

import { NativeGranularity, native } from '../../binding.js';
import { PmemError } from '../../errors.js';
import { persistenceDomainOf } from '../../linux/nvdimm/regions.js';
import { own } from '../../options.js';
import type { Backing } from '../backing.js';
import type { Below, Durability, Granularity } from '../memory.js';
import { isUnflushable, isVolatile, obstacles } from './obstacles.js';

/** What the user says of stores where the kernel does not: see `RegionOptions.assumePersistent`. */
export type Assumption = boolean | 'msync';

/** What was found out and asserted about a mapping. */
export interface Evidence {
  readonly backing: Backing;
  /** 0 when MAP_SYNC was granted (or is meaningless), else why not. */
  readonly syncErrno: number;
  /** The user says that stores are persistent once flushed, or once an msync has handed them over. */
  readonly assumePersistent: Assumption;
}

const VARIABLE = 'PMEM_ASSUME_PERSISTENT';

/** The value in the environment; empty where it is not set. `process.env` would answer with what `Object.prototype` has, too. */
export function assumptionInEnvironment(): string {
  return own(process.env, VARIABLE) ?? '';
}

/**
 * True when PMEM_ASSUME_PERSISTENT is `1`, which a line on stderr then says, once per process. Not set and empty are false; so is
 * everything in a process that has rights which whoever started it lacks (AT_SECURE).
 *
 * @throws PmemError `ERR_PMEM_ENVIRONMENT` for any other value: `false` meant the opposite of what a lax reader makes of it
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

/** `cpu_cache` (eADR) or `memory_controller` (ADR), where the regions below all tell; the lesser where they differ. */
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

/** Bytes that CPU flushes make durable, as far as the kernel says. */
function daxDurability({ backing, syncErrno }: Evidence): Durability | undefined {
  const { kind, path } = backing;
  if (isVolatile(backing) || isUnflushable(backing)) return undefined;
  const synchronous = syncErrno === 0;
  if (kind === 'devdax') return onPersistentMemory(backing, `${path} is device-DAX`, synchronous);
  if (kind !== 'file' || !synchronous) return undefined;
  const type = backing.fileSystem?.type ?? 'a file system';
  return onPersistentMemory(backing, `${path} is on ${type} with DAX, mapped with MAP_SYNC`, true);
}

/** The decision, with its reason. */
export function decideDurability(evidence: Evidence): Durability {
  const { backing, syncErrno, assumePersistent } = evidence;
  const byFlushes = daxDurability(evidence);
  if (byFlushes !== undefined) return byFlushes;
  const { kind, pageSize, path } = backing;
  const isForgotten = isVolatile(backing);
  const below: Below = isForgotten ? 'volatile' : (backing.below?.state ?? 'persistent');
  const mapSync = kind === 'devdax' && syncErrno === 0;
  const byFlush = { granularity: 'cache-line', mapSync, pageSize, volatile: false, below } as const;
  if (kind === 'devmem' || kind === 'pci') {
    const what = kind === 'devmem' ? 'physical memory' : 'the memory of a PCI device';
    const reason = `${path} is ${what}: whoever names it asserts that it is persistent, for the kernel cannot tell`;
    return { ...byFlush, below: 'unknown', assumed: true, reason };
  }
  const cause = causeOf(backing, syncErrno);
  if (assumePersistent === true) {
    return { ...byFlush, assumed: true, reason: `persistence is assumed, not confirmed: ${cause}` };
  }
  const byPage = { granularity: 'page', mapSync: false, pageSize, volatile: false, below } as const;
  const cannot = kind === 'devdax';
  if (assumePersistent === 'msync' && !cannot) {
    return { ...byPage, assumed: true, reason: `that an msync of whole pages makes durable is assumed: ${cause}` };
  }
  if (isForgotten || cannot) {
    const what = isForgotten ? 'nothing stored here survives power-off' : 'nothing stored here can be made durable';
    return { ...byPage, assumed: false, volatile: true, reason: `${what}, and persist says so by throwing: ${cause}` };
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

/** The addon's number for it. */
export function nativeGranularity(durability: Durability): number {
  return durability.volatile ? NativeGranularity.never : NativeGranularity[durability.granularity];
}

const STRENGTH: Readonly<Record<Granularity, number>> = { page: 0, 'cache-line': 1, byte: 2 };

/** Whether what is there is at least as fine as what was asked for. */
export function satisfies(actual: Durability, wanted: Granularity): boolean {
  return STRENGTH[actual.granularity] >= STRENGTH[wanted] && !actual.volatile;
}

export function isGranularity(value: unknown): value is Granularity {
  return typeof value === 'string' && Object.hasOwn(STRENGTH, value);
}

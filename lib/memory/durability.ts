/** What a mapping needs to make stores durable, decided from what it is, what the kernel granted and what the user asserts. */

import { NativeGranularity } from '../binding.js';
import type { Backing } from './backing.js';
import { deviceOf } from './backing.js';
import type { Durability, Granularity } from './memory.js';
import { isVolatile, obstacles } from './obstacles.js';
import { attribute, isVolatileDax, ndRegion } from './sysfs.js';

/** What was found out and asserted about a mapping. */
export interface Evidence {
  readonly backing: Backing;
  /** 0 when MAP_SYNC was granted (or is meaningless), else why not. */
  readonly syncErrno: number;
  /** The user says that stores are persistent once flushed. */
  readonly assumePersistent: boolean;
}

/** True when PMEM_ASSUME_PERSISTENT is set to anything but `0` or nothing. */
export function assumedByEnvironment(): boolean {
  const value = process.env['PMEM_ASSUME_PERSISTENT'];
  return value !== undefined && value !== '' && value !== '0';
}

/** `cpu_cache` (eADR) or `memory_controller` (ADR), where the region of the device tells. */
function persistenceDomain(backing: Backing): string | undefined {
  const device = deviceOf(backing);
  const region = device === undefined ? undefined : ndRegion(device);
  return region === undefined ? undefined : attribute(region, 'persistence_domain');
}

function onPersistentMemory(backing: Backing, how: string, mapSync: boolean): Durability {
  const domain = persistenceDomain(backing);
  const pageSize = backing.pageSize;
  const common = { mapSync, pageSize, assumed: false, volatile: false };
  if (domain === 'cpu_cache') {
    const reason = `${how}; the platform flushes the CPU caches on power failure (eADR), so a store needs only a fence`;
    return { ...common, granularity: 'byte', reason };
  }
  const where = domain === 'memory_controller' ? ' and the memory controller on power failure (ADR)' : '';
  return { ...common, granularity: 'cache-line', reason: `${how}; CPU flushes carry a store to the media${where}` };
}

/** The decision, with its reason. */
export function decideDurability({ backing, syncErrno, assumePersistent }: Evidence): Durability {
  const { kind, pageSize, path } = backing;
  const synchronous = syncErrno === 0;
  if (kind === 'devdax' && (backing.device === undefined || !isVolatileDax(backing.device))) {
    return onPersistentMemory(backing, `${path} is device-DAX`, synchronous);
  }
  if (kind === 'file' && synchronous) {
    return onPersistentMemory(
      backing,
      `${path} is on ${backing.fileSystem?.type ?? 'a file system'} with DAX, mapped with MAP_SYNC`,
      true,
    );
  }
  const byFlush = {
    granularity: 'cache-line',
    mapSync: kind === 'devdax' && synchronous,
    pageSize,
    volatile: false,
  } as const;
  if (kind === 'devmem' || kind === 'pci') {
    const what = kind === 'devmem' ? 'physical memory' : 'the memory of a PCI device';
    const reason = `${path} is ${what}: whoever names it asserts that it is persistent, for the kernel cannot tell`;
    return { ...byFlush, assumed: true, reason };
  }
  const cause =
    kind === 'devdax' ? `${path} is device-DAX over memory that is not persistent` : causeOf(backing, syncErrno);
  if (assumePersistent) {
    return { ...byFlush, assumed: true, reason: `persistence is assumed, not confirmed: ${cause}` };
  }
  const byPage = { granularity: 'page', mapSync: false, pageSize, assumed: false } as const;
  if (kind === 'devdax' || isVolatile(backing)) {
    const reason = `nothing stored here survives power-off, and persist says so by throwing: ${cause}`;
    return { ...byPage, volatile: true, reason };
  }
  return { ...byPage, volatile: false, reason: `a persist is an msync of whole pages: ${cause}` };
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

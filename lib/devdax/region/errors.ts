/** The refusals of regions and instances: the kernel's codes, with the value, the limit and the way out. */

import { constants } from 'node:os';
import { outOfRange, PmemError, posixError } from '../../errors.js';
import { formatSize } from '../../units.js';
import { nearest } from '../nearest.js';

const { EBADF } = constants.errno;

function both(bytes: number): string {
  return `${bytes} (${formatSize(bytes)})`;
}

/** The unit, and between which of its multiples a value has to be. */
export interface Limits {
  readonly align: number;
  readonly path: string;
  readonly least: number;
  readonly most: number;
}

/** Refuses what is not a multiple of the region's alignment: EINVAL, as size_store in drivers/dax/bus.c. */
export function checkAligned(what: string, value: number, { align, path, least, most }: Limits): void {
  if (value % align === 0) return;
  const legal = nearest(value, align, least, most);
  const rule = `is not a multiple of ${both(align)}, the alignment of the region on '${path}'`;
  throw posixError('EINVAL', `${what} ${value} ${rule}; nearest: ${legal}`, { path });
}

/** Too little is free: ENOSPC, as dev_dax_resize in drivers/dax/bus.c. */
export function noSpace(path: string, wanted: number, available: number, largest?: number): PmemError {
  const there = available === 0 ? 'nothing is free' : `${both(available)} are free`;
  const contiguous =
    largest === undefined || largest === available ? '' : `, at most ${both(largest)} of them contiguous`;
  const sentence = `the region on '${path}' cannot give ${both(wanted)} more: ${there}${contiguous}; take less, or destroy or shrink another instance`;
  return posixError('ENOSPC', sentence, { path });
}

/** The range is not free, or not in the region. */
export function notFree(
  path: string,
  { offset, length }: { readonly offset: number; readonly length: number },
): PmemError {
  const range = `bytes ${offset} to ${offset + length - 1}`;
  return posixError(
    'ENOSPC',
    `${range} of the region on '${path}' are not all free; see the mappings of its instances`,
    {
      path,
    },
  );
}

export function outsideRegion(name: string, first: number, last: number, value: unknown): RangeError {
  return outOfRange(name, `within the region, from ${first} to ${last}`, value);
}

export function busy(name: string, path: string, reason: string): PmemError {
  return posixError('EBUSY', `${name} ${reason}`, { path });
}

/** An instance without bytes cannot be opened: ENXIO, as dax_bus_probe in drivers/dax/bus.c. */
export function empty(name: string, path: string): PmemError {
  return posixError('ENXIO', `${name} has no bytes, and nothing can be mapped; resize it first`, { path });
}

export function gone(name: string, path: string, operation: string): PmemError {
  const message = `${operation}: ${name} was destroyed; create another instance`;
  return new PmemError('ERR_PMEM_CLOSED', message, { errno: EBADF, path });
}

export function regionClosed(path: string, operation: string): PmemError {
  const message = `${operation}: the region on '${path}' is closed; open it again`;
  return new PmemError('ERR_PMEM_CLOSED', message, { errno: EBADF, path });
}

/** The kernel lets nobody change the devices of a static region (is_static in drivers/dax/bus.c). */
export function isStatic(path: string, operation: string): PmemError {
  const why = `the region '${path}' is static: its device is what an NVDIMM namespace is, and cannot be made, resized or destroyed alone`;
  const way = 'Use ndctl create-namespace and destroy-namespace, or open a DaxRegion on the device to divide it';
  return posixError('EOPNOTSUPP', `${operation}: ${why}. ${way}`, { path });
}

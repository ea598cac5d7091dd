/** The refusals of regions and instances: the kernel's codes, with the value, the limit and the way out. */

import { constants } from 'node:os';
import { outOfRange, PmemError } from '../../errors.js';
import { formatSize } from '../../units.js';
import { nearest } from '../nearest.js';

const { EBADF, EBUSY, EINVAL, ENOSPC, ENXIO, EOPNOTSUPP } = constants.errno;

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
  const message = `EINVAL: ${what} ${value} is not a multiple of ${both(align)}, the alignment of the region on '${path}'; nearest: ${legal}`;
  throw new PmemError('EINVAL', message, { errno: EINVAL, path });
}

/** There is not so much free: ENOSPC, as dev_dax_resize in drivers/dax/bus.c. */
export function noSpace(path: string, wanted: number, available: number, largest?: number): PmemError {
  const there = available === 0 ? 'nothing is free' : `${both(available)} are free`;
  const pieces =
    largest === undefined || largest === available ? '' : `, at most ${both(largest)} of them in one piece`;
  const message = `ENOSPC: ${both(wanted)} more are not to be had in the region on '${path}': ${there}${pieces}; take less, or destroy or shrink another instance`;
  return new PmemError('ENOSPC', message, { errno: ENOSPC, path });
}

/** The bytes are not free, or not the region's. */
export function notFree(path: string, start: number, end: number): PmemError {
  const message = `ENOSPC: bytes ${start} to ${end} of the region on '${path}' are not all free; see the mappings of its instances`;
  return new PmemError('ENOSPC', message, { errno: ENOSPC, path });
}

export function outsideRegion(name: string, first: number, last: number, value: unknown): RangeError {
  return outOfRange(name, `within the region, from ${first} to ${last}`, value);
}

export function busy(name: string, path: string, reason: string): PmemError {
  return new PmemError('EBUSY', `EBUSY: ${name} ${reason}`, { errno: EBUSY, path });
}

/** An instance without bytes cannot be opened: ENXIO, as dax_bus_probe in drivers/dax/bus.c. */
export function empty(name: string, path: string): PmemError {
  const message = `ENXIO: ${name} has no bytes, and nothing can be mapped; resize it first`;
  return new PmemError('ENXIO', message, { errno: ENXIO, path });
}

export function gone(name: string, path: string, operation: string): PmemError {
  return new PmemError('ERR_PMEM_CLOSED', `${operation}: ${name} was destroyed; create another instance`, {
    errno: EBADF,
    path,
  });
}

export function regionClosed(path: string, operation: string): PmemError {
  return new PmemError('ERR_PMEM_CLOSED', `${operation}: the region on '${path}' is closed; open it again`, {
    errno: EBADF,
    path,
  });
}

/** A region whose devices the kernel does not let anybody make (is_static in drivers/dax/bus.c). */
export function isStatic(path: string, operation: string): PmemError {
  const message =
    `EOPNOTSUPP: ${operation}: the region '${path}' is static: its device is what an NVDIMM namespace is, and neither made, ` +
    `resized nor destroyed by itself. Use ndctl create-namespace and destroy-namespace, or open a DaxRegion on the device to divide it`;
  return new PmemError('EOPNOTSUPP', message, { errno: EOPNOTSUPP, path });
}

/** Makes a mapping from a path and options: looks, locks, allocates, maps, and decides what makes stores durable. */

import { closeSync, constants, fstatSync } from 'node:fs';
import { type HeldLock, native } from '../../binding.js';
import { outOfRange, posixError, systemError } from '../../errors.js';
import { type Backing, inspect, openDescriptor } from '../backing.js';
import { probeSync } from '../durability/probe.js';
import { lockRange } from '../lock/acquire.js';
import { refuseInUse } from '../lock/in-use.js';
import { fillNew, giveBlocks, grow, isStillThere, settle, sizeMismatch, takeExisting } from './create.js';
import { demand, type MapPlan, mapDescriptor } from './map-descriptor.js';
import type { OpenedMapping } from './mapping.js';
import { makeInPlace, NewFile } from './new-file.js';
import type { CheckedOptions } from './options.js';
import { isTaken } from './strangers.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Offset and length as the kernel will accept them. Throws what the kernel would answer to others, or should. */
function extent(
  backing: Pick<Backing, 'path' | 'pageSize' | 'kind'>,
  options: CheckedOptions,
  size: number | undefined,
): { offset: number; length: number } {
  const { path, pageSize, kind } = backing;
  const { offset } = options;
  if (size === 0) {
    throw posixError('EINVAL', `'${path}' is empty, and nothing can be mapped; pass create: true and a size`, { path });
  }
  if (offset % pageSize !== 0) {
    const below = offset - (offset % pageSize);
    const sentence = `offset ${offset} in '${path}' is not a multiple of its page size, ${pageSize}; nearest: ${below} and ${below + pageSize}`;
    throw posixError('EINVAL', sentence, { path });
  }
  if (size === undefined && options.length === undefined) {
    throw posixError('EINVAL', `'${path}' has no end; say which bytes with offset and length`, { path });
  }
  const length = options.length ?? (size as number) - offset;
  if (size !== undefined && (offset >= size || length > size - offset)) {
    const limit = `within '${path}', which has ${size} bytes`;
    throw outOfRange('options.offset + options.length', limit, offset + length);
  }
  if (kind === 'devdax' && length % pageSize !== 0) {
    throw posixError('EINVAL', `length ${length} on '${path}' is not a multiple of its alignment, ${pageSize}`, {
      path,
    });
  }
  return { offset, length };
}

function lock(fd: number, backing: Backing, options: CheckedOptions, end: number): HeldLock | undefined {
  if (options.shared) return undefined;
  return lockRange(fd, backing, options.offset, end, !options.readOnly, options.allowInUse);
}

function defaultAlignment(length: number, pageSize: number): number {
  const wanted = length >= 2 * GIB ? GIB : length >= 2 * MIB ? 2 * MIB : pageSize;
  return Math.max(wanted, pageSize);
}

/** A file or device before it is mapped, and its lock. */
interface Prepared {
  readonly fd: number;
  readonly backing: Backing;
  readonly planned: { offset: number; length: number };
  readonly probed: number;
  readonly lock: HeldLock | undefined;
  readonly populate: boolean;
}

/** When it throws, nothing is mapped and the lock is released. */
function map({ fd, backing, planned, probed, lock: held, populate }: Prepared, options: CheckedOptions): OpenedMapping {
  const { pageSize } = backing;
  const alignment = options.align ?? defaultAlignment(planned.length, pageSize);
  const plan: MapPlan = {
    fd,
    extents: [planned],
    pageSize,
    alignment: Math.max(alignment, pageSize),
    mustAlign: options.align !== undefined,
    writable: !options.readOnly,
    populate,
    dontDump: options.dontDump,
    lock: held,
  };
  return mapDescriptor({ backing, probed, plan }, options);
}

/** Runs what must follow a mapping. When that throws, the mapping and its lock are gone again. */
function finish<Result>(mapped: OpenedMapping, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    native.close(mapped.handle);
    throw error;
  }
}

/** Does what MAP_POPULATE could not do before the file had pages. Silent, as that is, when memory runs out. */
function populateLater({ handle, size, readOnly }: OpenedMapping, { populate }: CheckedOptions): void {
  if (populate) native.populate(handle, 0, size, !readOnly);
}

/** Maps an existing file or device. Undefined: it was deleted before it could be locked. */
function openExisting(fd: number, path: string, options: CheckedOptions): OpenedMapping | undefined {
  const before = inspect(fd, path);
  const mayComplete = options.create && before.kind === 'file';
  if (!mayComplete && options.size !== undefined && before.size !== undefined && before.size !== options.size) {
    throw sizeMismatch(path, before.size, options.size);
  }
  // A file to be completed is locked by its future range, before anything changes.
  const planned = extent(before, options, mayComplete ? options.size : before.size);
  const held = lock(fd, before, options, planned.offset + planned.length);
  // Once true, the lock is the mapping's.
  let mapping = false;
  try {
    if (mayComplete && !isStillThere(fd, path)) {
      if (held !== undefined) native.unlock(held);
      return undefined;
    }
    const { size = 0 } = options;
    // Before blocks are allocated.
    if (!options.readOnly && !options.allowInUse) refuseInUse(before, held !== undefined);
    const probed = probeSync(fd, before);
    demand(before, probed, options);
    if (mayComplete) giveBlocks(fd, path, size, options.sparse);
    const backing: Backing = mayComplete ? { ...before, size: fstatSync(fd).size } : before;
    const isEmpty = mayComplete && backing.size === 0;
    mapping = true;
    const populate = options.populate && !isEmpty;
    const mapped = map({ fd, backing, planned, probed, lock: held, populate }, options);
    if (!isEmpty) return mapped;
    // The size comes last: whatever was refused until now leaves the file empty, as it was.
    finish(mapped, () => grow(fd, path, size));
    populateLater(mapped, options);
    return mapped;
  } catch (error) {
    if (!mapping && held !== undefined) native.unlock(held);
    throw systemError(error, path);
  }
}

/** Maps what a descriptor is open on. The caller has checked it, and keeps the descriptor. Nothing is created. */
export function openOn(fd: number, path: string, options: Omit<CheckedOptions, 'create'>): OpenedMapping {
  // Undefined only with create.
  return openExisting(fd, path, { ...options, create: false }) as OpenedMapping;
}

/** Maps a new file. Undefined: something is at the path by now. */
function openNew(path: string, options: CheckedOptions, file: NewFile): OpenedMapping | undefined | Obstacle {
  const before = inspect(file.fd, path);
  try {
    return fillAndMap(path, options, file, before);
  } catch (error) {
    throw systemError(error, path);
  }
}

function fillAndMap(
  path: string,
  options: CheckedOptions,
  file: NewFile,
  before: Backing,
): OpenedMapping | undefined | Obstacle {
  const { size = 0 } = options;
  const planned = extent(before, options, size);
  // Before blocks are allocated.
  const probed = probeSync(file.fd, before);
  demand(before, probed, options);
  fillNew(file.fd, path, size, options.sparse);
  if (!file.name()) return 'unnamed';
  // Nobody else has it yet, but it must be locked from the moment on that it has its name.
  const held = lock(file.fd, before, options, planned.offset + planned.length);
  const backing: Backing = { ...before, size };
  const mapped = map({ fd: file.fd, backing, planned, probed, lock: held, populate: false }, options);
  const naming = finish(mapped, () => file.publish());
  if (naming !== 'done') {
    native.close(mapped.handle);
    return naming === 'taken' ? undefined : 'name';
  }
  finish(mapped, () => settle(file.fd, path));
  populateLater(mapped, options);
  return mapped;
}

/** What the file system or a security module does not allow: a file without a name; to give it one safely. */
type Obstacle = 'unnamed' | 'name';

function attemptNew(path: string, options: CheckedOptions, unnamed: boolean): OpenedMapping | undefined | Obstacle {
  const file = NewFile.make(path, options.mode, unnamed);
  if (file === undefined) return 'name';
  try {
    return openNew(path, options, file);
  } catch (error) {
    // Somebody else may have made the same file, and taken the room for it.
    if (isFull(error) && !options.exclusive && isTaken(path)) return undefined;
    throw error;
  } finally {
    file.drop();
    file.close();
  }
}

function isFull(error: unknown): boolean {
  return (error as { code?: string }).code === 'ENOSPC';
}

/**
 * Opens, locks, creates if asked to, and maps. A new file gets its name when all else is done, so that a failure leaves no file. An
 * existing file is never truncated or removed: others may have it open.
 */
export function openMapping(path: string, options: CheckedOptions): OpenedMapping {
  // Refuse what can be refused before a file is made.
  if (options.create) extent({ path, pageSize: native.pageSize(), kind: 'file' }, options, options.size);
  let unnamed = true;
  let { exclusive } = options;
  for (;;) {
    const fd = options.create
      ? takeExisting(path, constants.O_RDWR, exclusive)
      : openDescriptor(path, !options.readOnly);
    exclusive = options.exclusive;
    if (fd === undefined) {
      const opened = attemptNew(path, options, unnamed);
      if (typeof opened === 'object') return opened;
      unnamed &&= opened !== 'unnamed';
      // It is empty, and from now on like any existing file.
      if (opened === 'name' && makeInPlace(path, options.mode)) exclusive = false;
      continue;
    }
    try {
      const opened = openExisting(fd, path, options);
      if (opened !== undefined) return opened;
    } finally {
      closeSync(fd);
    }
  }
}

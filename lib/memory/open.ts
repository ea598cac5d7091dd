/** From a path and options to a mapping: look, lock, allocate, map, and decide what makes stores durable. */

import { closeSync, fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { type HeldLock, native } from '../binding.js';
import { outOfRange, PmemError, systemError } from '../errors.js';
import { type Backing, inspect } from './backing.js';
import { giveSize, isStillThere, type OpenedFile, openFile, sizeMismatch, undo } from './create.js';
import { probeSync } from './explain.js';
import { lockRange } from './lock.js';
import { adviceOnMap, demand, mapDescriptor, type OpenedMapping } from './map-descriptor.js';
import type { CheckedOptions } from './options.js';

const { EINVAL } = constants.errno;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Offset and length as the kernel will accept them, or the refusal that it would give, or should have given. */
function extent(
  backing: Pick<Backing, 'path' | 'pageSize' | 'kind'>,
  options: CheckedOptions,
  size: number | undefined,
): { offset: number; length: number } {
  const { path, pageSize, kind } = backing;
  const { offset } = options;
  if (size === 0) {
    throw new PmemError(
      'EINVAL',
      `EINVAL: '${path}' is empty, and nothing can be mapped; pass create: true and a size`,
      { path },
    );
  }
  if (offset % pageSize !== 0) {
    const below = offset - (offset % pageSize);
    const message = `EINVAL: offset ${offset} in '${path}' is not a multiple of its page size, ${pageSize}; nearest: ${below} and ${below + pageSize}`;
    throw new PmemError('EINVAL', message, { errno: EINVAL, path });
  }
  if (size === undefined && options.length === undefined) {
    throw new PmemError('EINVAL', `EINVAL: '${path}' has no end; say which bytes with offset and length`, { path });
  }
  const length = options.length ?? (size as number) - offset;
  if (size !== undefined && (offset >= size || length > size - offset)) {
    const limit = `within '${path}', which has ${size} bytes`;
    throw outOfRange('options.offset + options.length', limit, offset + length);
  }
  if (kind === 'devdax' && length % pageSize !== 0) {
    const message = `EINVAL: length ${length} on '${path}' is not a multiple of its alignment, ${pageSize}`;
    throw new PmemError('EINVAL', message, { errno: EINVAL, path });
  }
  return { offset, length };
}

function lock(file: OpenedFile, backing: Backing, options: CheckedOptions, end: number): HeldLock | undefined {
  if (options.shared) return undefined;
  try {
    return lockRange(file.fd, backing, options.offset, end, !options.readOnly);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_PMEM_LOCKED') undo(file, backing.path);
    throw error;
  }
}

function defaultAlignment(length: number, pageSize: number): number {
  const wanted = length >= 2 * GIB ? GIB : length >= 2 * MIB ? 2 * MIB : pageSize;
  return Math.max(wanted, pageSize);
}

/** The mapping stage, once the file is open. Undefined: it was deleted before it could be locked. */
function mapOpened(file: OpenedFile, path: string, options: CheckedOptions): OpenedMapping | undefined {
  const { fd } = file;
  const before = inspect(fd, path);
  const { create, readOnly } = options;
  const isNew = create && before.kind === 'file';
  if (!isNew && options.size !== undefined && before.size !== undefined && before.size !== options.size) {
    throw sizeMismatch(path, before.size, options.size);
  }
  // A new file is locked by its future range, before anything is changed: somebody else may be making it too. Until the
  // lock is held nothing may be taken back either, and before it was, somebody else may have.
  const planned = extent(before, options, isNew ? options.size : before.size);
  const held = lock(file, before, options, planned.offset + planned.length);
  // From then on the lock is the mapping's.
  let mapping = false;
  try {
    if (isNew && !isStillThere(file, path)) {
      if (held !== undefined) native.unlock(held);
      return undefined;
    }
    // Refused before the blocks are allocated.
    const probed = probeSync(fd, before);
    demand(before, probed, options);
    if (isNew) giveSize(file, path, options.size as number, options.sparse);
    const backing: Backing = isNew ? { ...before, size: fstatSync(fd).size } : before;
    const alignment = options.align ?? defaultAlignment(planned.length, backing.pageSize);
    mapping = true;
    return mapDescriptor({
      fd,
      backing,
      extents: [planned],
      pageSize: backing.pageSize,
      alignment: Math.max(alignment, backing.pageSize),
      mustAlign: options.align !== undefined,
      address: 0,
      smallPages: false,
      readOnly,
      populate: options.populate,
      probed,
      assumePersistent: options.assumePersistent,
      granularity: options.granularity,
      dontDump: options.dontDump,
      lock: held,
      undo: () => undo(file, path),
    });
  } catch (error) {
    if (!mapping) {
      undo(file, path);
      if (held !== undefined) native.unlock(held);
    }
    throw systemError(error, path, adviceOnMap(error, before));
  }
}

/** Opens, locks, creates if asked to, and maps. Whatever fails, nothing is left behind that was not there before. */
export function openMapping(path: string, options: CheckedOptions): OpenedMapping {
  // What can be refused before a file is made is.
  if (options.create) extent({ path, pageSize: native.pageSize(), kind: 'file' }, options, options.size);
  for (;;) {
    const file = openFile(path, options);
    try {
      const opened = mapOpened(file, path, options);
      if (opened !== undefined) return opened;
    } catch (error) {
      // Whoever has it locked may be about to fill it.
      if ((error as { code?: string }).code !== 'ERR_PMEM_LOCKED') undo(file, path);
      throw error;
    } finally {
      closeSync(file.fd);
    }
  }
}

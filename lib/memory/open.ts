/** From a path and options to a mapping: look, lock, allocate, map, and decide what makes stores durable. */

import { closeSync, fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { type Mapped, native } from '../binding.js';
import { outOfRange, PmemError, systemError } from '../errors.js';
import { type Backing, type BackingKind, deviceOf, inspect } from './backing.js';
import { giveSize, isStillThere, type OpenedFile, openFile, sizeMismatch, undo } from './create.js';
import { decideDurability, nativeGranularity, satisfies } from './durability.js';
import { knowsMapSync, probeSync, tooCoarse } from './explain.js';
import { isLocked, lockedError } from './locked.js';
import type { Durability } from './memory.js';
import type { CheckedOptions } from './options.js';
import { watchSignals } from './signals.js';

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
  readonly device: string | undefined;
}

const { EINVAL, ENOMEM, EOPNOTSUPP, EPERM } = constants.errno;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Locks end here at the latest: numbers are exact up to it. */
const MOST_OFFSET = Number.MAX_SAFE_INTEGER;

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

function lock(file: OpenedFile, backing: Backing, options: CheckedOptions, end: number): number {
  if (options.shared) return 0;
  const { path } = backing;
  try {
    return native.lock(file.fd, options.offset, end, !options.readOnly);
  } catch (error) {
    if (!isLocked(error)) {
      undo(file, path);
      throw systemError(error, path, 'To open it without a lock, pass shared: true');
    }
    throw lockedError(error, path, backing.identity, {
      here: "They are to be nobody else's (an instance of a DaxRegion): open the instance, or destroy it, or pass shared: true",
      there: 'Close it there, or pass shared: true on both sides',
    });
  }
}

function defaultAlignment(length: number, pageSize: number): number {
  const wanted = length >= 2 * GIB ? GIB : length >= 2 * MIB ? 2 * MIB : pageSize;
  return Math.max(wanted, pageSize);
}

function adviceOnMap(error: unknown, backing: Backing): string | undefined {
  const { errno } = error as { errno?: number };
  if (errno === EPERM && backing.kind === 'devmem') {
    return 'The range is System RAM, or lockdown or a missing CAP_SYS_RAWIO forbids it; reserve a range with memmap= on the kernel command line';
  }
  if (errno === ENOMEM)
    return 'There is not enough address space (ulimit -v; closed regions keep theirs until their Buffers are collected) or too many mappings (vm.max_map_count)';
  return undefined;
}

/** The durability that there is; refused where it is coarser than what was asked for. */
function demand(backing: Backing, syncErrno: number, { assumePersistent, granularity }: CheckedOptions): Durability {
  const durability = decideDurability({ backing, syncErrno, assumePersistent });
  if (granularity === 'page' || satisfies(durability, granularity)) return durability;
  throw tooCoarse(backing, syncErrno, durability, granularity);
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
  const held = lock(file, before, options, Math.min(planned.offset + planned.length, MOST_OFFSET));
  let mapped: Mapped | undefined;
  try {
    if (isNew && !isStillThere(file, path)) {
      if (held !== 0) native.unlock(held);
      return undefined;
    }
    // Refused before the blocks are allocated.
    const probed = probeSync(fd, before);
    demand(before, probed, options);
    if (isNew) giveSize(file, path, options.size as number, options.sparse);
    const backing: Backing = isNew ? { ...before, size: fstatSync(fd).size } : before;
    const alignment = options.align ?? defaultAlignment(planned.length, backing.pageSize);
    mapped = native.map({
      fd,
      ...planned,
      pageSize: backing.pageSize,
      alignment: Math.max(alignment, backing.pageSize),
      mustAlign: options.align !== undefined,
      writable: !readOnly,
      trySync: knowsMapSync(backing) && probed === 0,
      populate: options.populate,
      readBack: backing.kind === 'pci',
      lock: held,
    });
    // What the mapping got counts, not what the probe was promised.
    const durability = demand(backing, mapped.synchronous ? 0 : probed || EOPNOTSUPP, options);
    watchSignals();
    native.setGranularity(mapped.handle, nativeGranularity(durability));
    const { handle, keeper } = mapped;
    const device = deviceOf(backing);
    return {
      path,
      kind: backing.kind,
      durability,
      readOnly,
      handle,
      keeper,
      size: planned.length,
      fileOffset: planned.offset,
      device,
    };
  } catch (error) {
    undo(file, path);
    if (mapped !== undefined) native.close(mapped.handle);
    else if (held !== 0) native.unlock(held);
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

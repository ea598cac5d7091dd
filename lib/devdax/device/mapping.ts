/** Maps ranges of a DAX device: the one way for what users map at once or step by step, and for the probe of a device. */

import { constants } from 'node:os';
import { type HeldLock, native, Status } from '../../binding.js';
import { errorName, PmemError } from '../../errors.js';
import { piecesOf } from '../../memory/extents.js';
import { lockRange } from '../../memory/lock/acquire.js';
import { refuseInUse } from '../../memory/lock/in-use.js';
import type { ByteRange } from '../../memory/memory.js';
import { type MapPlan, mapDescriptor, mapPlan } from '../../memory/region/map-descriptor.js';
import type { OpenedMapping } from '../../memory/region/mapping.js';
import type { CheckedMap } from '../options.js';
import { hindrance, noGuarantee, type Verdict, verify } from './granularity.js';
import type { OpenDevice } from './open.js';

const { EBADF } = constants.errno;
/** Bytes faulted in between two reports of progress. */
const CHUNK = 64 * 2 ** 20;

/** What every mapping of a device has in common. */
function planOf({ fd, backing, how, source }: OpenDevice, extents: readonly ByteRange[], writable: boolean): MapPlan {
  const { align } = source;
  return {
    fd,
    extents,
    // Not the alignment: where a page is gone, no more than that page is lost.
    pageSize: backing.pageSize,
    alignment: align,
    mustAlign: true,
    // Where the file system could map larger pages, they are kept out.
    smallPages: how === 'dax' && align === native.pageSize(),
    writable,
  };
}

/** One more user of the lock that an instance holds on its bytes; undefined for a device without one. */
function retainLock({ lock, name, path }: OpenDevice['source']): HeldLock | undefined {
  const held = lock === undefined ? undefined : native.retainLock(lock);
  if (lock === undefined || held !== undefined) return held;
  const message = `map: ${name} was destroyed; create another instance`;
  throw new PmemError('ERR_PMEM_CLOSED', message, { errno: EBADF, path });
}

/** Locks the range, unless that is left out or an instance has done so, and refuses a device that is in use. */
function lockExtents(device: OpenDevice, extents: readonly ByteRange[], readOnly: boolean): HeldLock | undefined {
  const { fd, backing, source, options } = device;
  const [first] = extents;
  let lock = retainLock(source);
  // An instance has locked its bytes and claimed the device already.
  if (source.locked) return lock;
  if (!options.shared && first !== undefined) {
    lock = lockRange(fd, backing, first.offset, first.offset + first.length, !readOnly);
  }
  try {
    if (!readOnly) refuseInUse(backing, lock !== undefined);
    return lock;
  } catch (error) {
    if (lock !== undefined) native.unlock(lock);
    throw error;
  }
}

/** Locks and maps a range that was checked. */
export function mapRange(device: OpenDevice, checked: CheckedMap): OpenedMapping {
  const { backing, probed, source, options } = device;
  const { writable, dontDump, address = 0n } = checked;
  const extents = piecesOf(source.extents, Number(checked.offset), Number(checked.length));
  const lock = lockExtents(device, extents, !writable);
  const plan = { ...planOf(device, extents, writable), address: Number(address), dontDump, lock };
  const { assumePersistent } = options;
  return mapDescriptor({ backing, probed, plan }, { assumePersistent, granularity: 'page', allowInUse: false });
}

/**
 * Tries the first page of the device, before anybody relies on it: without a lock, and without reserving huge pages.
 *
 * @throws PmemError `ERR_PMEM_FAULT_GRANULARITY` where the guarantee is not given and not waived
 */
export function probe(device: OpenDevice): Verdict {
  const { source, options } = device;
  const verdict = verdictOn(device);
  if (!verdict.given && !options.emulate) throw noGuarantee(source.path, source.align, verdict.reason);
  return verdict;
}

function verdictOn(device: OpenDevice): Verdict {
  const { backing, probed, how, source, options } = device;
  const { align, extents, emulated } = source;
  const reason = hindrance(backing, how, align);
  if (reason !== undefined) return { given: false, pageSize: backing.pageSize, verifiedBy: undefined, reason };
  const [first = { offset: 0 }] = extents;
  // To map pages of its own for storing can lengthen a file on hugetlbfs, and verifying them touches none.
  const readOnly = options.readOnly || how === 'pages of its own';
  const plan = planOf(device, [{ offset: first.offset, length: align }], !readOnly);
  const { handle } = mapPlan({ backing, probed, plan: { ...plan, noReserve: true } });
  try {
    const steps = verify({ handle, size: align, readOnly, offset: 0 }, backing, how, align);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done !== true) continue;
      if (emulated || !step.value.given) return step.value;
      return { ...step.value, reason: `device-DAX: ${step.value.reason}` };
    }
  } finally {
    native.close(handle);
  }
}

/**
 * Makes a new mapping ready: verifies the guarantee where the device has it, then faults all pages in if that is asked for. Yields a
 * range to be faulted in, and gets the status of that; or undefined where nothing is to be done. Returns what is guaranteed from
 * then on.
 *
 * @throws PmemError `ERR_PMEM_FAULT_GRANULARITY` where verifying finds faults of another size, unless the guarantee is waived
 */
export function* prepare(
  device: OpenDevice,
  mapped: OpenedMapping,
  { offset, populate, onProgress }: CheckedMap,
  before: Verdict,
): Generator<ByteRange | undefined, Verdict, number> {
  const { backing, how, source, options } = device;
  const { align, path } = source;
  const { handle, size, readOnly } = mapped;
  let verdict = before;
  if (before.given) {
    const steps = verify({ handle, size, readOnly, offset: Number(offset) }, backing, how, align);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      onProgress?.({ done: step.value, total: size, phase: 'verify' });
      yield undefined;
    }
    verdict = step.value;
    if (!verdict.given && !options.emulate) throw noGuarantee(path, align, verdict.reason);
  }
  for (let at = 0; populate && at < size; at += CHUNK) {
    const length = Math.min(CHUNK, size - at);
    const status = yield { offset: at, length };
    if (status !== 0) throw unpopulated(path, at, status);
    onProgress?.({ done: at + length, total: size, phase: 'populate' });
  }
  return verdict;
}

function unpopulated(path: string, offset: number, status: number): PmemError {
  const code = status > 0 ? errorName(status) : status === Status.closed ? 'ERR_PMEM_CLOSED' : 'ERR_PMEM_FAULT';
  const message = `${code}: populate: a page from offset ${offset} of a mapping of '${path}' on is unavailable`;
  return new PmemError(code, message, { path, offset });
}

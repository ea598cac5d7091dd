/** Copies to and from devices that can only be mapped: what PMDK's daxio does, and dd cannot. */

import { constants } from 'node:fs';
import { crc32 } from 'node:zlib';
import { PmemError } from '../../errors.js';
import { contentsOf } from '../../memory/contents.js';
import { taken } from '../../memory/region/new-file.js';
import { isTaken } from '../../memory/region/strangers.js';
import { inPieces, PIECE, type Way } from './chunks.js';
import { FileEnd, MemoryEnd } from './ends.js';
import { type CheckedCopy, type CopyOptions, type CopyProgress, checkCopy } from './options.js';
import { type Plan, plan } from './plan.js';
import { lookAt, type Outlook } from './probe-end.js';
import { StreamInput, StreamOutput } from './streams.js';
import { verifyAgain, verifySums } from './verify.js';

/** What a copy did. */
export interface CopyReport {
  /** Bytes copied. */
  readonly bytes: number;
  /** They survive power-off: persisted on a device, or fsynced in a file, neither of which is made of ordinary memory. */
  readonly durable: boolean;
  /** They were read again and compared. */
  readonly verified: boolean;
}

/** Undefined: zeroes. */
type Source = MemoryEnd | FileEnd | StreamInput | undefined;
type Target = MemoryEnd | FileEnd | StreamOutput;

async function openSource(options: CheckedCopy, from: Outlook | undefined, { total }: Plan): Promise<Source> {
  const { input, skip, signal } = options;
  if (input === undefined || from === undefined) return undefined;
  if (typeof input !== 'string' || from.kind === 'stream') return new StreamInput(input, signal);
  if (from.kind === 'file') return FileEnd.read(input, skip);
  return new MemoryEnd(input, { start: skip, length: total, ...from }, { readOnly: true });
}

async function openTarget(options: CheckedCopy, to: Outlook, { total }: Plan): Promise<Target> {
  const { output, seek, assumePersistent, verify, signal } = options;
  if (typeof output !== 'string' || to.kind === 'stream') return await StreamOutput.open(output, signal);
  // Of a device is read what is going to be overwritten.
  const isDevice = to.kind === 'file' && !to.grows;
  const access = verify || isDevice ? constants.O_RDWR : constants.O_WRONLY;
  if (to.kind === 'file')
    return FileEnd.write(output, { base: seek, length: total }, access, to.identity === undefined);
  const assume = assumePersistent === undefined ? {} : { assumePersistent };
  return new MemoryEnd(output, { start: seek, length: total, ...to }, assume);
}

/** What moves a piece; returns its bytes, fewer where the source ends. */
function mover(source: Source, target: Target, sums: number[]): (at: number, length: number) => Promise<number> {
  if (source instanceof MemoryEnd && target instanceof StreamOutput && target.keepsBytes) {
    return async (at, length) => {
      const copy = Buffer.allocUnsafeSlow(length);
      await source.read(at, copy);
      await target.write(at, copy);
      return length;
    };
  }
  if (source instanceof MemoryEnd) {
    return async (at, length) => {
      await target.write(at, source.view(at, length));
      return length;
    };
  }
  // One of the two is memory: the plan has made sure of it.
  const memory = target as MemoryEnd;
  if (source === undefined) {
    return async (at, length) => {
      await memory.zero(at, length);
      return length;
    };
  }
  if (source instanceof FileEnd) {
    return async (at, length) => {
      const count = await source.read(at, memory.view(at, length));
      await memory.persist(at, count);
      return count;
    };
  }
  const buffer = Buffer.allocUnsafe(PIECE);
  return async (at, length) => {
    const count = await source.fill(buffer.subarray(0, length));
    const piece = buffer.subarray(0, count);
    sums.push(crc32(piece));
    await memory.write(at, piece);
    return count;
  };
}

/** The input went on although there was no more room, or ended too early. */
async function checkEnd(source: Source, bytes: number, { total, openEnded }: Plan): Promise<void> {
  if (openEnded) {
    if (bytes < total || !(source instanceof StreamInput) || (await source.fill(Buffer.alloc(1))) === 0) return;
    throw new PmemError('ENOSPC', `ENOSPC: all ${bytes} bytes of the output are full, and the input goes on`);
  }
  if (bytes === total) return;
  throw new PmemError('ERR_PMEM_SHORT_INPUT', `the input ended after ${bytes} of ${total} bytes, which were copied`, {
    offset: bytes,
  });
}

async function finish(target: Target): Promise<boolean> {
  if (target instanceof StreamOutput) return false;
  if (target instanceof FileEnd) await target.sync();
  return target.durable;
}

async function compare(source: Source, target: Target, sums: readonly number[], way: Way): Promise<void> {
  const there = target as MemoryEnd | FileEnd;
  const found = (at: number, piece: Buffer): Promise<number> => there.read(at, piece);
  if (source instanceof StreamInput) await verifySums(way, sums, found);
  else if (source === undefined) await verifyAgain(way, async (_, piece) => piece.fill(0).length, found);
  else await verifyAgain(way, (at, piece) => source.read(at, piece), found);
}

async function run(source: Source, target: Target, planned: Plan, options: CheckedCopy): Promise<CopyReport> {
  const { signal, onProgress, verify } = options;
  const { total, openEnded } = planned;
  const way = (phase: CopyProgress['phase'], bytes: number, all: number | undefined): Way => ({
    total: bytes,
    signal,
    onProgress: (done) => onProgress?.({ phase, done, total: all }),
  });
  const inOrder = source instanceof StreamInput || target instanceof StreamOutput;
  const copying = way('copy', total, openEnded ? undefined : total);
  const sums: number[] = [];
  const move = mover(source, target, sums);
  const bytes = await inPieces(inOrder ? { ...copying, lanes: 1 } : copying, async (at, length) => {
    for (const end of [source, target]) if (end instanceof MemoryEnd) await end.populate(at, length);
    return await move(at, length);
  });
  const durable = await finish(target);
  if (verify) await compare(source, target, sums, way('verify', bytes, bytes));
  await checkEnd(source, bytes, planned);
  return { bytes, durable, verified: verify };
}

/** Tells what is on the device where the copy goes. */
function tellOverwritten(target: Target, { total }: Plan, { onOverwrite }: CheckedCopy): void {
  if (onOverwrite === undefined || target instanceof StreamOutput || !target.canPeek) return;
  const what = contentsOf({ size: total, read: (offset, bytes) => target.peek(offset, bytes) });
  if (what !== undefined) onOverwrite(what);
}

/** Memory cannot be mapped for no bytes; a file is made all the same. */
async function copyNothing(options: CheckedCopy, to: Outlook, planned: Plan): Promise<CopyReport> {
  if (to.kind !== 'file') return { bytes: 0, durable: to.kind === 'memory', verified: options.verify };
  const target = await openTarget(options, to, planned);
  const durable = await finish(target).finally(async () => await target.close());
  return { bytes: 0, durable, verified: options.verify };
}

/**
 * Copies bytes to or from a device: device-DAX, `/dev/mem`, a PCI resource, or with `emulate` a regular file. The other end is
 * a device too, a file, a block device or a stream. Ranges are checked before anything is touched; they need not be aligned.
 * A device that is mounted or otherwise used is refused (`EBUSY`). Several threads copy at a time. Durable when the promise resolves, unless the report says otherwise (a volatile device or
 * file, a stream). A copy that fails or is aborted leaves what it came to.
 *
 * @throws TypeError and RangeError for wrong options; PmemError `EINVAL` where neither end is a device or both are the same
 *   bytes, `ENOSPC` where the input does not fit, `ENOENT` where something is not there, `ERR_PMEM_SHORT_INPUT` where it ends before `length`, `ERR_PMEM_VERIFY` where
 *   what was copied reads differently, `ERR_PMEM_LOCKED` where a device is in use, and what opening and copying throw.
 */
export async function copyDevice(options: CopyOptions): Promise<CopyReport> {
  const checked = checkCopy(options);
  const { input, output } = checked;
  const from = input === undefined ? undefined : lookAt(input, checked.emulateInput);
  const to = lookAt(output, checked.emulateOutput);
  if (checked.exclusive && typeof output === 'string' && isTaken(output)) throw taken(output);
  const planned = plan(checked, from, to);
  if (planned.total === 0) return await copyNothing(checked, to, planned);
  const source = await openSource(checked, from, planned);
  try {
    const target = await openTarget(checked, to, planned);
    try {
      tellOverwritten(target, planned, checked);
      return await run(source, target, planned, checked);
    } finally {
      await target.close();
    }
  } finally {
    await source?.close();
  }
}

/** Copies to and from devices that can only be mapped: what PMDK's daxio does, and dd cannot. */

import { crc32 } from 'node:zlib';
import { PmemError, posixError } from '../../errors.js';
import { taken } from '../../memory/region/new-file.js';
import { isTaken } from '../../memory/region/strangers.js';
import { CHUNK, inChunks, type Range } from './chunks.js';
import type { End } from './end.js';
import { openInput, openOutput } from './open-end.js';
import { type CheckedCopy, type CopyOptions, checkCopy } from './options.js';
import { type Plan, plan } from './plan.js';
import { verifyAgain, verifySums } from './verify.js';

/** What a copy did. */
export interface CopyReport {
  /** Bytes copied. */
  readonly bytes: number;
  /** They survive power-off: persisted on a device, or fsynced in a file, and neither is on volatile memory. */
  readonly durable: boolean;
  /** They were read again and compared. */
  readonly verified: boolean;
}

/** Moves a chunk; returns its bytes, fewer where the source ends. */
type Move = (offset: number, length: number) => Promise<number>;

/** By the shortest way between two ends; `source` undefined stores zeroes. `note` gets what came from a stream. */
function mover(source: End | undefined, target: End, note: (chunk: Buffer) => void): Move {
  if (source === undefined) {
    return async (offset, length) => {
      await target.zero(offset, length);
      return length;
    };
  }
  if (source.kind === 'memory' && !target.keepsBytes) {
    return async (offset, length) => {
      await target.write(offset, (await source.window(offset, length)) as Buffer);
      return length;
    };
  }
  if (source.kind === 'file') {
    return async (offset, length) => {
      // One of the two is memory: the plan has made sure of it.
      const count = await source.read(offset, (await target.window(offset, length)) as Buffer);
      await target.settle(offset, count);
      return count;
    };
  }
  const spare = target.keepsBytes ? undefined : Buffer.allocUnsafe(CHUNK);
  return async (offset, length) => {
    const buffer = spare?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    const chunk = buffer.subarray(0, await source.read(offset, buffer));
    note(chunk);
    await target.write(offset, chunk);
    return chunk.length;
  };
}

/** Refuses an input that goes on although there is no room left, and one that ended too early. */
async function checkEnd(source: End | undefined, bytes: number, { total, openEnded }: Plan): Promise<void> {
  if (openEnded) {
    if (bytes < total || source === undefined || (await source.read(bytes, Buffer.alloc(1))) === 0) return;
    throw posixError('ENOSPC', `all ${bytes} bytes of the output are full, and the input goes on`);
  }
  if (bytes === total) return;
  const message = `the input ended after ${bytes} of ${total} bytes, which were copied`;
  throw new PmemError('ERR_PMEM_SHORT_INPUT', message, { offset: bytes });
}

async function run(source: End | undefined, target: End, planned: Plan, options: CheckedCopy): Promise<CopyReport> {
  const { signal, onProgress, verify } = options;
  const { total, openEnded } = planned;
  const inOrder = source?.kind === 'stream' || target.kind === 'stream';
  const announced = openEnded ? Number.POSITIVE_INFINITY : total;
  const copying: Range = { total, announced, phase: 'copy', inOrder, signal, onProgress };
  const sums: number[] = [];
  const note = (chunk: Buffer): void => {
    if (verify) sums.push(crc32(chunk));
  };
  const bytes = await inChunks(copying, mover(source, target, note));
  const durable = await target.finish();
  if (verify) {
    const verifying: Range = { ...copying, total: bytes, announced: bytes, phase: 'verify', inOrder: false };
    if (source?.kind === 'stream') await verifySums(verifying, sums, target);
    else await verifyAgain(verifying, source, target);
  }
  await checkEnd(source, bytes, planned);
  return { bytes, durable, verified: verify };
}

/**
 * Copies bytes to or from a device: device-DAX, `/dev/mem`, a PCI resource, or with `emulate` a regular file. The other end is a device
 * too, a file, a block device or a stream. Ranges are checked before a byte is stored; they need not be aligned. Several threads copy at
 * a time. The bytes are durable when the promise resolves, unless the report says otherwise (a volatile device or file, a stream). A copy
 * that fails or is aborted leaves what it has copied.
 *
 * @throws TypeError and RangeError for wrong options; PmemError `EINVAL` where neither end is a device or both are the same bytes, `ENOSPC`
 *   where the input does not fit, `ENOENT` where an end does not exist, `EBUSY` where the output is mounted or otherwise used,
 *   `ERR_PMEM_LOCKED` where another process has a device (`ERR_PMEM_BUSY`: this one), `ERR_PMEM_SHORT_INPUT` where the input ends before `length`,
 *   `ERR_PMEM_VERIFY` where what was copied reads differently, and what opening and copying throw
 */
export async function copyDevice(options: CopyOptions): Promise<CopyReport> {
  const checked = checkCopy(options);
  const { output, skip, seek, onOverwrite, signal } = checked;
  // Before a file is created, or a device locked.
  signal?.throwIfAborted();
  const source = openInput(checked);
  try {
    if (checked.exclusive && typeof output === 'string' && isTaken(output)) throw taken(output);
    const target = openOutput(checked);
    try {
      const planned = plan(checked, source, target);
      await source?.begin(skip, planned.total);
      await target.begin(seek, planned.total);
      const there = onOverwrite && target.contents(planned.total);
      if (there !== undefined) onOverwrite?.(there);
      return await run(source, target, planned, checked);
    } finally {
      await target.close();
    }
  } finally {
    await source?.close();
  }
}

/** Reads again what was copied. */

import { crc32 } from 'node:zlib';
import { PmemError } from '../../errors.js';
import { CHUNK, inChunks, type Range } from './chunks.js';
import type { End } from './end.js';

/** Where the bytes begin to differ. */
function firstDifference(a: Buffer, b: Buffer): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return i;
  return most;
}

function differs(offset: number): PmemError {
  return new PmemError('ERR_PMEM_VERIFY', `what was copied reads differently from byte ${offset} of it on`, { offset });
}

/** Throws `ERR_PMEM_VERIFY` unless the target reads as the source does; without a source, as zeroes. */
export async function verifyAgain(range: Range, source: End | undefined, target: End): Promise<void> {
  await inChunks(range, async (offset, length) => {
    const [wanted, found] = [Buffer.alloc(length), Buffer.allocUnsafe(length)];
    const [there, here] = await Promise.all([source?.read(offset, wanted) ?? length, target.read(offset, found)]);
    const [a, b] = [wanted.subarray(0, there), found.subarray(0, here)];
    if (!a.equals(b) || here !== length) throw differs(offset + firstDifference(a, b));
    return length;
  });
}

/** Throws `ERR_PMEM_VERIFY` unless the target has the checksums, one for each chunk. They tell the chunk that is wrong, not the byte. */
export async function verifySums(range: Range, sums: readonly number[], target: End): Promise<void> {
  await inChunks(range, async (offset, length) => {
    const found = Buffer.allocUnsafe(length);
    const count = await target.read(offset, found);
    if (count !== length || crc32(found) !== sums[offset / CHUNK]) throw differs(offset);
    return length;
  });
}

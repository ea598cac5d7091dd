/** Reads again what was copied. */

import { crc32 } from 'node:zlib';
import { PmemError } from '../../errors.js';
import { inPieces, PIECE, type Way } from './chunks.js';

/** Fills the target from the place on; returns the bytes. */
export type Reader = (at: number, target: Buffer) => Promise<number>;

/** The checksums of what came from a stream, a piece each. */
export type Sums = readonly number[];

/** Where the bytes begin to differ. */
function firstDifference(a: Buffer, b: Buffer): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return i;
  return most;
}

function differs(at: number): PmemError {
  return new PmemError('ERR_PMEM_VERIFY', `what was copied reads differently from byte ${at} of it on`, { offset: at });
}

/** Throws `ERR_PMEM_VERIFY` unless the target reads as the source does. */
export async function verifyAgain(way: Way, source: Reader, target: Reader): Promise<void> {
  await inPieces(way, async (at, length) => {
    const [wanted, found] = [Buffer.allocUnsafe(length), Buffer.allocUnsafe(length)];
    const [there, here] = await Promise.all([source(at, wanted), target(at, found)]);
    const [a, b] = [wanted.subarray(0, there), found.subarray(0, here)];
    if (!a.equals(b) || here !== length) throw differs(at + firstDifference(a, b));
    return length;
  });
}

/** Throws `ERR_PMEM_VERIFY` unless the target has the checksums; which byte is wrong they do not tell, but the piece. */
export async function verifySums(way: Way, sums: Sums, target: Reader): Promise<void> {
  await inPieces(way, async (at, length) => {
    const found = Buffer.allocUnsafe(length);
    const count = await target(at, found);
    if (count !== length || crc32(found) !== sums[at / PIECE]) throw differs(at);
    return length;
  });
}

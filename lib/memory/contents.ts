/**
 * Whether there is something that somebody may want to keep, before it is overwritten by what makes formats: all of them ask
 * {@link refuseUnlessBlank}. Nothing to keep is what is blank, all zeroes or all ones, at its beginning and its end.
 */

import { PmemError } from '../errors.js';
import { SIGNATURES, type Signature } from './signatures.js';

/** What can be read at any place: a Memory, or what reads like one. */
export interface ReadableBytes {
  /** Bytes. */
  readonly size: number;
  /** Fills the target from the offset on. */
  read(offset: number, target: Uint8Array): void;
}

/** Bytes that are looked at, at the beginning and at the end: partitions begin at 1 MiB, and volumes end in less. */
const LOOKED_AT = 2 ** 20;
/** Where some of it cannot be read. */
const PIECE = 4096;

const UNREADABLE: ReadonlySet<unknown> = new Set(['EIO', 'ERR_PMEM_FAULT', 'ERR_PMEM_MEDIA', 'ERR_PMEM_TRUNCATED']);

/** Undefined: the media has it no more, or there are not that many bytes. */
function tryRead(bytes: ReadableBytes, offset: number, length: number): Buffer | undefined {
  if (!(offset >= 0 && offset + length <= bytes.size)) return undefined;
  const target = Buffer.alloc(length);
  try {
    bytes.read(offset, target);
  } catch (error) {
    if (UNREADABLE.has((error as { code?: unknown }).code)) return undefined;
    throw error;
  }
  return target;
}

function isUniform(bytes: Buffer): boolean {
  const [first] = bytes;
  return first === 0 || first === 0xff ? bytes.subarray(1).equals(bytes.subarray(0, -1)) : bytes.length === 0;
}

/** What is not blank in a range, in words. */
function inRange(bytes: ReadableBytes, begin: number, end: number): string | undefined {
  const all = tryRead(bytes, begin, end - begin);
  if (all !== undefined) return isUniform(all) ? undefined : 'data';
  for (let at = begin; at < end; at += PIECE) {
    if (tryRead(bytes, at, Math.min(PIECE, end - at)) === undefined) return `what cannot be read at byte ${at}`;
  }
  return 'what could not be read a moment ago';
}

/** The formats whose marks are there, in the order in which they are looked for. */
export function signaturesOn(bytes: ReadableBytes): { signature: Signature; offset: number }[] {
  return SIGNATURES.flatMap((signature) => {
    const offset = signature.at(bytes.size);
    const found = tryRead(bytes, offset, signature.bytes.length)?.equals(signature.bytes) === true;
    return found ? [{ signature, offset }] : [];
  });
}

/**
 * What is there, in words: `an XFS file system`, or `data` where it is nothing that is known, or what cannot be read. Undefined
 * where nothing known is there and the first and the last MiB are blank: all 0x00 or all 0xFF, each. Of 2 MiB or less, all of it has to be one of the two.
 */
export function contentsOf(bytes: ReadableBytes): string | undefined {
  const [known] = signaturesOn(bytes);
  if (known !== undefined) return known.signature.what;
  const { size } = bytes;
  if (size <= 2 * LOOKED_AT) return inRange(bytes, 0, size);
  return inRange(bytes, 0, LOOKED_AT) ?? inRange(bytes, size - LOOKED_AT, size);
}

/** The error of what must not be overwritten unasked. */
export function holdsData(operation: string, noun: string, what: string): PmemError {
  return new PmemError('ERR_PMEM_IN_USE', `${operation}: ${noun} holds ${what}; force destroys it`);
}

/**
 * Refuses to make a format over what somebody may want to keep. Stores nothing.
 *
 * @param noun what the bytes are: `the memory`
 * @throws PmemError `ERR_PMEM_IN_USE`, naming what is there
 */
export function refuseUnlessBlank(operation: string, noun: string, bytes: ReadableBytes): void {
  const what = contentsOf(bytes);
  if (what !== undefined) throw holdsData(operation, noun, what);
}

/**
 * Whether memory or a device has contents that a user may want to keep. Everything that makes a format asks
 * {@link refuseUnlessBlank} first. Blank is what has the same byte, 0x00 or 0xFF, all over its beginning and its end.
 */

import { PmemError } from '../errors.js';
import { SIGNATURES, type Signature } from './signatures.js';

/** Bytes that can be read at any offset: a Memory, or an object that reads like one. */
export interface ReadableBytes {
  /** Bytes. */
  readonly size: number;
  /** Fills the target from the offset on. */
  read(offset: number, target: Uint8Array): void;
}

/** Bytes that are read at the beginning, and at the end: partitions begin at 1 MiB, and formats keep less at their end. */
const LOOKED_AT = 2 ** 20;
/** Bytes that are read at once where the media has errors. */
const PIECE = 4096;

const UNREADABLE: ReadonlySet<unknown> = new Set(['EIO', 'ERR_PMEM_FAULT', 'ERR_PMEM_MEDIA', 'ERR_PMEM_TRUNCATED']);

/** Undefined where the bytes cannot be read from the media, and past the end. */
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

/** The contents of bytes `[begin, end)`, in words; undefined where they are blank. */
function inRange(bytes: ReadableBytes, begin: number, end: number): string | undefined {
  const all = tryRead(bytes, begin, end - begin);
  if (all !== undefined) return isUniform(all) ? undefined : 'data';
  for (let at = begin; at < end; at += PIECE) {
    if (tryRead(bytes, at, Math.min(PIECE, end - at)) === undefined) return `what cannot be read at byte ${at}`;
  }
  return 'what could not be read a moment ago';
}

/** The signatures that are found, in the order of {@link SIGNATURES}. */
export function signaturesOn(bytes: ReadableBytes): { signature: Signature; offset: number }[] {
  return SIGNATURES.flatMap((signature) => {
    const offset = signature.at(bytes.size);
    const found = tryRead(bytes, offset, signature.bytes.length)?.equals(signature.bytes) === true;
    return found ? [{ signature, offset }] : [];
  });
}

/**
 * The contents, in words: the format, `an XFS file system`; `data` without a known signature; or where the bytes cannot be read.
 * Undefined where no signature is found and the first and the last MiB are blank, each all 0x00 or all 0xFF. Of 2 MiB or less, all
 * bytes must be the same.
 */
export function contentsOf(bytes: ReadableBytes): string | undefined {
  const [known] = signaturesOn(bytes);
  if (known !== undefined) return known.signature.what;
  const { size } = bytes;
  if (size <= 2 * LOOKED_AT) return inRange(bytes, 0, size);
  return inRange(bytes, 0, LOOKED_AT) ?? inRange(bytes, size - LOOKED_AT, size);
}

/** The refusal to overwrite contents without `force`. */
export function holdsData(operation: string, noun: string, what: string): PmemError {
  return new PmemError('ERR_PMEM_IN_USE', `${operation}: ${noun} holds ${what}; force destroys it`);
}

/**
 * Refuses to make a format over contents. Stores nothing.
 *
 * @param noun the bytes, in words: `the memory`
 * @throws PmemError `ERR_PMEM_IN_USE`, which names the contents
 */
export function refuseUnlessBlank(operation: string, noun: string, bytes: ReadableBytes): void {
  const what = contentsOf(bytes);
  if (what !== undefined) throw holdsData(operation, noun, what);
}

/** The asynchronous calls of a region: a piece at a time on a thread of the pool, the event loop turning in between. */

import { isUint8Array } from 'node:util/types';
import { native, type Outcome } from '../../binding.js';
import { wrongType, wrongValue } from '../../errors.js';
import { checkJob, type JobOptions } from '../../options.js';
import { checkByte, lengthOf, partOf } from '../checks.js';
import type { WriteMode } from '../memory.js';
import { completionOf } from './mapped-memory.js';

/** Bytes of a piece. A hop to the pool's threads costs some 20 µs; 8 MiB take a millisecond or more. */
const PIECE = 8 * 2 ** 20;

/** A region, as far as its asynchronous calls need it. */
export interface Transferable {
  readonly handle: number;
  /** Where the region begins in the mapping, in bytes. */
  readonly base: number;
  /** Throws for a range that is not within the region, and when the region is closed. */
  check(operation: string, offset: number, length: number): void;
  failure(operation: string, outcome: Outcome, offset: number): Error;
}

/** A range of a region, and what is done to it. */
interface Transfer {
  readonly operation: string;
  readonly offset: number;
  readonly length: number;
  readonly options: JobOptions;
  /** One piece: `at` counts from the range's beginning, `place` from the mapping's. */
  run(place: number, count: number, at: number): Promise<Outcome>;
}

async function inPieces(region: Transferable, { operation, offset, length, options, run }: Transfer): Promise<void> {
  const { signal, onProgress } = checkJob(options);
  region.check(operation, offset, length);
  let at = 0;
  do {
    signal?.throwIfAborted();
    region.check(operation, 0, 0);
    const count = Math.min(PIECE, length - at);
    const outcome = await run(region.base + offset + at, count, at);
    if (outcome.status !== 0) throw region.failure(operation, outcome, offset + at);
    at += count;
    onProgress?.({ done: at, total: length });
  } while (at < length);
}

/** The length of an array, and pieces of it as long as it has that length. */
function piecesOf(
  array: Uint8Array,
  name: string,
): { length: number; piece: (at: number, count: number) => Uint8Array } {
  if (!isUint8Array(array)) throw wrongType(name, 'a Buffer or Uint8Array', array);
  const length = lengthOf.call(array);
  const piece = (at: number, count: number): Uint8Array => {
    if (lengthOf.call(array) !== length) throw wrongValue(name, 'left alone until the promise settles', array);
    return partOf(array, at, at + count);
  };
  return { length, piece };
}

export async function readAsync(
  region: Transferable,
  offset: number,
  target: Uint8Array,
  options: JobOptions,
): Promise<void> {
  const { length, piece } = piecesOf(target, 'target');
  const run = (place: number, count: number, at: number): Promise<Outcome> =>
    native.readAsync(region.handle, place, piece(at, count));
  await inPieces(region, { operation: 'readAsync', offset, length, options, run });
}

export async function writeAsync(
  region: Transferable,
  offset: number,
  source: Uint8Array,
  mode: WriteMode,
  options: JobOptions,
): Promise<void> {
  const { length, piece } = piecesOf(source, 'source');
  const completion = completionOf(mode);
  const run = (place: number, count: number, at: number): Promise<Outcome> =>
    native.writeAsync(region.handle, place, piece(at, count), completion);
  await inPieces(region, { operation: 'writeAsync', offset, length, options, run });
}

export async function fillAsync(
  region: Transferable,
  offset: number,
  length: number,
  byte: number,
  mode: WriteMode,
  options: JobOptions,
): Promise<void> {
  checkByte(byte);
  const completion = completionOf(mode);
  const run = (place: number, count: number): Promise<Outcome> =>
    native.fillAsync(region.handle, place, count, byte, completion);
  await inPieces(region, { operation: 'fillAsync', offset, length, options, run });
}

export async function persistAsync(
  region: Transferable,
  offset: number,
  length: number,
  options: JobOptions,
): Promise<void> {
  const run = (place: number, count: number): Promise<Outcome> => native.persistAsync(region.handle, place, count);
  await inPieces(region, { operation: 'persistAsync', offset, length, options, run });
}

export async function populateAsync(
  region: Transferable,
  offset: number,
  length: number,
  writable: boolean,
  options: JobOptions,
): Promise<void> {
  const run = (place: number, count: number): Promise<Outcome> =>
    native.populateAsync(region.handle, place, count, writable);
  await inPieces(region, { operation: 'populateAsync', offset, length, options, run });
}

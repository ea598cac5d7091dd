/** The checks of arguments that every Memory makes, so that all refuse the same with the same code. */

import { outOfRange, wrongType, wrongValue } from '../errors.js';
import { readOptions } from '../options.js';
import type { ByteRange, WriteMode } from './memory.js';

/** A getter as it was when this was loaded. Users' replacements, on the prototype or an object, are neither believed nor run. */
function getter(prototype: object, name: string): ((this: unknown) => unknown) | undefined {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get;
}

const arrays: object = Object.getPrototypeOf(Uint8Array.prototype);

/** The length that an array has, whatever an own property of it says: memory is read and written by this length. */
export const lengthOf = getter(arrays, 'length') as (this: Uint8Array) => number;
export const bufferOf = getter(arrays, 'buffer') as (this: Uint8Array) => ArrayBufferLike;
/** Where in its buffer an array begins, in bytes. */
export const startOf = getter(arrays, 'byteOffset') as (this: Uint8Array) => number;

const Bytes = Uint8Array;
const { fill } = Bytes.prototype;

/** A part of an array, on the same memory. The array's own `subarray` could run users' code and return anything. */
export function partOf(bytes: Uint8Array, begin: number, end: number): Uint8Array {
  return new Bytes(bufferOf.call(bytes), startOf.call(bytes) + begin, end - begin);
}

/** Sets bytes of an array to 0, with no method of its own. */
export function zeroPart(bytes: Uint8Array, begin: number, end: number): void {
  fill.call(bytes, 0, begin, end);
}

/** Bytes of an ArrayBuffer; 0 once they were transferred elsewhere. */
export const sizeOf = getter(ArrayBuffer.prototype, 'byteLength') as (this: ArrayBuffer) => number;
/** Undefined in runtimes without resizable ArrayBuffers. */
export const isResizable = getter(ArrayBuffer.prototype, 'resizable') as ((this: ArrayBuffer) => boolean) | undefined;

/** As they were when this was loaded: users' replacements must not run in the middle of a call. */
const { isInteger, isSafeInteger } = Number;

/** Whether the range is whole numbers of bytes within `limit`. */
export function within(offset: number, length: number, limit: number): boolean {
  return isSafeInteger(offset) && isSafeInteger(length) && offset >= 0 && length >= 0 && offset + length <= limit;
}

/** The error for a range that is not {@link within} the limit, which is the size of `what`. */
export function rangeError(offset: unknown, length: unknown, limit: number, what: string): Error {
  if (typeof offset !== 'number') return wrongType('offset', 'a number of bytes', offset);
  if (typeof length !== 'number') return wrongType('length', 'a number of bytes', length);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > limit) {
    return outOfRange('offset', `a whole number of bytes from 0 to ${limit}, the ${what}'s size,`, offset);
  }
  return outOfRange(
    'length',
    `a whole number of bytes from 0 to ${limit - offset}, what is left of ${limit} at ${offset},`,
    length,
  );
}

/** The length of a range, which ends with the memory if none is given. {@link within} finds what is wrong with either number. */
export function lengthFrom(offset: number, length: number | undefined, size: number): number {
  return length === undefined && typeof offset === 'number' ? size - offset : (length as number);
}

const RANGE = ['offset', 'length'] as const;

/** Whether a range that lacks a property would get one from `Object.prototype`. To ask once costs less than to ask for each range. */
export function isRangePolluted(): boolean {
  return RANGE[0] in Object.prototype || RANGE[1] in Object.prototype;
}

/** One of the ranges given to `persistAll`, which may be an instance of a class. */
export function rangeAt(ranges: readonly ByteRange[], i: number, polluted: boolean): ByteRange {
  const range: unknown = ranges[i];
  if (typeof range !== 'object' || range === null) throw wrongType(`ranges[${i}]`, '{ offset, length }', range);
  return polluted ? readOptions(range as ByteRange, RANGE, `ranges[${i}]`) : (range as ByteRange);
}

/** The ranges given to `persistAll`; each property is read once. */
export function checkRanges(ranges: readonly ByteRange[], limit: number, what: string): ByteRange[] {
  checkRangeList(ranges);
  const polluted = isRangePolluted();
  return Array.from(ranges, (_, i) => {
    const { offset, length } = rangeAt(ranges, i, polluted);
    if (!within(offset, length, limit)) throw rangeError(offset, length, limit, what);
    return { offset, length };
  });
}

export function checkRangeList(ranges: unknown): asserts ranges is readonly ByteRange[] {
  if (!Array.isArray(ranges)) throw wrongType('ranges', 'an array of { offset, length }', ranges);
}

/** The error for a word that is not aligned, in a memory whose byte 0 lies at `base` modulo 8. */
export function misaligned(base: number, offset: number): RangeError {
  const residue = (8 - (base % 8)) % 8;
  const limit =
    residue === 0 ? 'a multiple of 8' : `a multiple of 8 plus ${residue}, as the memory begins between words,`;
  return outOfRange('offset', limit, offset);
}

function wrongInteger(name: string, expected: string, value: unknown): Error {
  return typeof value === 'number' ? outOfRange(name, expected, value) : wrongType(name, expected, value);
}

export function checkByte(byte: number): void {
  if (!(isInteger(byte) && byte >= 0 && byte <= 255)) throw wrongInteger('byte', 'an integer from 0 to 255', byte);
}

export function checkWord(value: bigint): void {
  if (typeof value !== 'bigint') throw wrongType('value', 'a bigint', value);
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw outOfRange('value', 'from 0n to 2n ** 64n - 1n', value);
}

/** The CRC of the bytes before, which a call continues. */
export function checkSeed(seed: number): void {
  if (isInteger(seed) && seed >= 0 && seed <= 0xffff_ffff) return;
  throw wrongInteger('seed', 'an unsigned 32-bit integer', seed);
}

/** @throws TypeError for what is no encoding of a Buffer */
export function checkEncoding(encoding: unknown): asserts encoding is BufferEncoding {
  const expected = "an encoding of a Buffer, such as 'utf8' or 'latin1'";
  if (typeof encoding !== 'string') throw wrongType('encoding', expected, encoding);
  if (!Buffer.isEncoding(encoding)) throw wrongValue('encoding', expected, encoding);
}

export function wrongMode(mode: unknown): Error {
  const expected = "'store', 'flush' or 'persist'";
  return typeof mode === 'string' ? wrongValue('mode', expected, mode) : wrongType('mode', expected, mode);
}

export function checkMode(mode: WriteMode): void {
  if (mode !== 'store' && mode !== 'flush' && mode !== 'persist') throw wrongMode(mode);
}

/** The errors that block devices have in common. */

import { outOfRange, PmemError, type PmemErrorDetails, posixError, wrongType } from '../errors.js';

/** What errors tell of a device. */
export interface DeviceFacts {
  /** What messages call it: `the disk`, `the partition`. */
  readonly noun: string;
  readonly sectorSize: number;
  readonly sectorCount: number;
}

/** `sector 7`, `sectors 7-9`. */
export function sectors(first: number, count: number): string {
  return count === 1 ? `sector ${first}` : `sectors ${first}-${first + count - 1}`;
}

/** `EIO`: the media failed. */
export function inputOutput(operation: string, sentence: string, details?: PmemErrorDetails): PmemError {
  return posixError('EIO', `${operation}: ${sentence}`, details);
}

/** Whether the media failed. */
export function isInputOutput(error: unknown): boolean {
  return error instanceof PmemError && error.code === 'EIO';
}

export function unsupported(operation: string, noun: string): PmemError {
  return posixError(
    'EOPNOTSUPP',
    `${operation}: ${noun} does not support this; its property supports says what it can do`,
  );
}

export function readOnlyError(operation: string, noun: string): PmemError {
  return new PmemError('ERR_PMEM_READ_ONLY', `${operation}: ${noun} is read-only; open it without readOnly to store`);
}

export function closedError(operation: string, noun: string): PmemError {
  return new PmemError('ERR_PMEM_CLOSED', `${operation}: ${noun} is closed; open it again`);
}

/** What a device is made of was closed, and the device ended with it. */
export function endedError(operation: string, noun: string): PmemError {
  return new PmemError(
    'ERR_PMEM_CLOSED',
    `${operation}: what ${noun} is made of is closed; open that again, and ${noun} on it`,
  );
}

/** An array whose length is not whole sectors. */
export function notWholeSectors(name: string, length: number, { noun, sectorSize }: DeviceFacts): RangeError {
  const below = length - (length % sectorSize);
  const nearest = below === 0 ? `${sectorSize}` : `${below} and ${below + sectorSize}`;
  const expected = `a multiple of ${sectorSize}, the sector size of ${noun} (nearest: ${nearest}),`;
  return outOfRange(`${name}.length`, expected, length);
}

/** Why these are not sectors of the device: one of the numbers has the wrong type or range. */
export function notSectors({ noun, sectorCount }: DeviceFacts, lba: unknown, count: unknown): Error {
  if (typeof lba !== 'number') return wrongType('lba', 'a number of sectors', lba);
  if (typeof count !== 'number') return wrongType('count', 'a number of sectors', count);
  if (!Number.isSafeInteger(count) || count < 0 || count > sectorCount) {
    return outOfRange('count', `a whole number from 0 to ${sectorCount}, the sectors of ${noun},`, count);
  }
  const asked = count === 1 ? '1 is asked for' : `${count} are asked for`;
  const expected = `a whole number from 0 to ${sectorCount - count}, as ${noun} has ${sectorCount} sectors and ${asked},`;
  return outOfRange('lba', expected, lba);
}

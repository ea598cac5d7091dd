/** The errors that block devices have in common. */

import { constants } from 'node:os';
import { PmemError, type PmemErrorDetails, wrongType } from '../errors.js';

const { EINVAL, EIO, EOPNOTSUPP, EPERM } = constants.errno;

/** What errors tell of a device. */
export interface DeviceFacts {
  /** What it is called in messages: `the disk`, `the partition`. */
  readonly noun: string;
  readonly sectorSize: number;
  readonly sectorCount: number;
}

/** `sector 7`, `sectors 7-9`. */
export function sectors(first: number, count: number): string {
  return count === 1 ? `sector ${first}` : `sectors ${first}-${first + count - 1}`;
}

export function invalid(operation: string, sentence: string): PmemError {
  return new PmemError('EINVAL', `EINVAL: ${operation}: ${sentence}`, { errno: EINVAL });
}

/** The media, or the device's end, stand in the way. */
export function inputOutput(operation: string, sentence: string, details: PmemErrorDetails = {}): PmemError {
  return new PmemError('EIO', `EIO: ${operation}: ${sentence}`, { errno: EIO, ...details });
}

/** The media, most likely: a range behind the end is asked for by mistake only. */
export function isInputOutput(error: unknown): boolean {
  return error instanceof PmemError && error.code === 'EIO';
}

export function unsupported(operation: string, sentence: string): PmemError {
  return new PmemError('EOPNOTSUPP', `EOPNOTSUPP: ${operation}: ${sentence}`, { errno: EOPNOTSUPP });
}

export function readOnlyDevice(operation: string, noun: string): PmemError {
  return new PmemError('EPERM', `EPERM: ${operation}: ${noun} is read-only; open it without readOnly to store`, {
    errno: EPERM,
  });
}

export function closedDevice(operation: string, noun: string): PmemError {
  return new PmemError('ERR_PMEM_CLOSED', `${operation}: ${noun} is closed; open it again`);
}

/** What is wrong with a number of sectors or of the first one; nothing, if only the device's end is in the way. */
function checkNumber(operation: string, name: string, value: unknown): void {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (value >= 0 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY)) return;
  throw invalid(operation, `${name} must be a whole number from 0 on; got ${value}`);
}

/**
 * Says what is wrong with a range of sectors that was found to be wrong: `length` is in bytes where an array was given,
 * else undefined and `count` is in sectors.
 */
export function refuseRange(
  operation: string,
  { noun, sectorSize, sectorCount }: DeviceFacts,
  lba: unknown,
  count: unknown,
  length?: number,
): never {
  checkNumber(operation, 'lba', lba);
  if (length !== undefined && length % sectorSize !== 0) {
    const below = length - (length % sectorSize);
    const nearest = below === 0 ? `${sectorSize}` : `${below} and ${below + sectorSize}`;
    throw invalid(
      operation,
      `${length} bytes are not whole sectors of ${sectorSize} bytes, the sector size of ${noun}; nearest: ${nearest}`,
    );
  }
  if (length === undefined) checkNumber(operation, 'count', count);
  throw inputOutput(
    operation,
    `${count} sectors from ${lba} on reach behind the end of ${noun}, which has ${sectorCount} sectors`,
  );
}

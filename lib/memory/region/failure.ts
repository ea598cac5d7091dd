/** Turns the outcome of a native call into the error that a user can act on. */

import { statSync } from 'node:fs';
import { Damage, FAULT_OFFSET, FAULT_SIGNAL, mailbox, type Outcome, RESULT, STATUS, Status } from '../../binding.js';
import { errorName, PmemError } from '../../errors.js';
import { misaligned } from '../checks.js';
import { piecesOf } from '../extents.js';
import type { ByteRange } from '../memory.js';

/** A call on a region. */
export interface Attempt {
  /** Name of the method. */
  readonly operation: string;
  readonly path: string;
  /** The pieces of the file that make up the mapping. */
  readonly extents: readonly ByteRange[];
  /** Where this region begins in the mapping, in bytes (slices). */
  readonly base: number;
  /** The offset that the call was given. */
  readonly offset: number;
}

export function closedError(operation: string, path: string): PmemError {
  return new PmemError('ERR_PMEM_CLOSED', `${operation}: the region on '${path}' is closed; open it again`, { path });
}

/** What the last hot call left in the mailbox. */
export function lastOutcome(): Outcome {
  return {
    status: mailbox[STATUS] as number,
    signal: mailbox[FAULT_SIGNAL] as number,
    code: mailbox[RESULT] as number,
    offset: mailbox[FAULT_OFFSET] as number,
  };
}

const SIGBUS = 7;
/** si_code of SIGBUS: the hardware found the memory corrupt (sigaction(2)). */
const BUS_MCEERR_AR = 4;

function fileIsShorter(path: string, end: number): boolean {
  try {
    const status = statSync(path);
    return status.isFile() && status.size < end;
  } catch {
    return false;
  }
}

/** A place in the mapping, as the user of the region counts. Of a slice, damage can also lie before it. */
function place({ path, base }: Attempt, inMapping: number): { offset: number | undefined; where: string } {
  const offset = inMapping - base;
  if (offset < 0) {
    return { offset: undefined, where: `offset ${inMapping} of the region on '${path}', before this slice,` };
  }
  return { offset, where: `offset ${offset} of the region on '${path}'` };
}

function faultError(attempt: Attempt, outcome: Outcome, consequence: string): PmemError {
  const { operation, path } = attempt;
  const inMapping = outcome.offset ?? 0;
  if (inMapping < 0) {
    const message = `${operation}: a page of the array given to the region on '${path}' is unavailable: the file it is mapped from was truncated, failed, or is read-only`;
    return new PmemError('ERR_PMEM_FAULT', message, { path });
  }
  const { offset, where: there } = place(attempt, inMapping);
  const details = { path, offset };
  const where = `${operation}: at ${there}`;
  if (outcome.signal === SIGBUS && outcome.code === BUS_MCEERR_AR) {
    const message = `${where} the hardware reports corrupt memory. ${consequence}`;
    return new PmemError('ERR_PMEM_MEDIA', message, details);
  }
  const [inFile = { offset: 0, length: 0 }] = piecesOf(attempt.extents, inMapping, 1);
  if (fileIsShorter(path, inFile.offset + inFile.length)) {
    const message = `${where} the file was truncated while it was mapped. ${consequence}`;
    return new PmemError('ERR_PMEM_TRUNCATED', message, details);
  }
  const message = `${where} the page is unavailable: the file was truncated, the disk is full, or the media failed. ${consequence}`;
  return new PmemError('ERR_PMEM_FAULT', message, details);
}

function damageError(attempt: Attempt, outcome: Outcome): PmemError {
  const { operation, path } = attempt;
  switch (outcome.code) {
    case Damage.readOnlyViolated: {
      const { offset, where } = place(attempt, outcome.offset ?? 0);
      return new PmemError(
        'ERR_PMEM_READ_ONLY',
        `${operation}: something stored into a Buffer of a read-only region, at ${where}. The store did not reach the file. Close ` +
          `the region and open it again, without readOnly to store`,
        { path, offset },
      );
    }
    case Damage.syncFailed:
      return new PmemError(
        'ERR_PMEM_SYNC_FAILED',
        `${operation}: an earlier msync of '${path}' failed, and what it should have written may be lost. The kernel would ` +
          `report the next msync as a success. Close the region, find the cause, and open it again`,
        { path },
      );
    case Damage.unknownSize:
      return new PmemError(
        'ERR_PMEM_SYNC_FAILED',
        `${operation}: it is unknown whether '${path}' still has the bytes to be made durable: somebody closed the ` +
          'descriptor that the region keeps. Close the region and open it again',
        { path },
      );
    case Damage.truncated: {
      const { offset, where } = place(attempt, outcome.offset ?? 0);
      return new PmemError(
        'ERR_PMEM_TRUNCATED',
        `${operation}: the file was truncated, or the device shrank, while it was mapped: the bytes from ${where} on are gone. ` +
          'What was to be made durable there is lost. Close the region and open it again',
        { path, offset },
      );
    }
    default: {
      const isCorrupt = outcome.code === Damage.corruptPage;
      const fault = isCorrupt ? { signal: SIGBUS, code: BUS_MCEERR_AR } : { signal: 0 };
      return faultError(
        attempt,
        { ...outcome, ...fault },
        'Stores to that page are lost. Close the region and open it again',
      );
    }
  }
}

/** The error for an outcome that is not 0. */
export function failure(attempt: Attempt, outcome: Outcome): Error {
  const { operation, path } = attempt;
  const { status } = outcome;
  switch (status) {
    case Status.closed:
      return closedError(operation, path);
    case Status.range:
      return misaligned(attempt.base, attempt.offset);
    case Status.fault:
      return faultError(attempt, outcome, 'Nothing else of the region is affected');
    case Status.damaged:
      return damageError(attempt, outcome);
    case Status.readOnly:
      return new PmemError('ERR_PMEM_READ_ONLY', `${operation}: the region on '${path}' was opened with readOnly`, {
        path,
      });
    case Status.volatile:
      return new PmemError(
        'ERR_PMEM_VOLATILE',
        `${operation}: nothing makes stores to '${path}' survive power-off (durability.reason says why). Use a file on a disk or on persistent ` +
          `memory; to try the code as if it were persistent, pass assumePersistent: true or set PMEM_ASSUME_PERSISTENT=1`,
        { path },
      );
    default: {
      const code = errorName(status);
      if (operation === 'populateAsync') {
        const message = `${code}: populateAsync could not bring in all pages of '${path}'`;
        return new PmemError(code, message, { errno: status, syscall: 'madvise', path });
      }
      return new PmemError(
        code,
        `${code}: ${operation}: msync of '${path}' failed. The region refuses every call from now on: the kernel may have ` +
          `dropped the pages and would report the next msync as a success`,
        { errno: status, syscall: 'msync', path },
      );
    }
  }
}

/** What an end of a copy is, before it is opened. */

import { type BigIntStats, statSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { PmemError, systemError } from '../../errors.js';
import { deviceNumber } from '../../linux/sysfs/read.js';
import { type Explanation, explain } from '../../memory/durability/explain.js';

/** `memory` is mapped, a `file` is read and written at any place, a `stream` from front to back only. */
export interface Outlook {
  readonly kind: 'memory' | 'file' | 'stream';
  /** All of its bytes; undefined: not known, or without end. */
  readonly size: number | undefined;
  /** Bytes in which memory is mapped. */
  readonly unit: number;
  /** Which file or device it is; undefined for what is not there yet, and streams. */
  readonly identity: string | undefined;
  /** Writing behind its end makes it longer. */
  readonly grows: boolean;
}

const { ENOENT } = constants.errno;

const STREAM: Outlook = { kind: 'stream', size: undefined, unit: 1, identity: undefined, grows: true };
const MISSING: Outlook = { kind: 'file', size: 0, unit: 1, identity: undefined, grows: true };
const DEVICES: ReadonlySet<string> = new Set(['devdax', 'devmem', 'pci']);

/** Numbers of devices that are read or written like a file, and do nothing when they are opened: null, zero, full, random, urandom. */
const HARMLESS: ReadonlySet<string> = new Set(['1:3', '1:5', '1:7', '1:8', '1:9']);

/** What bytes can come from or go to in order, though it cannot be mapped. */
export function isStream(status: BigIntStats): boolean {
  if (status.isCharacterDevice()) return HARMLESS.has(deviceNumber(status.rdev));
  // Files of the kernel's: those of a disk are mapped, or read in place.
  return status.isFIFO() || status.isFile();
}

/** Undefined for what cannot be mapped but is a stream: `/dev/zero`, a file in /proc. */
function mappable(path: string, status: BigIntStats): Explanation | undefined {
  try {
    return explain(path);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENODEV') throw error;
    if (isStream(status)) return undefined;
    const advice = 'open it yourself, and pass the stream (on the command line: < and >)';
    const sentence = 'is no memory, and opening it could do something; if it is meant';
    throw new PmemError('ENODEV', `ENODEV: '${path}' ${sentence}, ${advice}`, { path, cause: error });
  }
}

function statusOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true });
  } catch (error) {
    throw systemError(error, path);
  }
}

/** Looks at it; `emulate` takes a regular file for a device. What is not there is a file that can be made. */
export function lookAt(end: string | Readable | Writable, emulate: boolean): Outlook {
  if (typeof end !== 'string') return STREAM;
  const status = statusOf(end);
  if (status === undefined && emulate) {
    const message = `ENOENT: there is no '${end}' to be taken for a device; make it with the size it is to have (truncate -s)`;
    throw new PmemError('ENOENT', message, { errno: ENOENT, path: end });
  }
  if (status === undefined) return MISSING;
  // A FIFO must not be opened twice.
  const found = status.isFIFO() ? undefined : mappable(end, status);
  if (found === undefined) return STREAM;
  const { kind, size, alignment } = found;
  if (kind === 'directory') throw new PmemError('EISDIR', `EISDIR: '${end}' is a directory`, { path: end });
  const identity = status.rdev === 0n ? `${status.dev}:${status.ino}` : `device ${status.rdev}`;
  if (DEVICES.has(kind) || (emulate && kind === 'file')) {
    return { kind: 'memory', size, unit: alignment, identity, grows: false };
  }
  return { kind: 'file', size, unit: 1, identity, grows: kind === 'file' };
}

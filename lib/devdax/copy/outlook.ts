/** What an end of a copy is, before it is opened. */

import { type BigIntStats, statSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { PmemError, systemError } from '../../errors.js';
import { type Explanation, explain } from '../../memory/explain.js';

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

/** Undefined for what cannot be mapped at all: `/dev/zero`, a terminal, a FIFO. */
function mappable(path: string): Explanation | undefined {
  try {
    return explain(path);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENODEV') return undefined;
    throw error;
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
  const found = status.isFIFO() ? undefined : mappable(end);
  if (found === undefined) return STREAM;
  const { kind, size, alignment } = found;
  if (kind === 'directory') throw new PmemError('EISDIR', `EISDIR: '${end}' is a directory`, { path: end });
  const identity = status.rdev === 0n ? `${status.dev}:${status.ino}` : `device ${status.rdev}`;
  if (DEVICES.has(kind) || (emulate && kind === 'file')) {
    return { kind: 'memory', size, unit: alignment, identity, grows: false };
  }
  return { kind: 'file', size, unit: 1, identity, grows: kind === 'file' };
}

/** What an end of a copy is, before it is opened. */

import { statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { PmemError } from '../../errors.js';
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
}

const STREAM: Outlook = { kind: 'stream', size: undefined, unit: 1, identity: undefined };
const MISSING: Outlook = { kind: 'file', size: 0, unit: 1, identity: undefined };
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

/** Looks at it; `emulate` takes a regular file for a device. What is not there is a file that can be made. */
export function lookAt(end: string | Readable | Writable, emulate: boolean): Outlook {
  if (typeof end !== 'string') return STREAM;
  const status = statSync(end, { throwIfNoEntry: false, bigint: true });
  if (status === undefined) return MISSING;
  // A FIFO must not be opened twice.
  const found = status.isFIFO() ? undefined : mappable(end);
  if (found === undefined) return STREAM;
  const { kind, size, alignment } = found;
  if (kind === 'directory') throw new PmemError('EISDIR', `EISDIR: '${end}' is a directory`, { path: end });
  const identity = status.rdev === 0n ? `${status.dev}:${status.ino}` : `device ${status.rdev}`;
  if (DEVICES.has(kind) || (emulate && kind === 'file')) return { kind: 'memory', size, unit: alignment, identity };
  return { kind: 'file', size, unit: 1, identity };
}

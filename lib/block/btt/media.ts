/** Reading what may not be there. */

import { PmemError } from '../../errors.js';
import type { Memory } from '../../memory/memory.js';

const FAULTS: ReadonlySet<string> = new Set(['ERR_PMEM_FAULT', 'ERR_PMEM_MEDIA', 'ERR_PMEM_TRUNCATED']);

/** A guarded copy met a page that is gone or corrupt. */
export function isFault(error: unknown): error is PmemError {
  return error instanceof PmemError && FAULTS.has(error.code);
}

/** Bytes of the memory, or undefined where they cannot be read, or where there is no memory. */
export function tryRead(memory: Memory, offset: number, length: number): Buffer | undefined {
  if (!(offset >= 0 && offset + length <= memory.size)) return undefined;
  const bytes = Buffer.alloc(length);
  try {
    memory.read(offset, bytes);
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
  return bytes;
}

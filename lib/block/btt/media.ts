/** Reads memory that may be unavailable. */

import type { Memory } from '../../memory/memory.js';
import { isFault } from '../bad-blocks/faults.js';

/** Bytes of the memory; undefined where they cannot be read, or lie past the end. */
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

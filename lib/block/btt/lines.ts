/**
 * The flog relies on cache lines: stores to one line reach the media in their order. The two words of an entry are in one line, so
 * that the entry counts once its second word is there; all entries of a lane are, which rewriting relies on. Lanes lie at multiples
 * of 64 bytes in the memory, so this is true where the memory begins on a line. Elsewhere a power cut could leave the second word
 * without the first. Only a slice begins between lines: no device, partition or namespace does.
 */

import { outOfRange, wrongType } from '../../errors.js';
import type { Memory } from '../../memory/memory.js';
import { FLOG_LANE } from './layout.js';

/** @throws RangeError `ERR_OUT_OF_RANGE` unless the memory begins on a cache line; TypeError where it does not say */
export function checkLines(operation: string, memory: Memory): void {
  const { lineOffset } = memory;
  if (lineOffset === 0) return;
  if (typeof lineOffset !== 'number') throw wrongType('memory.lineOffset', 'a number of bytes', lineOffset);
  const expected =
    `0 for ${operation}: a BTT that is stored into must begin on a cache line, or a power cut could tear its log. Slice the region ` +
    `at a multiple of ${FLOG_LANE} bytes; a BTT that is there already can be read with readOnly, and copied`;
  throw outOfRange('memory.lineOffset', expected, lineOffset);
}

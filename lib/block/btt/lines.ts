/**
 * The two words of a flog entry are in one cache line, which reaches the media with stores in their order: so the entry counts once
 * its second word is there. And so are all entries of a lane, which rewriting relies on. Both are true where the memory begins on a
 * line, because lanes lie at multiples of 64 bytes in it; elsewhere a power cut could leave the second word without the first. Such
 * memory is a slice made at any byte: no device, partition or namespace begins between lines.
 */

import type { Memory } from '../../memory/memory.js';
import { invalid } from '../block-errors.js';
import { FLOG_LANE } from './layout.js';

/** @throws PmemError `EINVAL` unless the memory begins on a cache line: for whoever is to store into it. */
export function checkLines(operation: string, memory: Memory): void {
  const { lineOffset } = memory;
  if (lineOffset === 0) return;
  const where =
    typeof lineOffset === 'number'
      ? `begins ${lineOffset} bytes into a cache line`
      : 'does not say where in a cache line it begins (lineOffset)';
  throw invalid(
    operation,
    `the memory ${where}, and a BTT that is stored into must begin on one: a power cut could tear its log. Slice the region at a ` +
      `multiple of ${FLOG_LANE} bytes; a BTT that is there already can be read with readOnly, and copied`,
  );
}

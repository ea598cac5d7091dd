/** Repairs what a check found, with bytes that are sound somewhere else. */

import type { Memory } from '../../memory/memory.js';
import { completeWrites } from './complete.js';
import type { Discovery } from './discover.js';
import type { FlogFindings } from './flog-check.js';
import type { BttProblem } from './problems.js';

/** What a check found; every problem is repairable. */
interface Repairable {
  readonly discovery: Discovery;
  readonly flogs: readonly FlogFindings[];
  readonly problems: readonly BttProblem[];
}

/**
 * A power cut at any point is harmless, and the repair can be repeated: a map entry is one word, and of an info block and its
 * copy it stores only one, from the other.
 */
export function repair(memory: Memory, { discovery, flogs, problems }: Repairable): void {
  for (const [i, flog] of flogs.entries()) {
    const arena = discovery.arenas[i];
    if (arena !== undefined) completeWrites(memory, arena, flog);
  }
  for (const { code, arena } of problems) {
    const found = discovery.arenas[arena];
    if (found === undefined) continue;
    const { offset, info, block } = found;
    if (code === 'info-missing') memory.write(offset, block, 'flush');
    if (code === 'info-copy') memory.write(offset + info.infoCopyOffset, block, 'flush');
  }
  memory.drain();
}

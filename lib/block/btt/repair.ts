/** Repairs what check found. Nothing is stored that was not found to be sound somewhere else. */

import type { Memory } from '../../memory/memory.js';
import type { Discovery } from './discover.js';
import type { FlogFindings } from './flog-check.js';
import { NORMAL, storeEntry } from './map.js';
import type { BttProblem } from './problems.js';

/** What is to be repaired: all of it is repairable. */
interface Repairable {
  readonly discovery: Discovery;
  readonly flogs: readonly FlogFindings[];
  readonly problems: readonly BttProblem[];
}

/**
 * Each step can be interrupted and done again: a map entry is one word; a copy of an info block is stored while the info block is
 * durable, and an info block while its copy is.
 */
export function repair(memory: Memory, { discovery, flogs, problems }: Repairable): void {
  for (const [i, { pending }] of flogs.entries()) {
    const arena = discovery.arenas[i];
    if (arena === undefined) continue;
    const { offset, info } = arena;
    for (const { sector, block } of pending) {
      storeEntry(memory, offset + info.mapOffset, sector, (block | NORMAL) >>> 0);
    }
  }
  for (const { code, arena } of problems) {
    const found = discovery.arenas[arena];
    if (found === undefined) continue;
    if (code === 'info-missing') memory.write(found.offset, found.block, 'flush');
  }
  memory.drain();
  for (const { code, arena } of problems) {
    const found = discovery.arenas[arena];
    if (code === 'info-copy' && found !== undefined) {
      memory.write(found.offset + found.info.infoCopyOffset, found.block, 'flush');
    }
  }
  memory.drain();
}

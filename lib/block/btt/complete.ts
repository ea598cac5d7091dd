/** Completes what was interrupted: by a power cut, or by the end of a program, or of a script, that the memory outlives. */

import type { Memory } from '../../memory/memory.js';
import type { FoundArena } from './discover.js';
import type { FlogFindings } from './flog-check.js';
import { FLOG_LANE } from './layout.js';
import { NORMAL, storeEntry, wordOffset } from './map.js';

/**
 * Lets the map say what the flog does. Durable after the next drain, which comes before a lane's next entry.
 *
 * **Where no power was cut** what was stored last is seen, and need not be durable yet:
 *
 * - An entry of the flog that the map does not follow. It has to be durable before the map follows it: otherwise a power cut could
 *   bring back the older entry, whose free block the map would name.
 * - A map entry of which the write-back was not begun. The lane's next write overwrites the block that it named before, and relies
 *   on that. Only the newest entry of a lane can speak of one.
 */
export function completeWrites(
  memory: Memory,
  { offset, info }: FoundArena,
  { lanes, pending }: Pick<FlogFindings, 'lanes' | 'pending'>,
): void {
  const map = offset + info.mapOffset;
  if (pending.length > 0) memory.persist(offset + info.flogOffset, lanes.length * FLOG_LANE);
  const changes = new Map(pending.map(({ sector, block }) => [sector, block]));
  for (const sector of new Set(lanes.map((lane) => lane.sector))) {
    const block = changes.get(sector);
    if (block === undefined) memory.flush(wordOffset(map, sector), 8);
    else storeEntry(memory, map, sector, (block | NORMAL) >>> 0);
  }
}

/** Completes writes that were interrupted: by a power cut, or by the end of a process or script that the memory outlives. */

import type { Memory } from '../../memory/memory.js';
import type { FoundArena } from './discover.js';
import type { FlogFindings } from './flog-check.js';
import { FLOG_LANE } from './layout.js';
import { NORMAL, storeEntry, wordOffset } from './map.js';

/**
 * Changes the map to what the flog says. Durable after the next drain, which comes before a lane's next entry.
 *
 * **Where no power was cut**, the last stores are visible, but maybe not durable yet:
 *
 * - A flog entry that the map does not show. It has to be durable before the map changes: otherwise a power cut could bring back the
 *   older entry, whose free block the map would name.
 * - A map entry whose write-back was not started. The lane's next write overwrites the sector's old block, and relies on the change
 *   being durable. Only the newest entry of a lane can have such a map entry.
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

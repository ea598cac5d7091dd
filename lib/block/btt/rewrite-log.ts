/**
 * Makes the flog as new, each lane keeping its free block, as `ndctl check-namespace --repair --rewrite-log` does. A flog with first
 * entries only fits kernels that use slots 0 and 1, and those before 4.15, which use 0 and 2.
 */

import type { Memory } from '../../memory/memory.js';
import type { FoundArena } from './discover.js';
import { laneState, type SecondSlot } from './flog.js';
import type { FlogFindings } from './flog-check.js';
import { FLOG_ENTRY, FLOG_LANE } from './layout.js';

/** Whether the lane has only a first entry, with number 1. */
function isNew(lane: Buffer): boolean {
  return lane.readUInt32LE(12) === 1 && lane.subarray(FLOG_ENTRY).every((byte) => byte === 0);
}

/**
 * **Why a power cut is harmless.** The lane's entry, with its flags, is stored again as a write would store it, into the next slot
 * with the next number, until it is in slot 0 with number 1: five times at most. Both entries then say the same, whichever is the
 * newer. Then the second slot's number becomes 0, as in an entry that was never used, and the rest of that entry is cleared.
 * All of this is in one cache line, whose stores reach the media in their order.
 */
function rewriteLane(memory: Memory, at: number, lane: Buffer, second: SecondSlot): void {
  const store = (place: number, value: bigint): void => {
    memory.store64(at + place, value);
    lane.writeBigUInt64LE(value, place);
  };
  for (;;) {
    const state = laneState(lane, 0, second);
    if (typeof state === 'string') throw new RangeError(`a lane that was checked has ${state}`);
    const isInFirst = state.nextSlot !== 0;
    if (isInFirst && state.sequence === 1) break;
    const newer = (isInFirst ? 0 : second) * FLOG_ENTRY;
    const older = state.nextSlot * FLOG_ENTRY;
    store(older, lane.readBigUInt64LE(newer));
    store(older + 8, (BigInt(state.nextSequence) << 32n) | BigInt(lane.readUInt32LE(newer + 8)));
  }
  store(second * FLOG_ENTRY + 8, 0n);
  store(second * FLOG_ENTRY, 0n);
  memory.flush(at, FLOG_LANE);
}

/**
 * Rewrites the flogs of arenas that are sound. Durable after the next drain.
 *
 * @returns the number of lanes that were rewritten
 */
export function rewriteLogs(memory: Memory, arenas: readonly FoundArena[], flogs: readonly FlogFindings[]): number {
  let rewritten = 0;
  for (const [i, { offset, info }] of arenas.entries()) {
    const begin = offset + info.flogOffset;
    const flog = Buffer.alloc(info.nfree * FLOG_LANE);
    memory.read(begin, flog);
    for (let at = 0; at < flog.length; at += FLOG_LANE) {
      const lane = flog.subarray(at, at + FLOG_LANE);
      if (isNew(lane)) continue;
      rewriteLane(memory, begin + at, lane, flogs[i]?.second ?? 1);
      rewritten++;
    }
  }
  return rewritten;
}

/**
 * The flog: a lane's free block, and what its last write did (UEFI 2.11, 6.3.5; Linux btt.rst, "The BTT Flog").
 *
 *      offset  bytes   field                       ┌────────┬────────┬────────┬────────┐
 *           0      4   LBA: the sector              │ slot 0 │ slot 1 │ slot 2 │ slot 3 │   a lane, 64 bytes
 *           4      4   OldMap: the block it had     └────────┴────────┴────────┴────────┘
 *           8      4   NewMap: the block it gets    in use: 0 and 1 (UEFI, Linux from 4.15,
 *          12      4   Seq: 1, 2, 3, 1 …            PMDK), or 0 and 2 (Linux before)
 *
 * Of the two entries the one whose number follows the other's is the newer; 0 is an entry that was never used. A new entry
 * takes the older one's place: LBA and OldMap in one word, then NewMap and Seq in the next, so that the entry counts once
 * its second word is there. Both are in one cache line (lines.ts sees to that), which reaches the media with stores in their order.
 */

import { FLOG_ENTRY, FLOG_LANE } from './layout.js';
import { withoutFlags } from './map.js';

/** Which slot of a lane has its second entry. */
export type SecondSlot = 1 | 2;

/** An entry. Block numbers are without flags. */
export interface FlogEntry {
  readonly sector: number;
  readonly oldBlock: number;
  readonly newBlock: number;
  readonly sequence: number;
  /** The old block could not be read, and is not to be trusted before it has been overwritten. */
  readonly oldIsBad: boolean;
}

/** The state of a lane: its newer entry, and where the next one goes. */
export interface LaneState extends FlogEntry {
  /** Slot that the next entry overwrites. */
  readonly nextSlot: number;
  readonly nextSequence: number;
}

const ERROR_ONLY = 0b01;

/** 1, 2, 3, 1 … */
export function following(sequence: number): number {
  return sequence === 3 ? 1 : sequence + 1;
}

function isUnused(flog: Buffer, at: number): boolean {
  for (let i = 0; i < FLOG_ENTRY; i += 4) if (flog.readUInt32LE(at + i) !== 0) return false;
  return true;
}

/**
 * Which slots are in use: those that are not all zero. Undefined where the lanes contradict each other, or fit no known
 * arrangement (log_set_indices, drivers/nvdimm/btt.c). A flog without second entries counts as one of slots 0 and 1.
 */
export function secondSlotOf(flog: Buffer): SecondSlot | undefined {
  let second: SecondSlot | undefined;
  for (let lane = 0; lane < flog.length; lane += FLOG_LANE) {
    // A new flog uses the first slot only.
    if (isUnused(flog, lane) || !isUnused(flog, lane + 3 * FLOG_ENTRY)) return undefined;
    for (const slot of [1, 2] as const) {
      if (isUnused(flog, lane + slot * FLOG_ENTRY)) continue;
      if (second !== undefined && second !== slot) return undefined;
      second = slot;
    }
  }
  return second ?? 1;
}

/** The state of a lane, from its 64 bytes at `at`; or what is wrong with its sequence numbers. */
export function laneState(flog: Buffer, at: number, second: SecondSlot): LaneState | string {
  const slots = [0, second] as const;
  const [a, b] = slots.map((slot) => flog.readUInt32LE(at + slot * FLOG_ENTRY + 12)) as [number, number];
  if (a > 3 || b > 3) return `sequence numbers ${a} and ${b}, which end at 3`;
  if (a === b) return `sequence number ${a} twice`;
  // A new lane has number 1 in its first entry, and 0 in the unused second one; Linux misreads any other 0.
  if ((a === 0 || b === 0) && a !== 1) return `sequence numbers ${a} and ${b}, which do not follow each other`;
  const newer = b === 0 || following(b) === a ? 0 : 1;
  const place = at + slots[newer] * FLOG_ENTRY;
  const sequence = newer === 0 ? a : b;
  const oldMap = flog.readUInt32LE(place + 4);
  return {
    sector: withoutFlags(flog.readUInt32LE(place)),
    oldBlock: withoutFlags(oldMap),
    newBlock: withoutFlags(flog.readUInt32LE(place + 8)),
    sequence,
    oldIsBad: oldMap >>> 30 === ERROR_ONLY,
    nextSlot: slots[1 - newer] as number,
    nextSequence: following(sequence),
  };
}

/** The 64 bytes of a lane that was never written by, with its free block (btt_log_init, drivers/nvdimm/btt.c). */
export function newLane(flog: Buffer, lane: number, freeBlock: number, sector = lane): void {
  const at = lane * FLOG_LANE;
  flog.fill(0, at, at + FLOG_LANE);
  flog.writeUInt32LE(sector, at);
  flog.writeUInt32LE(freeBlock, at + 4);
  flog.writeUInt32LE(freeBlock, at + 8);
  flog.writeUInt32LE(1, at + 12);
}

/** The lanes of an open arena: the free block of each, and where its next flog entry goes. */

import { following, type LaneState, type SecondSlot } from './flog.js';
import { FLOG_ENTRY, FLOG_LANE } from './layout.js';

/** The lane's free block can be used. */
const USABLE = 0;
/** The block failed: it has to be overwritten and read once before it is trusted. */
const SUSPECT = 1;
/** The block can neither be overwritten nor read. The lane rests until the arena is opened again. */
const RETIRED = 2;

/** Takes some 8 bytes for each lane. */
export class Lanes {
  /** The number of lanes. */
  readonly count: number;
  readonly #flog: number;
  readonly #second: SecondSlot;
  readonly #free: Uint32Array;
  readonly #sequence: Uint8Array;
  readonly #slot: Uint8Array;
  readonly #state: Uint8Array;
  #cursor = 0;
  #usable: number;

  /** @param flog where the flog is in the memory */
  constructor(lanes: readonly LaneState[], second: SecondSlot, flog: number) {
    this.count = lanes.length;
    this.#flog = flog;
    this.#second = second;
    this.#free = Uint32Array.from(lanes, ({ oldBlock }) => oldBlock);
    this.#sequence = Uint8Array.from(lanes, ({ nextSequence }) => nextSequence);
    this.#slot = Uint8Array.from(lanes, ({ nextSlot }) => nextSlot);
    this.#state = Uint8Array.from(lanes, ({ oldIsBad }) => (oldIsBad ? SUSPECT : USABLE));
    this.#usable = lanes.length;
  }

  /** Lanes that are not retired. */
  get usable(): number {
    return this.#usable;
  }

  /** The next lane's number, in turn, so that the flog wears evenly. There must be a usable lane. */
  next(): number {
    let lane = this.#cursor;
    while (this.#state[lane] === RETIRED) lane = lane + 1 === this.count ? 0 : lane + 1;
    this.#cursor = lane + 1 === this.count ? 0 : lane + 1;
    return lane;
  }

  freeBlock(lane: number): number {
    return this.#free[lane] as number;
  }

  sequence(lane: number): number {
    return this.#sequence[lane] as number;
  }

  /** Where in the memory the lane's next entry goes. */
  entryOffset(lane: number): number {
    return this.#flog + lane * FLOG_LANE + (this.#slot[lane] as number) * FLOG_ENTRY;
  }

  /** Where in the memory the lane's line is. */
  offset(lane: number): number {
    return this.#flog + lane * FLOG_LANE;
  }

  isSuspect(lane: number): boolean {
    return this.#state[lane] === SUSPECT;
  }

  trust(lane: number): void {
    this.#state[lane] = USABLE;
  }

  retire(lane: number): void {
    if (this.#state[lane] !== RETIRED) this.#usable--;
    this.#state[lane] = RETIRED;
  }

  /** The lane's entry is committed: this is its free block from now on. */
  swap(lane: number, block: number, isBad: boolean): void {
    this.#free[lane] = block;
    this.#sequence[lane] = following(this.#sequence[lane] as number);
    this.#slot[lane] = this.#slot[lane] === 0 ? this.#second : 0;
    this.#state[lane] = isBad ? SUSPECT : USABLE;
  }
}

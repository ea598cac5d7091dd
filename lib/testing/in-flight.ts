/**
 * The lines whose stores are not durable yet, and what a power cut can make of each.
 *
 * A line on the media holds what was last guaranteed and then some of the *pieces* stored since, a piece being what one
 * call stored into the line. Pieces arrive in program order, as the Memory contract promises: a line is written back as a
 * whole, and x86 does not reorder ordinary stores with each other (Intel SDM, volume 3, "Memory Ordering"). The words of one
 * piece arrive in any order: `write` and `fill` promise none, libraries store the end of a short copy before its middle, and a
 * write-combining buffer that is evicted early goes out in parts (same volume, "Buffering of Write Combining Memory
 * Locations"). A flush promises what was stored before it; that write-back may happen later and carry more is no promise
 * (SDM, volume 2, CLWB).
 *
 *      guaranteed      flushed, durable        stored
 *                      by the next drain       only
 *     ┌────────────┬───────────────────────┬──────────┐
 *     │  base      │ piece 0 … flushed - 1 │ … last   │      choice: how many pieces arrived, and of the next
 *     └────────────┴───────────────────────┴──────────┘      one perhaps some words
 */

import { LINE, lastLineOf, lineOf, WORD } from './lines.js';
import { type FlushEvent, maskInLine, type StoreEvent } from './store-log.js';

/** What one call stored into one line. */
export interface Piece {
  readonly store: StoreEvent;
  /** Its words in this line: bit 0 is the first. */
  readonly mask: number;
}

/**
 * What arrived of a line in flight: `pieces << 8 | words`, where `words` are those of the next piece that came through
 * before it was torn, or 0. The choice 0 is the line as it was last guaranteed.
 */
export type Choice = number;

export function choiceOf(pieces: number, words = 0): Choice {
  return (pieces << 8) | words;
}

/** Pieces that arrived whole. */
export function wholePieces(choice: Choice): number {
  return choice >>> 8;
}

/** Words of the next piece that arrived, or 0. */
export function tornWords(choice: Choice): number {
  return choice & 0xff;
}

/** A line in flight. */
export class LineState {
  readonly line: number;
  readonly pieces: Piece[] = [];
  /** The first so many pieces are durable after the next drain. */
  flushed = 0;
  /** The last flush of the line. */
  flush: FlushEvent | undefined;

  constructor(line: number) {
    this.line = line;
  }

  /** Everything arrived. */
  get whole(): Choice {
    return choiceOf(this.pieces.length);
  }
}

/** Stores a piece, or those words of it, into the line's 64 bytes at `target[at]`. */
function apply({ store }: Piece, mask: number, line: number, target: Uint8Array, at: number): void {
  const { bytes, offset } = store;
  const start = line * LINE;
  for (let word = 0; word < LINE / WORD; word++) {
    if ((mask & (1 << word)) === 0) continue;
    const from = Math.max(word * WORD, offset - start);
    const to = Math.min(word * WORD + WORD, offset + bytes.length - start);
    for (let i = from; i < to; i++) target[at + i] = bytes[start + i - offset] as number;
  }
}

/** Makes the base of a line, at `target[at]`, what the choice says. */
export function compose({ line, pieces }: LineState, choice: Choice, target: Uint8Array, at: number): void {
  const whole = wholePieces(choice);
  for (let i = 0; i < whole; i++) {
    const piece = pieces[i] as Piece;
    apply(piece, piece.mask, line, target, at);
  }
  const words = tornWords(choice);
  if (words !== 0) apply(pieces[whole] as Piece, words, line, target, at);
}

/** All lines in flight, as a program goes on. */
export class InFlight {
  readonly lines = new Map<number, LineState>();
  #flushed = new Set<LineState>();

  store(store: StoreEvent): void {
    if (store.bytes.length === 0) return;
    const last = lastLineOf(store.offset, store.bytes.length);
    for (let line = lineOf(store.offset); line <= last; line++) {
      let state = this.lines.get(line);
      if (state === undefined) {
        state = new LineState(line);
        this.lines.set(line, state);
      }
      state.pieces.push({ store, mask: maskInLine(store, line) });
    }
  }

  /** Only what was stored before it is covered; later stores to the same lines are not. */
  flush(flush: FlushEvent): void {
    if (flush.length === 0) return;
    const first = lineOf(flush.offset);
    const last = lastLineOf(flush.offset, flush.length);
    // A flush of everything costs no more than the lines there are.
    if (last - first >= this.lines.size) {
      for (const state of this.lines.values()) if (state.line >= first && state.line <= last) this.#mark(state, flush);
      return;
    }
    for (let line = first; line <= last; line++) {
      const state = this.lines.get(line);
      if (state !== undefined) this.#mark(state, flush);
    }
  }

  /** Hands out every line of which something becomes durable, and then forgets that part of it. */
  drain(settle: (state: LineState, durable: Choice) => void): void {
    for (const state of this.#flushed) {
      settle(state, choiceOf(state.flushed));
      state.pieces.splice(0, state.flushed);
      state.flushed = 0;
      state.flush = undefined;
      if (state.pieces.length === 0) this.lines.delete(state.line);
    }
    this.#flushed.clear();
  }

  clear(): void {
    this.lines.clear();
    this.#flushed.clear();
  }

  #mark(state: LineState, flush: FlushEvent): void {
    state.flushed = state.pieces.length;
    state.flush = flush;
    this.#flushed.add(state);
  }
}

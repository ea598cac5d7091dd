/**
 * The lines whose stores are not durable yet, and what a power cut can make of each.
 *
 * A line on the media holds what was last guaranteed and then some of the *pieces* stored since, a piece being what one
 * call stored into the line. Pieces arrive in program order. That is what the Memory contract assumes: a line is written back
 * as a whole, and x86 does not reorder ordinary stores with each other (Intel SDM, volume 3, "Memory Ordering"). Streaming
 * stores, and all stores on arm64, are ordered more weakly, so that a program which relies on the order within a line, without
 * a drain in between, relies on more than those give. The words of one piece arrive in any order: `write` and `fill` promise none, libraries store the end of a short copy before its middle, and a
 * write-combining buffer that is evicted early goes out in parts (same volume, "Buffering of Write Combining Memory
 * Locations"). One word of a piece may tear between its bytes, where it was not stored at once (`keepsWords` in store-log.ts);
 * of the bytes that change, the lower half arrives then, or the upper. A flush promises what was stored before it; that write-back may happen later and carry more is no promise
 * (SDM, volume 2, CLWB).
 *
 *      guaranteed      flushed, durable        stored
 *                      by the next drain       only
 *     ┌────────────┬───────────────────────┬──────────┐
 *     │  base      │ piece 0 … flushed - 1 │ … last   │      choice: how many pieces arrived, and of the next
 *     └────────────┴───────────────────────┴──────────┘      one perhaps some words, and half of a word
 */

import { LINE, lastLineOf, lineOf, WORD } from './lines.js';
import { type FlushEvent, maskInLine, type StoreEvent, tearsInLine } from './store-log.js';

/** What one call stored into one line. */
export interface Piece {
  readonly store: StoreEvent;
  /** Its words in this line: bit 0 is the first. */
  readonly mask: number;
  /** Of those, the ones that can tear between their bytes. */
  readonly tears: number;
}

/**
 * What arrived of a line in flight: `pieces << 13 | split << 8 | words`, where `words` are those of the next piece that came
 * through before it was torn, or 0, and `split` names another of its words of which a half did, or is 0. The choice 0 is the
 * line as it was last guaranteed. Not a 32-bit integer where there are very many pieces.
 */
export type Choice = number;

/** A word that tore between its bytes: 1 and twice its number, and one more if the upper half arrived instead of the lower. */
export type Split = number;

export function splitOf(word: number, upper: boolean): Split {
  return 1 + 2 * word + (upper ? 1 : 0);
}

/** Both ways to split each of the words. */
export function splitsOf(mask: number): Split[] {
  const splits: Split[] = [];
  for (let word = 0; word < LINE / WORD; word++) {
    if ((mask & (1 << word)) !== 0) splits.push(splitOf(word, false), splitOf(word, true));
  }
  return splits;
}

/** The word that was split, as a mask; none of none. */
export function maskOfSplit(split: Split): number {
  return split === 0 ? 0 : 1 << ((split - 1) >>> 1);
}

const PIECE = 2 ** 13;

export function choiceOf(pieces: number, words = 0, split: Split = 0): Choice {
  return pieces * PIECE + (split << 8) + words;
}

/** Pieces that arrived whole. */
export function wholePieces(choice: Choice): number {
  return Math.floor(choice / PIECE);
}

/** Words of the next piece that arrived whole, or 0. */
export function tornWords(choice: Choice): number {
  return choice & 0xff;
}

/** The word of the next piece of which a half arrived, or 0. */
export function splitWord(choice: Choice): Split {
  return (choice >>> 8) & 0x1f;
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

/** Stores half of the bytes that a word of a piece changes. */
function applySplit({ store }: Piece, split: Split, line: number, target: Uint8Array, at: number): void {
  const { bytes, offset } = store;
  const start = line * LINE;
  const word = (split - 1) >>> 1;
  const upper = ((split - 1) & 1) === 1;
  const from = Math.max(word * WORD, offset - start);
  const to = Math.min(word * WORD + WORD, offset + bytes.length - start);
  const changing: number[] = [];
  for (let i = from; i < to; i++) if (target[at + i] !== bytes[start + i - offset]) changing.push(i);
  const half = changing.length >>> 1;
  for (const i of upper ? changing.slice(half) : changing.slice(0, half)) {
    target[at + i] = bytes[start + i - offset] as number;
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
  const split = splitWord(choice);
  if (split !== 0) applySplit(pieces[whole] as Piece, split, line, target, at);
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
      state.pieces.push({ store, mask: maskInLine(store, line), tears: tearsInLine(store, line) });
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

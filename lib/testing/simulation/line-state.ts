/**
 * A line with stores that are not durable, and what a power cut can leave of it.
 *
 * A line on the media holds its durable bytes and some of the *pieces* stored since. A piece is what one call stored into the line.
 *
 * - Pieces arrive in program order. The Memory contract assumes that: a line is written back as a whole, and x86 does not reorder
 *   ordinary stores (Intel SDM, volume 3, "Memory Ordering"). Streaming stores, and all stores on arm64, have less order. A program that
 *   relies on the order within a line, with no drain in between, relies on more than they give.
 * - The words of one piece arrive in any order: `write` and `fill` promise none, libraries store the end of a short copy before its
 *   middle, and a write-combining buffer that is evicted early goes out in parts (same volume, "Buffering of Write Combining Memory
 *   Locations").
 * - One word of a piece may tear between its bytes, unless a single store made it (`keepsWords` in store-log.ts). Of the bytes that change,
 *   the lower half arrives then, or the upper half.
 * - A flush covers what was stored before it. A write-back may happen later and carry more, but that is no promise (SDM, volume 2, CLWB).
 *
 *      guaranteed      flushed, durable        stored
 *                      by the next drain       only
 *     ┌────────────┬───────────────────────┬──────────┐
 *     │  base      │ piece 0 … flushed - 1 │ … last   │      choice: how many pieces arrived, and of the next
 *     └────────────┴───────────────────────┴──────────┘      one perhaps some words, and half of a word
 */

import {
  type Choice,
  choiceOf,
  maskOfSplit,
  type Split,
  splitsOf,
  splitWord,
  tornWords,
  wholePieces,
} from './choice.js';
import { LINE, WORD } from './lines.js';
import type { Random } from './random.js';
import type { FlushEvent, StoreEvent } from './store-log.js';

/** What one call stored into one line. */
export interface Piece {
  readonly store: StoreEvent;
  /** Its words in this line: bit 0 is the first. */
  readonly mask: number;
  /** The words among them that can tear between their bytes. */
  readonly tears: number;
}

/** A line in flight. */
export class LineState {
  readonly line: number;
  readonly pieces: Piece[] = [];
  /** Number of pieces that are durable after the next drain. */
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

/** Stores the words of a piece that `mask` names into the line's 64 bytes at `target[at]`. */
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

/** Stores half of the bytes that one word of a piece changes. */
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

/** Turns the durable bytes of a line, at `target[at]`, into what the choice leaves. */
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

/** Any number of the pieces; of the next piece any words, and perhaps half of one. */
export function randomChoice({ pieces }: LineState, random: Random): Choice {
  const whole = random.below(pieces.length + 1);
  const next = pieces[whole];
  if (next === undefined || random.below(2) === 0) return choiceOf(whole);
  const words = random.next() & next.mask;
  if (next.tears !== 0 && random.below(2) === 0) {
    const splits = splitsOf(next.tears);
    const split = splits[random.below(splits.length)] as number;
    return choiceOf(whole, words & ~maskOfSplit(split), split);
  }
  return words === next.mask ? choiceOf(whole + 1) : choiceOf(whole, words);
}

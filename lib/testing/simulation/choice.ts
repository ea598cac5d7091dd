/** The number that says what a power cut leaves of one line in flight. */

import { LINE, WORD } from './lines.js';

/**
 * What arrived of a line in flight: `pieces << 13 | split << 8 | words`. `pieces` arrived whole; of the next piece, the words in the
 * mask `words` arrived, and half of the word that `split` names. Choice 0 is the durable line. With very many pieces it is more than a
 * 32-bit integer.
 */
export type Choice = number;

/** A word torn between its bytes: 1 plus twice its number, plus 1 if the upper half arrived. 0 for none. */
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

/** The mask of the torn word; 0 for none. */
export function maskOfSplit(split: Split): number {
  return split === 0 ? 0 : 1 << ((split - 1) >>> 1);
}

const PIECE = 2 ** 13;

export function choiceOf(pieces: number, words = 0, split: Split = 0): Choice {
  return pieces * PIECE + (split << 8) + words;
}

/** Number of pieces that arrived whole. */
export function wholePieces(choice: Choice): number {
  return Math.floor(choice / PIECE);
}

/** Mask of the words of the next piece that arrived. */
export function tornWords(choice: Choice): number {
  return choice & 0xff;
}

/** The word of the next piece of which a half arrived; 0 for none. */
export function splitWord(choice: Choice): Split {
  return (choice >>> 8) & 0x1f;
}

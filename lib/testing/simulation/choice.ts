/** The number that says what a power cut leaves of one line in flight. */

import { LINE, WORD } from './lines.js';

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

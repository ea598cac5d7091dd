/**
 * Chooses images of a crash point: all if they are few; else those in which bugs are known to show, and then random ones.
 *
 * Bugs show with one store lost, or two, or all but one: LeBlanc et al., "Chipmunk: Investigating Crash-Consistency in
 * Persistent-Memory File Systems", EuroSys 2023, found its bugs with small subsets of what was in flight. Lantz et al., "Yat: A
 * Validation Framework for Persistent Memory Software", USENIX ATC 2014, makes all images, which works for a few lines only. PMDK's
 * pmreorder chooses from a recorded log, too.
 */

import { type Choice, choiceOf, maskOfSplit, splitsOf } from '../../simulation/choice.js';
import { type LineState, type Piece, randomChoice } from '../../simulation/line-state.js';
import { bitCount } from '../../simulation/lines.js';
import type { Random } from '../../simulation/random.js';

/** An image: for each line in flight, what arrived of it. */
export type Choices = Float64Array;

/** More pairs than these are drawn at random. */
const MOST_PAIRS = 4096;
/** Too many images to make. */
const VAST = 2 ** 40;

/** Lines that the same calls stored into. They are lost and kept together, as the lines of one large copy. */
interface Unit {
  /** Its lines, by their number in flight. */
  readonly members: readonly number[];
  /** Pieces in each of them. */
  readonly pieces: number;
}

/** Number of proper parts of a piece: some but not all of its words; or half of a word, with any of the others. */
function parts({ mask, tears }: Piece): number {
  const subsets = 2 ** bitCount(mask);
  return subsets - 2 + bitCount(tears) * subsets;
}

function choicesOf({ pieces }: LineState): number {
  return pieces.reduce((sum, piece) => sum + 1 + parts(piece), 1);
}

/** The number of images, at most {@link VAST}. */
export function countImages(states: readonly LineState[]): number {
  let count = 1;
  for (const state of states) {
    count *= choicesOf(state);
    if (count >= VAST) return VAST;
  }
  return count;
}

/** Every choice of a line: the empty one first, the whole one last. */
function everyChoice({ pieces }: LineState): Choice[] {
  const choices = [choiceOf(0)];
  pieces.forEach(({ mask, tears }, i) => {
    for (let words = (mask - 1) & mask; words !== 0; words = (words - 1) & mask) choices.push(choiceOf(i, words));
    for (const split of splitsOf(tears)) {
      const others = mask & ~maskOfSplit(split);
      let words = others;
      do {
        choices.push(choiceOf(i, words, split));
        words = (words - 1) & others;
      } while (words !== others);
    }
    choices.push(choiceOf(i + 1));
  });
  return choices;
}

/** Every image. Each time the same array. */
export function* everyImage(states: readonly LineState[]): Generator<Choices> {
  const all = states.map(everyChoice);
  const digits = new Array<number>(states.length).fill(0);
  const choices: Choices = new Float64Array(states.length);
  for (;;) {
    yield choices;
    let place = 0;
    for (;;) {
      const line = all[place];
      if (line === undefined) return;
      const digit = ((digits[place] as number) + 1) % line.length;
      digits[place] = digit;
      choices[place] = line[digit] as Choice;
      if (digit !== 0) break;
      place++;
    }
  }
}

function unitsOf(states: readonly LineState[]): Unit[] {
  const units = new Map<string, { members: number[]; pieces: number }>();
  states.forEach(({ pieces }, i) => {
    const key = pieces.map(({ store }) => store.index).join();
    const unit = units.get(key);
    if (unit === undefined) units.set(key, { members: [i], pieces: pieces.length });
    else unit.members.push(i);
  });
  return [...units.values()];
}

/** Builds images in one array. */
class Painter {
  readonly choices: Choices;
  readonly #states: readonly LineState[];

  constructor(states: readonly LineState[]) {
    this.#states = states;
    this.choices = new Float64Array(states.length);
  }

  all(keep: boolean): void {
    this.#states.forEach((state, i) => {
      this.choices[i] = keep ? state.whole : 0;
    });
  }

  unit(unit: Unit, pieces: number): void {
    for (const i of unit.members) this.choices[i] = choiceOf(pieces);
  }

  /** Loses all but the unit, or keeps all but the unit; of the unit, the given number of pieces arrives. */
  only(unit: Unit, pieces: number, others: boolean): Choices {
    this.all(others);
    this.unit(unit, pieces);
    return this.choices;
  }
}

/** The parts of a piece that arrive in ascending and in descending order. */
function tears(mask: number): number[] {
  const found: number[] = [];
  let low = 0;
  for (let bit = 1; bit <= 0x80; bit <<= 1) {
    if ((mask & bit) === 0) continue;
    low |= bit;
    if (low !== mask) found.push(low, mask & ~low);
  }
  return found;
}

/** Tears a copy to several words or lines: by lines; and by words, and within words, in its first and last line. */
function* tornImages(
  states: readonly LineState[],
  painter: Painter,
  unit: Unit,
  piece: number,
  others: boolean,
): Generator<Choices> {
  const { members } = unit;
  const last = members.length - 1;
  if (last > 0) {
    const arrived: ((n: number) => boolean)[] = [
      (n) => n <= last / 2,
      (n) => n > last / 2,
      (n) => n === 0,
      (n) => n === last,
      (n) => n !== 0,
      (n) => n !== last,
    ];
    for (const lines of arrived) {
      painter.only(unit, piece, others);
      members.forEach((i, n) => {
        if (lines(n)) painter.choices[i] = choiceOf(piece + 1);
      });
      yield painter.choices;
    }
  }
  for (const n of new Set([0, last])) {
    const i = members[n] as number;
    const stored = states[i]?.pieces[piece];
    if (stored === undefined) continue;
    const torn = [
      ...tears(stored.mask).map((words) => choiceOf(piece, words)),
      ...splitsOf(stored.tears).map((split) => choiceOf(piece, others ? stored.mask & ~maskOfSplit(split) : 0, split)),
    ];
    for (const choice of torn) {
      painter.only(unit, piece + (others ? 1 : 0), others);
      painter.choices[i] = choice;
      yield painter.choices;
    }
  }
}

function* pairsOf(units: readonly Unit[], random: Random): Generator<readonly [Unit, Unit]> {
  const count = units.length;
  if ((count * (count - 1)) / 2 <= MOST_PAIRS) {
    // Neighbours first: stores that follow each other are the ones whose order matters.
    for (let distance = 1; distance < count; distance++) {
      for (let i = 0; i + distance < count; i++) yield [units[i] as Unit, units[i + distance] as Unit];
    }
    return;
  }
  for (let n = 0; n < MOST_PAIRS; n++) {
    yield [units[random.below(count)] as Unit, units[random.below(count)] as Unit];
  }
}

/** None, all, each, all but each, each one's earlier stores only, torn ones, pairs. */
export function* chosenImages(states: readonly LineState[], random: Random): Generator<Choices> {
  const painter = new Painter(states);
  const units = unitsOf(states);
  for (const keep of [false, true]) {
    painter.all(keep);
    yield painter.choices;
  }
  for (const unit of units) yield painter.only(unit, unit.pieces, false);
  for (const unit of units) yield painter.only(unit, 0, true);
  for (const others of [false, true]) {
    for (const unit of units) {
      for (let pieces = 1; pieces < unit.pieces; pieces++) yield painter.only(unit, pieces, others);
    }
  }
  for (const unit of units) {
    for (let piece = unit.pieces - 1; piece >= 0; piece--) {
      for (const others of [false, true]) yield* tornImages(states, painter, unit, piece, others);
    }
  }
  for (const [one, other] of pairsOf(units, random)) {
    painter.only(one, one.pieces, false);
    painter.unit(other, other.pieces);
    yield painter.choices;
    painter.only(one, 0, true);
    painter.unit(other, 0);
    yield painter.choices;
  }
}

/** Random subsets of units and of single lines, dense and sparse, with random prefixes and tears. Endless. */
export function* randomImages(states: readonly LineState[], random: Random): Generator<Choices> {
  const units = unitsOf(states);
  const choices: Choices = new Float64Array(states.length);
  for (;;) {
    const kept = random.below(9);
    for (const { members, pieces } of units) {
      const whole = random.below(8) < kept ? pieces : 0;
      const together = random.below(4) === 0 ? random.below(pieces + 1) : whole;
      const apart = random.below(4) === 0;
      for (const i of members) {
        choices[i] = apart ? randomChoice(states[i] as LineState, random) : choiceOf(together);
      }
    }
    yield choices;
  }
}

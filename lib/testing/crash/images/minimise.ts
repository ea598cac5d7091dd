/** Simplifies a failing image: fewer stores lost, or fewer kept, as long as it fails. */

import { type Choice, choiceOf, tornWords, wholePieces } from '../../simulation/choice.js';
import type { LineState } from '../../simulation/line-state.js';
import type { Choices } from './choose.js';

/** An image, and its failure. */
interface Failing<Failure> {
  readonly choices: Choices;
  readonly failure: Failure;
}

/** Runs an image, and returns its failure, if any. */
type Fails<Failure> = (choices: Choices) => Failure | undefined;

class Minimiser<Failure> {
  readonly #states: readonly LineState[];
  readonly #fails: Fails<Failure>;
  #tries: number;

  constructor(states: readonly LineState[], fails: Fails<Failure>, tries: number) {
    this.#states = states;
    this.#fails = fails;
    this.#tries = tries;
  }

  /** A failing image with as many lines as possible as `goal` says. */
  towards(start: Failing<Failure>, goal: (state: LineState) => Choice): Failing<Failure> {
    let best = start;
    const change = (lines: readonly number[], choose: (state: LineState, now: Choice) => Choice): boolean => {
      const choices = best.choices.slice();
      for (const i of lines) choices[i] = choose(this.#states[i] as LineState, choices[i] as Choice);
      if (choices.every((choice, i) => choice === best.choices[i]) || this.#tries-- <= 0) return false;
      const failure = this.#fails(choices);
      if (failure === undefined) return false;
      best = { choices, failure };
      return true;
    };
    // Halves, quarters, … and single lines: a copy of a thousand lines takes few tries.
    let pending = this.#states.map((_, i) => i);
    for (let length = pending.length; length >= 1; length = Math.floor(length / 2)) {
      const left: number[] = [];
      for (let i = 0; i < pending.length; i += length) {
        const group = pending.slice(i, i + length);
        if (!change(group, goal)) for (const one of group) left.push(one);
      }
      pending = left;
    }
    // A line that the failure needs may do untorn, whole or empty.
    for (const i of pending) {
      const choice = best.choices[i] as Choice;
      if (choice === 0 || choice === this.#states[i]?.whole) continue;
      const whole = wholePieces(choice);
      const simpler = [
        0,
        this.#states[i]?.whole ?? 0,
        choiceOf(whole),
        choiceOf(whole + (choice === choiceOf(whole) ? 0 : 1)),
        choiceOf(whole, tornWords(choice)),
      ];
      simpler.some((other) => change([i], () => other));
    }
    return best;
  }

  /** Number of lines that are not as the goal says. */
  distance({ choices }: Failing<Failure>, goal: (state: LineState) => Choice): number {
    return this.#states.reduce((sum, state, i) => sum + (choices[i] === goal(state) ? 0 : 1), 0);
  }
}

/** The failure of the image nearest to everything lost, or nearest to everything kept, whichever is nearer. */
export function minimise<Failure>(
  states: readonly LineState[],
  choices: Choices,
  failure: Failure,
  fails: Fails<Failure>,
  tries: number,
): Failure {
  const start = { choices: choices.slice(), failure };
  const nothing = () => 0;
  const everything = (state: LineState) => state.whole;
  // Half of the tries for each direction: the first could use them all.
  const fewestKept = new Minimiser(states, fails, tries / 2).towards(start, nothing);
  const minimiser = new Minimiser(states, fails, tries / 2);
  const fewestLost = minimiser.towards(start, everything);
  // Lost stores tell more than kept ones.
  const best =
    minimiser.distance(fewestLost, everything) <= minimiser.distance(fewestKept, nothing) ? fewestLost : fewestKept;
  return best.failure;
}

/** Makes a failing image simpler: fewer stores lost, or fewer kept, until none can be spared. */

import type { Choices } from './crash-images.js';
import { type Choice, choiceOf, type LineState, tornWords, wholePieces } from './in-flight.js';
import type { Failure } from './violation.js';

/** Runs of recovery that a simpler story may cost. */
const MOST_TRIES = 1000;

/** An image and how it fails. */
export interface Failing {
  readonly choices: Choices;
  readonly failure: Failure;
}

class Minimiser {
  readonly #states: readonly LineState[];
  readonly #fails: (choices: Choices) => Failure | undefined;
  #tries = 0;

  constructor(states: readonly LineState[], fails: (choices: Choices) => Failure | undefined) {
    this.#states = states;
    this.#fails = fails;
  }

  /** The image with as many lines as possible at what `goal` says. */
  towards(start: Failing, goal: (state: LineState) => Choice): Failing {
    let best = start;
    const change = (lines: readonly number[], choose: (state: LineState, now: Choice) => Choice): boolean => {
      const choices = best.choices.slice();
      for (const i of lines) choices[i] = choose(this.#states[i] as LineState, choices[i] as Choice);
      if (choices.every((choice, i) => choice === best.choices[i]) || this.#tries >= MOST_TRIES) return false;
      this.#tries++;
      const failure = this.#fails(choices);
      if (failure === undefined) return false;
      best = { choices, failure };
      return true;
    };
    // Halves, quarters, … and single lines: a copy of a thousand lines is not gone through line by line.
    let pending = this.#states.map((_, i) => i);
    for (let length = pending.length; length >= 1; length = Math.floor(length / 2)) {
      const left: number[] = [];
      for (let i = 0; i < pending.length; i += length) {
        const group = pending.slice(i, i + length);
        if (!change(group, goal)) left.push(...group);
      }
      pending = left;
    }
    // What cannot be spared is perhaps not torn, or all of it is needed, or nothing.
    for (const i of pending) {
      const choice = best.choices[i] as Choice;
      if (choice === 0 || choice === this.#states[i]?.whole) continue;
      const whole = wholePieces(choice);
      const simpler = [
        0,
        this.#states[i]?.whole ?? 0,
        choiceOf(whole),
        choiceOf(whole + (tornWords(choice) === 0 ? 0 : 1)),
      ];
      simpler.some((other) => change([i], () => other));
    }
    return best;
  }

  /** Lines that are not as the goal says. */
  distance({ choices }: Failing, goal: (state: LineState) => Choice): number {
    return this.#states.reduce((sum, state, i) => sum + (choices[i] === goal(state) ? 0 : 1), 0);
  }
}

/** The image nearest to everything lost or to everything kept, whichever is nearer, that still fails. */
export function minimise(
  states: readonly LineState[],
  start: Failing,
  fails: (choices: Choices) => Failure | undefined,
): Failing {
  const minimiser = new Minimiser(states, fails);
  const nothing = () => 0;
  const everything = (state: LineState) => state.whole;
  const fewestKept = minimiser.towards(start, nothing);
  const fewestLost = minimiser.towards(start, everything);
  // What was lost says more than what was kept.
  return minimiser.distance(fewestLost, everything) <= minimiser.distance(fewestKept, nothing)
    ? fewestLost
    : fewestKept;
}

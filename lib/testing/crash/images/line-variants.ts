/** The bytes that lines in flight can have at one crash point, each made once. */

import type { Choice } from '../../simulation/choice.js';
import { compose, type LineState } from '../../simulation/line-state.js';
import { LINE_INTEGERS, type Media } from '../../simulation/lines.js';
import type { Choices } from './choose.js';
import { type Hash, newHash, toggleHash, toggleLine } from './line-hash.js';
import type { Undo } from './undo.js';

interface Variant {
  readonly integers: Int32Array;
  /** The change of the memory's hash. */
  readonly hash: Hash;
  /** The same number for the same bytes; 0 for the durable ones. */
  readonly content: number;
}

/** The lines in flight at one crash point. The memory holds the durable bytes meanwhile. */
export class LineVariants {
  readonly #states: readonly LineState[];
  readonly #media: Media;
  readonly #variants: readonly Map<Choice, Variant>[];
  readonly #contents: readonly Map<string, number>[];

  constructor(states: readonly LineState[], media: Media) {
    this.#states = states;
    this.#media = media;
    this.#variants = states.map(() => new Map());
    this.#contents = states.map(() => new Map([[String(newHash()), 0]]));
  }

  /** Changes the memory's hash into the image's. */
  hash(choices: Choices, hash: Hash): void {
    for (let i = 0; i < choices.length; i++) {
      const choice = choices[i] as Choice;
      if (choice !== 0) toggleHash(hash, this.#variant(i, choice).hash);
    }
  }

  /** The number of the bytes that the choice gives the line. */
  readonly contentOf = (i: number, choice: Choice): number => (choice === 0 ? 0 : this.#variant(i, choice).content);

  /** Changes the memory into the image. */
  apply(choices: Choices, undo: Undo): void {
    const { integers } = this.#media;
    for (let i = 0; i < choices.length; i++) {
      const choice = choices[i] as Choice;
      if (choice === 0) continue;
      const { line } = this.#states[i] as LineState;
      undo.save(line);
      integers.set(this.#variant(i, choice).integers, line * LINE_INTEGERS);
    }
  }

  #variant(i: number, choice: Choice): Variant {
    const variants = this.#variants[i] as Map<Choice, Variant>;
    const known = variants.get(choice);
    if (known !== undefined) return known;
    const state = this.#states[i] as LineState;
    const at = state.line * LINE_INTEGERS;
    const integers = this.#media.integers.slice(at, at + LINE_INTEGERS);
    const hash = newHash();
    toggleLine(hash, state.line, integers, 0);
    compose(state, choice, new Uint8Array(integers.buffer), 0);
    toggleLine(hash, state.line, integers, 0);
    const contents = this.#contents[i] as Map<string, number>;
    const key = String(hash);
    const content = contents.get(key) ?? contents.size;
    contents.set(key, content);
    const variant = { integers, hash, content };
    variants.set(choice, variant);
    return variant;
  }
}

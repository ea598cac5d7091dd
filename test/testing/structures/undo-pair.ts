/** Two words in two lines that change together, by an undo log. And ways to get it wrong. */

import type { Memory } from 'pmem';

/** A flaw of the recovery. */
export type Flaw = 'recovery forgets first' | 'recovery does not flush' | 'recovery drains too late';

const FIRST = 64;
const SECOND = 128;
const LOG = 192;
const VALID = 256;

export type Pair = readonly [bigint, bigint];

export class UndoPair {
  readonly #memory: Memory;

  /** Opens the pair, and undoes an unfinished update. */
  constructor(memory: Memory, flaw?: Flaw) {
    this.#memory = memory;
    if (memory.load64(VALID) === 0n) return;
    if (flaw === 'recovery forgets first') this.#forget();
    memory.store64(FIRST, memory.load64(LOG)); // undo of the first
    memory.store64(SECOND, memory.load64(LOG + 8)); // undo of the second
    if (flaw !== 'recovery does not flush') memory.flush(FIRST, 8);
    memory.flush(SECOND, 8);
    if (flaw !== 'recovery drains too late') memory.drain();
    if (flaw !== 'recovery forgets first') this.#forget();
  }

  get(): Pair {
    return [this.#memory.load64(FIRST), this.#memory.load64(SECOND)];
  }

  set([first, second]: Pair): void {
    const memory = this.#memory;
    memory.store64(LOG, memory.load64(FIRST));
    memory.store64(LOG + 8, memory.load64(SECOND));
    memory.persist(LOG, 16);
    memory.store64(VALID, 1n);
    memory.persist(VALID, 8);
    memory.store64(FIRST, first);
    memory.flush(FIRST, 8);
    memory.store64(SECOND, second);
    memory.flush(SECOND, 8);
    memory.drain();
    memory.store64(VALID, 0n);
    memory.persist(VALID, 8);
  }

  /** Without a flush: until the next update, the log holds what the words hold, and a second undo does no harm. */
  #forget(): void {
    this.#memory.store64(VALID, 0n);
  }
}

/**
 * Tells a change of an arena that was interrupted from one that still runs.
 *
 * JavaScript can end between any two statements (the timeout of a vm, `worker.terminate`), and then no `finally` runs. So a change is
 * marked before its first step, and the mark is removed after its last one. A call that finds the mark has met one of two things:
 *
 * - **An interrupted change.** The flog says how far it came, and it can be completed from there.
 * - **A change that still runs**, further up on this call stack: one of its calls to the memory ran foreign code, which called back.
 *   It must not be completed, and nothing else may be stored: the memory's own call has not returned yet, and may then store into a
 *   block that would be another sector's by that time. So it is not enough that a change notices, and gives up.
 *
 * A Region runs no foreign code: there a mark always means an interruption. For any other Memory, the call that finds the mark is
 * refused, and a microtask looks again, when the call stack of the marked change is usually gone. A microtask alone is no proof:
 * code that lets the event loop turn within a call (`process._tickCallback`, addons that wait in this way) runs microtasks on top of
 * that call; a timer would be no better. The proof is a call stack without functions of the file that makes changes.
 *
 * Alternatives that do not work: a generator is "running" also after an interruption; async_hooks does not give its depth; a stack
 * pointer proves the end of a call only to calls that are less deep.
 */

import type { Memory } from '../../memory/memory.js';
import { Region } from '../../memory/region/region.js';
import { mayBeRunning } from './call-stack.js';

export class ChangeMark {
  readonly #memory: Memory;
  /** The file whose functions are on the call stack while a change runs. */
  readonly #file: string | undefined;
  #isSet = false;
  /** Changes that were begun. */
  #number = 0;
  /** The last change is known not to run any more. */
  #isInterrupted = false;

  constructor(memory: Memory, file: string | undefined) {
    this.#memory = memory;
    this.#file = file;
  }

  /** A change was begun, and is not known to have ended. */
  get isSet(): boolean {
    return this.#isSet;
  }

  /** The change that was begun may run further up on the call stack. */
  get mayRun(): boolean {
    return this.#isSet && !this.#isInterrupted && !Region.runsOwnCode(this.#memory);
  }

  /** Before the first step of a change. */
  set(): void {
    this.#number++;
    this.#isInterrupted = false;
    this.#isSet = true;
  }

  /** After the last step. */
  clear(): void {
    this.#isSet = false;
  }

  /** The change failed in the middle, and does not run any more. */
  interrupt(): void {
    this.#isInterrupted = true;
  }

  /** Looks again in a microtask: from then on a change that does not run counts as interrupted. */
  lookAgain(): void {
    const number = this.#number;
    this.whenOver(() => {
      if (this.#number === number) this.#isInterrupted = true;
    });
  }

  /** Calls back in a microtask, if no change runs then. */
  whenOver(callback: () => void): void {
    queueMicrotask(() => {
      if (!mayBeRunning(this.#file)) callback();
    });
  }
}

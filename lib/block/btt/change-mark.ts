/**
 * Tells a change of an arena that was interrupted from one that still runs.
 *
 * JavaScript can end between any two statements (the timeout of a vm, `worker.terminate`), and then no `finally` runs. So a change is
 * marked before its first step, and the mark is taken off after its last one. Who finds the mark has come upon one of two things:
 *
 * - **a change that was interrupted.** The flog says how far it came, and it can be completed from there;
 * - **a change that still runs**, further up on this call stack: one of its calls to the memory ran somebody's code, and that
 *   called back. It must not be completed, and nothing else may be stored: the memory's call goes on afterwards, perhaps by storing
 *   into a block that would be another sector's by then. So a change cannot just notice that it was overtaken, and give up.
 *
 * A Region runs nobody's code: there a mark always means an interruption. For any other Memory the call that finds the mark is
 * refused, and a microtask looks again: as a rule the stack of the marked change is gone by then. A microtask alone does not prove
 * it, because whoever lets the event loop turn within a call (`process._tickCallback`, addons that wait in this way) runs microtasks
 * on top of it; a timer would prove no more. What proves it is that the call stack has no function of the file that makes changes.
 *
 * What was considered instead: a generator does not say whether it still runs or was ended; async_hooks does not tell how deep it
 * is; a stack pointer proves the end of a call only to calls that are less deep.
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

/** Runs recovery and check on an image, and undoes their stores. */

import { LINE, type Media } from '../simulation/lines.js';
import { ObservedMemory } from '../simulation/observed-memory.js';
import type { Recording } from '../simulation/recorder.js';
import { Stamps, Undo } from './images/undo.js';
import type { CheckedOptions, Crash } from './options.js';
import type { Failure } from './report/violation.js';
import { ReadTracker, Trial } from './trial.js';
import { isThenable, refusePromise } from './workload.js';

/** Owns the memory in which the exploration makes all images. */
export class Judge<Recovered, Detail> {
  readonly media: Media;
  /** For each depth of crashes in recovery: the lines that runs on images of the current crash point have read. */
  readonly trackers: readonly ReadTracker[];
  /** Number of runs. */
  runs = 0;
  readonly #options: CheckedOptions<Recovered, Detail>;
  readonly #stamps: Stamps;

  constructor(options: CheckedOptions<Recovered, Detail>, media: Media) {
    this.media = media;
    this.#options = options;
    const lines = media.bytes.length / LINE;
    this.#stamps = new Stamps(lines);
    this.trackers = Array.from({ length: options.recoveryDepth + 1 }, () => new ReadTracker(lines));
  }

  /** An undo that takes the memory back to its present state. */
  undo(): Undo {
    return new Undo(this.media, this.#stamps);
  }

  /** Runs the user's code on the memory as it is. Returns the failure, if any. The memory is the same afterwards. */
  run(depth: number, crash: Crash<Detail>, recording: Recording | undefined): Failure | undefined {
    this.runs++;
    const { recover, check } = this.#options;
    const trial = new Trial(this.media, this.undo(), this.trackers.slice(0, depth + 1), recording);
    const memory = ObservedMemory.over(this.media, this.#options, trial);
    let phase: Failure['phase'] = 'recover';
    let recovered: Recovered;
    let verdict: unknown;
    try {
      recovered = recover(memory);
      trial.endRecovery();
      phase = 'check';
      if (!isThenable(recovered)) verdict = check(recovered, crash, memory);
    } catch (error) {
      return { phase, error };
    } finally {
      ObservedMemory.revoke(memory);
      trial.end();
    }
    refusePromise('recover', recovered);
    refusePromise('check', verdict);
    return verdict === false ? { phase, error: new Error('check returned false') } : undefined;
  }
}

/** One run of recovery and check on a crash image: records the lines that it reads, and undoes its stores. */

import { lastLineOf, lineOf, type Media } from '../simulation/lines.js';
import { Recorder, type Recording } from '../simulation/recorder.js';
import type { Undo } from './images/undo.js';

/**
 * The lines in flight at one crash point, and which of them a run has read, in order. Other lines are the same in every image of the
 * point: they need no tracking.
 */
export class ReadTracker {
  /** For each line of the memory its number in flight, from 1, or 0. */
  readonly #numbers: Int32Array;
  #lines: readonly number[] = [];
  #read = new Uint8Array(0);
  /** Numbers, from 0, of the lines in flight that were read, in order. */
  trace: number[] = [];

  constructor(lines: number) {
    this.#numbers = new Int32Array(lines);
  }

  /** Begins a crash point with these lines in flight. */
  watch(lines: readonly number[]): void {
    for (const line of this.#lines) this.#numbers[line] = 0;
    lines.forEach((line, i) => {
      this.#numbers[line] = i + 1;
    });
    this.#lines = lines;
    this.#read = new Uint8Array(lines.length);
    this.trace = [];
  }

  /** Begins a run. */
  begin(): void {
    for (const number of this.trace) this.#read[number] = 0;
    this.trace = [];
  }

  /** The run depends on the lines from `first` to `last`. */
  note(first: number, last: number): void {
    if (this.#lines.length === 0) return;
    for (let line = first; line <= last; line++) {
      const number = this.#numbers[line] as number;
      if (number === 0 || this.#read[number - 1] === 1) continue;
      this.#read[number - 1] = 1;
      this.trace.push(number - 1);
    }
  }
}

/** Observes the memory of recovery and check. */
export class Trial extends Recorder {
  readonly #undo: Undo;
  readonly #trackers: readonly ReadTracker[];

  constructor(media: Media, undo: Undo, trackers: readonly ReadTracker[], recording: Recording | undefined) {
    super(media, recording);
    this.#undo = undo;
    this.#trackers = trackers;
  }

  override reading(offset: number, length: number): void {
    const first = lineOf(offset);
    const last = lastLineOf(offset, length);
    for (const tracker of this.#trackers) tracker.note(first, last);
  }

  /** A view can be read at any time: all of it counts as read. */
  override viewing(offset: number, length: number): void {
    this.reading(offset, length);
    super.viewing(offset, length);
  }

  override storing(offset: number, length: number): void {
    super.storing(offset, length);
    const last = lastLineOf(offset, length);
    for (let line = lineOf(offset); line <= last; line++) this.#undo.save(line);
  }

  protected override changed(line: number, before: Int32Array, at: number): void {
    this.#undo.saveAs(line, before, at);
    super.changed(line, before, at);
  }

  /** Ends recovery. The stores of check are undone too, but check does not crash. */
  endRecovery(): void {
    this.lookAtViews();
    this.recording = undefined;
  }

  /** Ends the run. */
  end(): void {
    this.lookAtViews();
    this.#undo.revert();
  }
}

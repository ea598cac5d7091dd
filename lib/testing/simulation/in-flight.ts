/** The lines whose stores are not durable yet, as a program goes on. */

import { type Choice, choiceOf } from './choice.js';
import { LineState } from './line-state.js';
import { lastLineOf, lineOf } from './lines.js';
import { type FlushEvent, maskInLine, type StoreEvent, tearsInLine } from './store-log.js';

/** All lines in flight. */
export class InFlight {
  readonly lines = new Map<number, LineState>();
  #flushed = new Set<LineState>();

  store(store: StoreEvent): void {
    if (store.bytes.length === 0) return;
    const last = lastLineOf(store.offset, store.bytes.length);
    for (let line = lineOf(store.offset); line <= last; line++) {
      let state = this.lines.get(line);
      if (state === undefined) {
        state = new LineState(line);
        this.lines.set(line, state);
      }
      state.pieces.push({ store, mask: maskInLine(store, line), tears: tearsInLine(store, line) });
    }
  }

  /** Covers what was stored before; later stores to the same lines are not covered. */
  flush(flush: FlushEvent): void {
    if (flush.length === 0) return;
    const first = lineOf(flush.offset);
    const last = lastLineOf(flush.offset, flush.length);
    // A flush of everything must not cost more than the lines in flight.
    if (last - first >= this.lines.size) {
      for (const state of this.lines.values()) if (state.line >= first && state.line <= last) this.#mark(state, flush);
      return;
    }
    for (let line = first; line <= last; line++) {
      const state = this.lines.get(line);
      if (state !== undefined) this.#mark(state, flush);
    }
  }

  /** Calls `settle` for each line of which something becomes durable, and then forgets that part. */
  drain(settle: (state: LineState, durable: Choice) => void): void {
    for (const state of this.#flushed) {
      settle(state, choiceOf(state.flushed));
      state.pieces.splice(0, state.flushed);
      state.flushed = 0;
      state.flush = undefined;
      if (state.pieces.length === 0) this.lines.delete(state.line);
    }
    this.#flushed.clear();
  }

  clear(): void {
    this.lines.clear();
    this.#flushed.clear();
  }

  #mark(state: LineState, flush: FlushEvent): void {
    state.flushed = state.pieces.length;
    state.flush = flush;
    this.#flushed.add(state);
  }
}

/**
 * The moments of a power cut. One is before each drain: stores only add to what is in flight, so the images of this moment include
 * those of every moment since the last drain. The others are where the promises change: at the end of each operation and of the workload.
 */

import type { Choice } from '../../simulation/choice.js';
import type { InFlight } from '../../simulation/in-flight.js';
import type { LineState } from '../../simulation/line-state.js';
import type { DrainEvent, StoreLog } from '../../simulation/store-log.js';

/** A moment in a log. */
export interface CrashPoint {
  /** Its number in the log, from 0. */
  readonly number: number;
  /** The drain that comes next; undefined at the end of an operation or of the log. */
  readonly drain: DrainEvent | undefined;
  /** The end of the log, unless an operation ends there. */
  readonly atEnd: boolean;
  /** Operations begun, operations ended and acknowledgements made before this moment. */
  readonly started: number;
  readonly finished: number;
  readonly acknowledged: number;
  /** The lines with stores that are not durable, by their first store. */
  readonly states: readonly LineState[];
}

/** Goes through the log, and stops at each crash point. `settle` makes bytes durable. */
export function* crashPoints(
  log: StoreLog,
  inFlight: InFlight,
  settle: (state: LineState, durable: Choice) => void,
): Generator<CrashPoint> {
  let number = 0;
  let started = 0;
  let finished = 0;
  let acknowledged = 0;
  const point = (drain?: DrainEvent, atEnd = false): CrashPoint => {
    return { number: number++, drain, atEnd, started, finished, acknowledged, states: [...inFlight.lines.values()] };
  };
  for (const event of log.events) {
    switch (event.type) {
      case 'store':
        inFlight.store(event);
        break;
      case 'flush':
        inFlight.flush(event);
        break;
      case 'drain':
        yield point(event);
        inFlight.drain(settle);
        break;
      case 'start':
        started++;
        break;
      case 'acknowledge':
        acknowledged++;
        break;
      case 'end':
        finished++;
        yield point();
        break;
    }
  }
  if (log.events.at(-1)?.type !== 'end') yield point(undefined, true);
}

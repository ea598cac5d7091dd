/** Memory that can lose power. */

import { constants } from 'node:buffer';
import { outOfRange, wrongValue } from '../../errors.js';
import { ownOptions, readOptions } from '../../options.js';
import { parseSize, type Size } from '../../units.js';
import { checkInteger, checkSeed } from '../crash/checks.js';
import type { Choice } from './choice.js';
import { InFlight } from './in-flight.js';
import { compose, type LineState, randomChoice } from './line-state.js';
import { LINE, type Media, newMedia, type Placement } from './lines.js';
import { ObservedMemory } from './observed-memory.js';
import { Random } from './random.js';
import { Recorder } from './recorder.js';
import { StoreLog } from './store-log.js';

/** What a power cut spares of the stores that are not durable. */
export interface PowerCut {
  /** `'nothing'`, `'everything'`, or at `'random'` of each line some of its stores, the last of them perhaps torn. */
  keep: 'nothing' | 'everything' | 'random';
  /** For `'random'`: the same seed keeps the same stores. An unsigned 32-bit integer, default 1. */
  seed?: number;
}

/** A size in bytes that memory can be made of: whole cache lines. */
export function checkMemorySize(size: Size): number {
  const bytes = parseSize(size);
  if (bytes === 0 || bytes % LINE !== 0 || bytes > constants.MAX_LENGTH) {
    throw outOfRange('size', `a multiple of ${LINE} bytes from ${LINE} to ${constants.MAX_LENGTH}`, size);
  }
  return bytes;
}

/** Options of {@link SimulatedMemory}. */
export interface SimulatedMemoryOptions {
  /** Where in its cache line of 64 bytes byte 0 lies: 0 (default) to 63, as of a slice that begins between lines. */
  lineOffset?: number;
}

export function checkLineOffset(value: number | undefined): number {
  if (value === undefined) return 0;
  checkInteger('lineOffset', value, 0, LINE - 1);
  return value;
}

/** Keeps the memory and the media apart: the CPU sees the former, a power cut leaves the latter. */
class Power extends Recorder {
  readonly #durable: Media;
  readonly #inFlight = new InFlight();
  #log: StoreLog;

  constructor(media: Media, placement: Placement) {
    const log = new StoreLog();
    super(media, { log, sites: undefined, omission: undefined });
    this.#log = log;
    this.#durable = newMedia(placement);
  }

  override draining(): void {
    super.draining();
    this.#catchUp();
  }

  lose(choose: (state: LineState) => Choice): void {
    this.lookAtViews();
    this.#catchUp();
    for (const state of this.#inFlight.lines.values()) {
      compose(state, choose(state), this.#durable.bytes, state.line * LINE);
    }
    this.#inFlight.clear();
    this.media.bytes.set(this.#durable.bytes);
    this.views.update(0, Infinity);
  }

  /** Goes through what was logged since, so that the log does not grow for ever. */
  #catchUp(): void {
    for (const event of this.#log.events) {
      if (event.type === 'store') this.#inFlight.store(event);
      else if (event.type === 'flush') this.#inFlight.flush(event);
      else if (event.type === 'drain') {
        this.#inFlight.drain((state, durable) => compose(state, durable, this.#durable.bytes, state.line * LINE));
      }
    }
    this.#log = new StoreLog();
    this.recording = { log: this.#log, sites: undefined, omission: undefined };
  }
}

/**
 * A {@link Memory} in this process that can lose power, at the granularity of cache lines. What is durable after a power
 * cut is decided as on the real thing, or worse:
 *
 * - A store is durable after `flush` of its range and then `drain`, or `persist`. A flush covers what was stored before
 *   it, not what is stored to the same line afterwards.
 * - Everything else may or may not have reached the media, each cache line of 64 bytes on its own: of the calls that
 *   stored into a line, the first so many arrived, in program order.
 * - Of the last of them, any words of 8 bytes, aligned, in any order.
 * - A word never tears if `store64` stored it, or a `write` or `fill` that begins and ends at a multiple of 8 bytes, or one of
 *   1, 2 or 4 bytes aligned to its length: those are single stores in a `Region` too. Of everything else, and of what was
 *   stored through a view (Node.js stores `writeBigUInt64LE` byte by byte), one word of a line may tear between its bytes.
 *
 * It has no native part and works on every platform. Takes twice its size of ordinary memory, and what was stored since
 * the last `drain`.
 *
 * @throws TypeError, RangeError `ERR_OUT_OF_RANGE` for a size that is not a multiple of 64 bytes.
 */
export class SimulatedMemory extends ObservedMemory {
  readonly #power: Power;

  /** @param size in bytes, a multiple of 64; all zero, durably, to begin with */
  constructor(size: Size, options: SimulatedMemoryOptions = {}) {
    const { lineOffset } = ownOptions(options, ['lineOffset']);
    const placement = { size: checkMemorySize(size), lineOffset: checkLineOffset(lineOffset) };
    const media = newMedia(placement);
    const power = new Power(media, placement);
    super(media, placement, power);
    this.#power = power;
  }

  /**
   * The power fails and comes back: the memory is what a power cut could have made of it, and that is durable. Buffers from
   * {@link view} show it too.
   */
  losePower(cut: PowerCut): void {
    const { keep, seed = 1 } = readOptions(cut, ['keep', 'seed'], 'cut');
    checkSeed(seed);
    const random = new Random(seed);
    const choosers: Record<PowerCut['keep'], (state: LineState) => Choice> = {
      nothing: () => 0,
      everything: (state) => state.whole,
      random: (state) => randomChoice(state, random),
    };
    if (!Object.hasOwn(choosers, keep)) throw wrongValue('keep', "'nothing', 'everything' or 'random'", keep);
    this.#power.lose(choosers[keep]);
  }
}

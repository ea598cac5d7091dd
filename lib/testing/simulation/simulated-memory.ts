/** Memory that can lose power. */

import { constants } from 'node:buffer';
import { outOfRange, wrongValue } from '../../errors.js';
import { choiceOption, integerOption, ownOptions } from '../../options.js';
import { parseSize, type Size } from '../../units.js';
import type { Choice } from './choice.js';
import { InFlight } from './in-flight.js';
import { compose, type LineState, randomChoice } from './line-state.js';
import { LINE, type Media, newMedia, type Placement } from './lines.js';
import { ObservedMemory } from './observed-memory.js';
import { Random } from './random.js';
import { Recorder } from './recorder.js';
import { StoreLog } from './store-log.js';

/** What a power cut keeps of the stores that are not durable. */
export interface PowerCut {
  /** `'nothing'`, `'everything'`, or `'random'`: of each line some of its stores, the last of them perhaps torn. */
  keep: 'nothing' | 'everything' | 'random';
  /** For `'random'`: the same seed keeps the same stores. An unsigned 32-bit integer, default 1. */
  seed?: number;
}

const CREATE = Symbol('create');

const KEEP = ['nothing', 'everything', 'random'] as const;
const MOST_SEED = 0xffff_ffff;

/** Options of {@link SimulatedMemory.create}. */
export interface SimulatedMemoryOptions {
  /** Bytes, a multiple of 64. */
  size: Size;
  /** Position of byte 0 in its cache line of 64 bytes: 0 (default) to 63, as of a slice that begins between lines. */
  lineOffset?: number;
}

/** Options `size` and `lineOffset`, checked: a size is whole cache lines. */
export function checkPlacement({ size, lineOffset }: SimulatedMemoryOptions): Placement {
  const bytes = parseSize(size, 'options.size');
  if (bytes === 0 || bytes % LINE !== 0 || bytes > constants.MAX_LENGTH) {
    throw outOfRange('options.size', `a multiple of ${LINE} bytes from ${LINE} to ${constants.MAX_LENGTH}`, size);
  }
  return { size: bytes, lineOffset: integerOption(lineOffset, 'lineOffset', 0, LINE - 1) ?? 0 };
}

/** Option `seed`, checked; default 1. */
export function checkSeed(seed: number | undefined): number {
  return integerOption(seed, 'seed', 0, MOST_SEED) ?? 1;
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
 * A {@link Memory} in this process that can lose power. It loses whole cache lines, as hardware does, or worse:
 *
 * - A store is durable after `flush` of its range and then `drain`, or `persist`. A flush covers what was stored before it, not
 *   what is stored to the same line later.
 * - Everything else may or may not have reached the media, each cache line of 64 bytes on its own. Of the calls that stored into a
 *   line, the first few arrived, in program order.
 * - Of the last of these calls, any aligned words of 8 bytes arrived, in any order.
 * - A word does not tear if `store64` stored it, or a `write` or `fill` that begins and ends at a multiple of 8 bytes, or one of 1, 2
 *   or 4 bytes aligned to its length: a `Region` makes these with single stores too. Of every other call, and of stores through a
 *   view (Node.js stores `writeBigUInt64LE` byte by byte), one word of a line may tear between its bytes.
 *
 * It needs no addon and works on every platform. It takes twice its size of ordinary memory, and a copy of what was stored since
 * the last `drain`.
 */
export class SimulatedMemory extends ObservedMemory {
  readonly #power: Power;

  private constructor(guard: typeof CREATE, media: Media, placement: Placement, power: Power) {
    if (guard !== CREATE) throw wrongValue('SimulatedMemory', 'made by SimulatedMemory.create', 'new');
    super(media, placement, power);
    this.#power = power;
  }

  /**
   * New memory. All of it is zero, and durable.
   *
   * @throws TypeError, RangeError `ERR_OUT_OF_RANGE` for a size that is not a multiple of 64 bytes
   */
  static create(options: SimulatedMemoryOptions): SimulatedMemory {
    const placement = checkPlacement(ownOptions(options, ['size', 'lineOffset']));
    const media = newMedia(placement);
    return new SimulatedMemory(CREATE, media, placement, new Power(media, placement));
  }

  /**
   * The power fails and comes back: the memory holds what a power cut could have left, and all of that is durable. Buffers from
   * {@link view} show it too.
   */
  losePower(cut: PowerCut): void {
    const options = ownOptions(cut, ['keep', 'seed'], 'cut');
    const keep = choiceOption(options.keep, 'keep', KEEP, undefined);
    if (keep === undefined) throw wrongValue('options.keep', "'nothing', 'everything' or 'random'", keep);
    const random = new Random(checkSeed(options.seed));
    const choosers: Record<PowerCut['keep'], (state: LineState) => Choice> = {
      nothing: () => 0,
      everything: (state) => state.whole,
      random: (state) => randomChoice(state, random),
    };
    this.#power.lose(choosers[keep]);
  }
}

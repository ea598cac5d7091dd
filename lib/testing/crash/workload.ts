/** Runs a workload once and records what it did to memory, its operations and its acknowledgements. */

import { PmemError, wrongType } from '../../errors.js';
import type { CallSites } from '../simulation/call-site.js';
import type { Media, Placement } from '../simulation/lines.js';
import { ObservedMemory } from '../simulation/observed-memory.js';
import { type Omission, Recorder } from '../simulation/recorder.js';
import { StoreLog } from '../simulation/store-log.js';
import type { CheckedOptions, CrashContext, Operation } from './options.js';

/** The record of a workload. Marks in the log are in the order of these lists. */
export interface RecordedWorkload<Detail> {
  readonly log: StoreLog;
  /** An offset in the log is larger than that in the memory by this. */
  readonly lineOffset: number;
  readonly operations: readonly Operation<Detail>[];
  readonly acknowledged: readonly Detail[];
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** Refuses asynchronous functions: what they do after they returned belongs to no crash point. */
export function refusePromise(name: string, value: unknown): void {
  if (!isThenable(value)) return;
  // Its end is of no interest, but must not be an unhandled rejection.
  const ignore = () => {};
  value.then(ignore, ignore);
  throw new PmemError('ERR_PMEM_ASYNC', `${name} returned a promise. Crashes are explored in synchronous code only`);
}

class Context<Detail> implements CrashContext<Detail> {
  readonly operations: Operation<Detail>[] = [];
  readonly acknowledged: Detail[] = [];
  readonly #recorder: Recorder;
  #running: string | undefined;
  #over = false;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  operation<Result>(name: string, run: () => Result, detail?: Detail): Result {
    if (typeof name !== 'string') throw wrongType('name', 'a string', name);
    if (typeof run !== 'function') throw wrongType('run', 'a function', run);
    this.#refuseIfOver();
    if (this.#running !== undefined) {
      throw new PmemError(
        'ERR_PMEM_NESTED_OPERATION',
        `operation '${name}' begins within operation '${this.#running}'. End one before the next begins, or mark the outer one only`,
      );
    }
    this.#running = name;
    this.operations.push({ index: this.operations.length, name, detail });
    this.#recorder.mark('start');
    let result: Result;
    try {
      result = run();
    } finally {
      this.#recorder.mark('end');
      this.#running = undefined;
    }
    refusePromise(`operation '${name}'`, result);
    return result;
  }

  acknowledge(value: Detail): void {
    this.#refuseIfOver();
    this.acknowledged.push(value);
    this.#recorder.mark('acknowledge');
  }

  end(): void {
    this.#recorder.lookAtViews();
    this.#over = true;
  }

  #refuseIfOver(): void {
    if (this.#over) throw new PmemError('ERR_PMEM_CLOSED', 'the workload is over, and so is its context');
  }
}

/** Runs setup, if there is one. @throws what setup throws */
export function setUp(options: Pick<CheckedOptions<never, never>, 'setup' | keyof Placement>, media: Media): void {
  if (options.setup === undefined) return;
  const memory = ObservedMemory.over(media, options);
  refusePromise('setup', options.setup(memory));
  ObservedMemory.revoke(memory);
}

export function recordWorkload<Detail>(
  options: Pick<CheckedOptions<never, Detail>, 'workload' | keyof Placement>,
  media: Media,
  sites: CallSites,
  omission: Omission | undefined,
): RecordedWorkload<Detail> {
  const log = new StoreLog();
  const recorder = new Recorder(media, { log, sites, omission });
  const memory = ObservedMemory.over(media, options, recorder);
  const context = new Context<Detail>(recorder);
  refusePromise('workload', options.workload(memory, context));
  context.end();
  ObservedMemory.revoke(memory);
  const { operations, acknowledged } = context;
  return { log, lineOffset: options.lineOffset, operations, acknowledged };
}

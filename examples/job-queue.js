// @ts-check
/**
 * A queue of jobs that worker threads do, and that are done although the power fails: at least once each.
 *
 *     node examples/job-queue.js [FILE]
 *
 * Format: slots of 64 bytes, one cache line each, so that threads do not disturb each other.
 *
 *     0  state    8 bytes: 0 free, 1 to be done, 2 done; changed by one store64
 *     8  payload  up to 56 bytes, text that ends at a zero
 *
 * The main thread adds jobs, the worker that did one marks it. A job is added in two steps, each durable before the next: first the
 * payload, then the state that makes it count.
 */

import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Region } from 'pmem';

const SLOT = 64;
const [FREE, WAITING, DONE] = [0n, 1n, 2n];

export class JobQueue {
  /** @param {import('pmem').Memory} memory all zero the first time */
  constructor(memory) {
    this.memory = memory;
    this.slots = Math.floor(memory.size / SLOT);
  }

  /** @param {number} slot */
  state(slot) {
    return this.memory.load64(SLOT * slot);
  }

  /** Slots of the jobs that nobody has done. */
  pending() {
    return Array.from({ length: this.slots }, (_, slot) => slot).filter((slot) => this.state(slot) === WAITING);
  }

  /** Durable on return. @param {string} payload @returns {number} the slot */
  add(payload) {
    const bytes = Buffer.alloc(SLOT - 8);
    if (bytes.write(payload) < Buffer.byteLength(payload)) throw new RangeError('a payload has at most 56 bytes');
    let slot = 0;
    while (slot < this.slots && this.state(slot) === WAITING) slot++;
    if (slot === this.slots) throw new Error('the queue is full');
    this.#become(slot, FREE); // a slot that is used again must not count while its payload changes
    this.memory.write(SLOT * slot + 8, bytes, 'persist');
    this.#become(slot, WAITING);
    return slot;
  }

  /** @param {number} slot */
  payload(slot) {
    return this.memory.readText(SLOT * slot + 8, SLOT - 8).replace(/\0.*$/s, '');
  }

  /** Called by the thread that did it. Durable on return. @param {number} slot */
  done(slot) {
    this.#become(slot, DONE);
  }

  /** @param {number} slot @param {bigint} state */
  #become(slot, state) {
    if (this.state(slot) !== state) this.memory.store64(SLOT * slot, state);
    this.memory.persist(SLOT * slot, 8); // always: a program that was killed may have left a state that is not durable
  }
}

function work() {
  const queue = new JobQueue(Region.attach(workerData)); // the same memory, mapped once
  parentPort?.on('message', (slot) => {
    const result = queue.payload(slot).toUpperCase();
    queue.done(slot);
    parentPort?.postMessage(result);
  });
}

async function main(path = 'jobs.pmem') {
  const region = Region.open(path, { create: true, size: '64KiB' });
  const queue = new JobQueue(region);
  for (const word of ['never', 'lose', 'a', 'job']) queue.add(word);
  const jobs = queue.pending(); // also those that an earlier run left
  const threads = [0, 1].map(async (thread, _, { length }) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: region.share() });
    for (const slot of jobs.filter((_, i) => i % length === thread)) {
      worker.postMessage(slot); // each slot goes to one thread
      console.log(`${slot}: ${(await once(worker, 'message'))[0]}`);
    }
    await worker.terminate();
  });
  await Promise.all(threads);
  console.log(`${queue.pending().length} jobs left`);
  region.close();
}

if (!isMainThread && workerData?.pmemRegion !== undefined) work();
else if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2]);

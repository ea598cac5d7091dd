// @ts-check
/**
 * A counter that a power cut cannot set back, and cannot tear.
 *
 *     node examples/durable-counter.js [FILE]
 *
 * Format, little-endian:
 *
 *     0  magic   8 bytes; 0 in a new file
 *     8  value   8 bytes, changed by one store64
 */

import { fileURLToPath } from 'node:url';
import { Region } from 'pmem';

const MAGIC = Buffer.from('counter1').readBigUInt64LE();
const AT_MAGIC = 0;
const AT_VALUE = 8;

export class DurableCounter {
  /** @type {import('pmem').Memory} */
  #memory;

  /** @param {import('pmem').Memory} memory 16 bytes or more; all zero the first time */
  constructor(memory) {
    this.#memory = memory;
    const magic = memory.load64(AT_MAGIC);
    if (magic !== MAGIC) {
      if (magic !== 0n || memory.load64(AT_VALUE) !== 0n) throw new Error('there is something else than a counter');
      memory.store64(AT_MAGIC, MAGIC); // the value is 0 already
    }
    memory.persist(AT_MAGIC, 16); // a program that was killed may have left a value that is seen, and not durable
  }

  get value() {
    return this.#memory.load64(AT_VALUE);
  }

  /** Adds one. The new value is durable on return. */
  increment() {
    const value = this.value + 1n;
    this.#memory.store64(AT_VALUE, value); // an aligned word: a power cut leaves the old value or the new one
    this.#memory.persist(AT_VALUE, 8);
    return value;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const region = Region.open(process.argv[2] ?? 'counter.pmem', { create: true, size: 4096 });
  const counter = new DurableCounter(region);
  console.log(`run ${counter.increment()}: ${region.durability.granularity} granularity`);
  region.close();
}

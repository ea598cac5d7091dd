import assert from 'node:assert/strict';
import { type CrashOptions, exploreCrashes, exploreMutants, SimulatedMemory } from 'pmem/testing';
import { DurableCounter } from '../../examples/durable-counter.js';
import { runExample } from '../support/examples.js';
import { onDisk } from '../support/temp.js';

function exploration(lineOffset: number): CrashOptions<bigint, undefined> {
  return {
    size: 64,
    lineOffset,
    workload(memory, context) {
      const counter = context.operation('open', () => new DurableCounter(memory));
      for (let i = 0; i < 4; i++) context.operation('increment', () => counter.increment());
    },
    recover: (memory) => new DurableCounter(memory).value,
    check(value, { finished, running }) {
      const least = BigInt(finished.filter(({ name }) => name === 'increment').length);
      assert(value === least || (running?.name === 'increment' && value === least + 1n), `${value}, not ${least}`);
    },
  };
}

describe('examples/durable-counter.js', () => {
  const file = onDisk();

  it('counts its runs', () => {
    const path = file('counter');
    assert.match(runExample('durable-counter.js', [path]), /^run 1: (page|cache-line|byte) granularity\n$/);
    assert.match(runExample('durable-counter.js', [path]), /^run 2: /);
  });

  for (const lineOffset of [0, 56]) {
    it(`survives every power cut where the memory begins ${lineOffset} bytes after a cache line`, () => {
      const { images, crashPoints, exhausted } = exploreCrashes(exploration(lineOffset));
      assert(images > 0);
      assert.equal(exhausted, crashPoints);
    });
  }

  it('needs each flush and drain where magic and value are in two cache lines', () => {
    exploreMutants(exploration(56));
  });

  it('is not set back after a program was killed between its store and its persist', () => {
    const memory = SimulatedMemory.create({ size: 64, lineOffset: 56 });
    new DurableCounter(memory).increment();
    memory.store64(8, 2n);
    assert.equal(new DurableCounter(memory).value, 2n);
    memory.losePower({ keep: 'nothing' });
    assert.equal(new DurableCounter(memory).value, 2n);
  });

  it('refuses memory that holds something else', () => {
    const memory = SimulatedMemory.create({ size: 64 });
    memory.store64(8, 1n);
    assert.throws(() => new DurableCounter(memory), /something else/);
  });
});

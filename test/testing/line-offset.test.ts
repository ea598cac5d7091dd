/** Simulated memory that begins between cache lines, as a slice can. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import {
  type CrashConsistencyError,
  type CrashOptions,
  exploreCrashes,
  exploreMutants,
  SimulatedMemory,
} from 'pmem/testing';
import { throwsCode } from '../support/errors.js';

/** Needs two words in one line: the second must not arrive before the first. */
const TWO_WORDS: CrashOptions<bigint[], number> = {
  size: 4096,
  workload: (memory, crash) => {
    for (let i = 1; i <= 2; i++) {
      crash.operation('store', () => {
        memory.store64(128, BigInt(i));
        memory.store64(136, BigInt(i));
        memory.persist(128, 16);
      });
    }
  },
  recover: (memory) => [memory.load64(128), memory.load64(136)],
  check: ([first = 0n, second = 0n]) => assert(first === second || first === second + 1n),
};

describe('SimulatedMemory that begins between cache lines', () => {
  it('tears two words apart only where a line ends between them', () => {
    for (let lineOffset = 0; lineOffset < 64; lineOffset += 8) {
      const explore = (): unknown => exploreCrashes({ ...TWO_WORDS, lineOffset });
      if (lineOffset === 56) throwsCode(explore, 'ERR_PMEM_CRASH_CONSISTENCY');
      else explore();
    }
  });

  it('tells failures by its own offsets, and replays their images', () => {
    let found: CrashConsistencyError | undefined;
    try {
      exploreCrashes({ ...TWO_WORDS, lineOffset: 56 });
    } catch (error) {
      found = error as CrashConsistencyError;
    }
    assert.match(String(found?.message), /store64 of 8 bytes at offset 128,/);
    assert.match(String(found?.message), /store64 of 8 bytes at offset 136,/);
    throwsCode(
      () => exploreCrashes({ ...TWO_WORDS, lineOffset: 56, replay: found?.replay ?? '' }),
      'ERR_PMEM_CRASH_CONSISTENCY',
    );
    throwsCode(() => exploreCrashes({ ...TWO_WORDS, replay: found?.replay ?? '' }), 'ERR_PMEM_REPLAY_MISMATCH');
  });

  it('is explored by exploreMutants, too', () => {
    const { killed, survivors } = exploreMutants<bigint[], number>({
      ...TWO_WORDS,
      lineOffset: 24,
      check: ([first = 0n, second = 0n], { finished }) =>
        assert((first === second || first === second + 1n) && second >= BigInt(finished.length)),
    });
    assert.deepEqual([killed.length, survivors.length], [2, 0]);
  });

  it('loses whole cache lines, counted from its place in the first one', () => {
    const cut = (lineOffset: number): bigint[] => {
      const memory = SimulatedMemory.create({ size: 128, lineOffset });
      assert.equal(memory.lineOffset, lineOffset);
      memory.store64(0, 1n);
      memory.store64(8, 2n);
      memory.store64(120, 3n);
      memory.persist(0, 8);
      memory.losePower({ keep: 'nothing' });
      return [0, 8, 120].map((at) => memory.load64(at));
    };
    assert.deepEqual(cut(0), [1n, 2n, 0n]);
    assert.deepEqual(cut(48), [1n, 2n, 0n]);
    assert.deepEqual(cut(56), [1n, 0n, 0n]);
  });

  it('tears a copy at the words of the cache line, not at its own', () => {
    const words = (lineOffset: number): Set<string> => {
      const seen = new Set<string>();
      for (let seed = 1; seed < 200; seed++) {
        const memory = SimulatedMemory.create({ size: 64, lineOffset });
        memory.write(8, Buffer.alloc(8, 255), 'flush');
        memory.losePower({ keep: 'random', seed });
        seen.add(memory.view(8, 8).toString('hex'));
      }
      return seen;
    };
    const whole = new Set(['00'.repeat(8), 'ff'.repeat(8)]);
    assert.deepEqual(words(0), whole);
    assert.deepEqual(words(16), whole);
    assert(words(4).has(`${'00'.repeat(4)}${'ff'.repeat(4)}`));
  });

  it('takes words that are aligned in the cache line, and every range up to its end', () => {
    const memory: Memory = SimulatedMemory.create({ size: 64, lineOffset: 3 });
    memory.store64(5, 1n);
    assert.equal(memory.load64(5), 1n);
    throwsCode(() => memory.store64(0, 1n), 'ERR_OUT_OF_RANGE', { message: /a multiple of 8 plus 5/ });
    throwsCode(() => memory.load64(8), 'ERR_OUT_OF_RANGE', { message: /a multiple of 8 plus 5/ });
    memory.fill(0, 64, 7, 'persist');
    memory.write(60, Buffer.from('last'), 'persist');
    assert.equal(memory.view(60, 4).toString(), 'last');
    const target = Buffer.alloc(64);
    memory.read(0, target);
    assert.equal(target[0], 7);
    throwsCode(() => memory.read(1, target), 'ERR_OUT_OF_RANGE');
    throwsCode(() => memory.view(64, 1), 'ERR_OUT_OF_RANGE');
  });

  it('refuses to begin elsewhere than 0 to 63 bytes into a line', () => {
    for (const lineOffset of [-1, 64, 1.5, Number.NaN]) {
      throwsCode(() => SimulatedMemory.create({ size: 64, lineOffset }), 'ERR_OUT_OF_RANGE');
      throwsCode(() => exploreCrashes({ ...TWO_WORDS, lineOffset }), 'ERR_OUT_OF_RANGE');
    }
    throwsCode(() => SimulatedMemory.create({ size: 64, lineOffset: '8' as never }), 'ERR_INVALID_ARG_TYPE');
    throwsCode(() => SimulatedMemory.create({ size: 64, offset: 8 } as never), 'ERR_INVALID_ARG_VALUE');
  });
});

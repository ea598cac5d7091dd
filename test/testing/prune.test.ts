/** Pruning hides nothing: exploring finds the same with and without it. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import {
  CrashConsistencyError,
  type CrashOptions,
  type CrashStatistics,
  exploreCrashes,
  SimulatedMemory,
} from 'pmem/testing';
import { throwsCode } from '../support/errors.js';
import { Random } from '../support/random.js';
import { perform, type Step } from './images.js';

const SIZE = 256;
const WORDS = SIZE / 8;

function randomStep(random: Random): Step {
  const offset = random.below(WORDS) * 8;
  switch (random.below(7)) {
    case 0:
      // Some tear within words. Few bytes, because exploring makes all images.
      return random.below(2) === 0
        ? { op: 'write', offset, bytes: random.bytes(8) }
        : { op: 'write', offset: random.below(SIZE - 16), bytes: random.bytes(1 + random.below(7)) };
    case 1:
      return { op: 'flush', offset, length: random.below(SIZE - offset) };
    case 2:
      return { op: 'drain' };
    default:
      return { op: 'store64', offset, value: BigInt(random.below(4)) };
  }
}

/** A function of what it reads, which decides what it reads next, and by which call. */
function wander(memory: Memory, seed: number, steps: number): number {
  let state = seed;
  for (let i = 0; i < steps; i++) {
    const next = new Random(state);
    const offset = next.below(WORDS) * 8;
    const length = Math.min(80, SIZE - offset);
    switch (next.below(16)) {
      case 0:
        for (const byte of memory.view(offset, length)) state = (Math.imul(state, 31) + byte) | 0;
        break;
      case 1:
        state ^= memory.crc32c(offset, length, i);
        break;
      case 2:
        state ^= memory.slice(offset, length).crc32c(8 * next.below(length / 8), 8);
        break;
      case 3:
        for (const one of memory.readText(offset, 8, 'latin1')) state = (Math.imul(state, 31) + one.charCodeAt(0)) | 0;
        break;
      default:
        state = (Math.imul(state, 31) + Number(memory.load64(offset) & 0xffffn)) | 0;
    }
  }
  return state;
}

/** A random program, recovery and check, which fail on a few images. */
function nonsense(seed: number): CrashOptions<number, number> {
  const random = new Random(seed);
  const steps = Array.from({ length: 4 + random.below(8) }, () => randomStep(random));
  const repairs = Array.from({ length: random.below(4) }, () => random.below(WORDS) * 8);
  const rarity = 2 ** random.below(9);
  const start = random.below(2 ** 31);
  return {
    size: SIZE,
    // A multiple of 8 keeps words aligned.
    lineOffset: 8 * (seed % 8),
    budget: 1e7,
    seed,
    workload(memory, context) {
      let left = [...steps];
      while (left.length > 0) {
        const some = left.slice(0, 3);
        left = left.slice(3);
        context.operation('some steps', () => {
          for (const step of some) perform(memory, step);
        });
        context.acknowledge(left.length);
      }
    },
    recover(memory) {
      const found = wander(memory, start, 3);
      // Some images need a repair, which depends on their bytes.
      if ((found & 1) === 0) return found;
      for (const [i, offset] of repairs.entries()) {
        memory.store64(offset, BigInt(i + 1));
        if (i % 2 === 0) memory.flush(offset, 8);
      }
      memory.drain();
      return found;
    },
    check(found, { finished }, memory) {
      const end = wander(memory, found + finished.length, 2);
      return ((end ^ (end >>> 7)) & (rarity - 1)) !== 0 || rarity === 1;
    },
  };
}

function run(options: CrashOptions<number, number>): { fails: boolean; statistics: CrashStatistics } {
  try {
    return { fails: false, statistics: exploreCrashes(options) };
  } catch (error) {
    if (!(error instanceof CrashConsistencyError)) throw error;
    return { fails: true, statistics: error.statistics };
  }
}

function fails(options: CrashOptions<number, number>): { fails: boolean; pruned: number; exhausted: boolean } {
  const { fails, statistics } = run(options);
  return { fails, pruned: statistics.pruned, exhausted: !fails && statistics.exhausted === statistics.crashPoints };
}

describe('exploreCrashes with prune', () => {
  for (const recoveryDepth of [0, 1, 2]) {
    it(`finds what it finds without, with a recoveryDepth of ${recoveryDepth}`, () => {
      let failing = 0;
      let passing = 0;
      let pruned = 0;
      const programs = recoveryDepth === 2 ? 100 : 250;
      for (let seed = 1; seed <= programs; seed++) {
        const options = { ...nonsense(seed), recoveryDepth };
        const all = fails({ ...options, prune: false });
        const some = fails(options);
        assert.equal(some.fails, all.fails, `seed ${seed}`);
        if (all.fails) failing++;
        else {
          passing++;
          assert(all.exhausted && some.exhausted, `seed ${seed}`);
          assert.equal(all.pruned, 0);
          pruned += some.pruned;
        }
      }
      // With fewer the comparison would prove little.
      assert(failing > 20 && passing > 20, `${failing} fail, ${passing} pass`);
      assert(pruned > 1000, `${pruned} pruned`);
    });
  }

  it('keeps to the budget, and does not take a recovery that crashes in part for one that is not repeatable', () => {
    let cut = 0;
    let whole = 0;
    for (let seed = 1; seed <= 150; seed++) {
      for (const recoveryDepth of [1, 2, 3]) {
        const budget = 30 + ((seed * 37) % 700);
        const { statistics } = run({ ...nonsense(seed), check: () => true, recoveryDepth, budget });
        assert(statistics.images <= budget, `seed ${seed}: ${statistics.images} images of ${budget}`);
        cut += statistics.recoveriesCut;
        whole += statistics.recoveriesExhausted;
      }
    }
    assert(cut > 100 && whole > 100, `${cut} cut, ${whole} whole`);
  });

  it('finds the one line that recovery reads among many', () => {
    const lines = 64;
    const options: CrashOptions<bigint, never> = {
      size: lines * 64,
      budget: 5000,
      workload(memory) {
        for (let line = 0; line < lines; line++) memory.store64(line * 64, 1n);
      },
      recover: (memory) => memory.load64(17 * 64),
      check: () => true,
    };
    const { images, pruned, recoveries, exhausted } = exploreCrashes(options);
    assert.equal(exhausted, 0);
    assert.equal(images, 5000);
    assert.equal(pruned, 4998);
    assert.equal(recoveries, 2);
    throwsCode(() => exploreCrashes({ ...options, check: (word) => word === 0n }), 'ERR_PMEM_CRASH_CONSISTENCY');
  });

  const reads: Record<string, (memory: Memory) => unknown> = {
    load64: (memory) => memory.load64(8) !== 0n,
    read: (memory) => {
      const target = Buffer.alloc(8);
      memory.read(8, target);
      return target[0] !== 0;
    },
    readText: (memory) => memory.readText(8, 8) !== '\0'.repeat(8),
    crc32c: (memory) => memory.crc32c(8, 8) !== SimulatedMemory.create({ size: 64 }).crc32c(0, 8),
    view: (memory) => memory.view(8, 8)[0] !== 0,
    'a slice': (memory) => memory.slice(8).slice(0, 8).load64(0) !== 0n,
  };
  for (const [name, finds] of Object.entries(reads)) {
    it(`knows what ${name} reads, wherever the memory begins in a line`, () => {
      for (let lineOffset = 0; lineOffset < 64; lineOffset += 8) {
        const options: CrashOptions<unknown, never> = {
          size: 128,
          lineOffset,
          workload(memory) {
            memory.store64(8, 1n);
            memory.store64(112, 1n);
          },
          recover: finds,
          check: (found) => !found,
        };
        throwsCode(() => exploreCrashes(options), 'ERR_PMEM_CRASH_CONSISTENCY');
      }
    });
  }

  it('judges an image once at several crash points, as long as check is told the same', () => {
    const judged: string[] = [];
    exploreCrashes<bigint, never>({
      size: 64,
      workload(memory, context) {
        memory.store64(0, 1n);
        memory.drain();
        memory.drain();
        context.operation('nothing', () => {});
      },
      recover: (memory) => memory.load64(0),
      check(word, { point, finished }) {
        judged.push(`${point}: ${word} ${finished.length}`);
      },
    });
    assert.deepEqual(judged, ['0: 0 0', '0: 1 0', '2: 0 1', '2: 1 1']);
  });

  it('refuses a recovery that is not repeatable', () => {
    let calls = 0;
    const options: CrashOptions<bigint, never> = {
      size: 512,
      workload(memory) {
        for (let line = 0; line < 4; line++) memory.store64(line * 64, 1n);
      },
      recover: (memory) => memory.load64((calls++ % 4) * 64),
      check: () => true,
    };
    throwsCode(() => exploreCrashes(options), 'ERR_PMEM_NOT_REPEATABLE', { message: /prune: false/ });
    assert.equal(exploreCrashes({ ...options, prune: false }).recoveries, 16);
  });
});

/** The same seed gives the same exploration, and a token repeats a failure. */

import assert from 'node:assert/strict';
import { CrashConsistencyError, type CrashOptions, type CrashStatistics, exploreCrashes } from 'pmem/testing';
import { throwsCode } from '../support/errors.js';
import { Random } from '../support/random.js';
import { appends, updates } from './programs.js';

/** A workload with so much in flight that images are random. One in some thousands is wrong. */
function large(seed: number, wrong: (words: readonly bigint[]) => boolean): CrashOptions<bigint[], never> {
  return {
    size: '64KiB',
    seed,
    budget: 3000,
    recoveryDepth: 0,
    workload(memory, context) {
      const random = new Random(1);
      for (let operation = 0; operation < 4; operation++) {
        context.operation('scatter', () => {
          for (let i = 0; i < 20; i++) memory.store64(random.below(64) * 64, BigInt(i + 1));
          memory.write(4096 + operation * 4096, random.bytes(4096), 'flush');
          if (operation % 2 === 1) memory.drain();
        });
      }
    },
    recover: (memory) => Array.from({ length: 64 }, (_, i) => memory.load64(i * 64)),
    check: (words) => !wrong(words),
  };
}

function caught(options: CrashOptions<never, never>): CrashConsistencyError {
  try {
    exploreCrashes(options);
  } catch (error) {
    if (error instanceof CrashConsistencyError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'no violation was found' });
}

/** Drops the types of the options. */
function any<Recovered, Detail>(options: CrashOptions<Recovered, Detail>): CrashOptions<never, never> {
  return options as unknown as CrashOptions<never, never>;
}

describe('exploreCrashes with a seed', () => {
  it('makes the same images each time, and other images with another seed', () => {
    const images = (seed: number): [CrashStatistics, string] => {
      const seen: string[] = [];
      const statistics = exploreCrashes(
        large(seed, (words) => {
          seen.push(words.join());
          return false;
        }),
      );
      return [statistics, seen.join('\n')];
    };
    const [one, oneSeen] = images(7);
    const [same, sameSeen] = images(7);
    const [other, otherSeen] = images(8);
    assert.deepEqual(one, same);
    assert.equal(oneSeen, sameSeen);
    assert.notEqual(oneSeen, otherSeen);
    assert.equal(one.seed, 7);
    assert.equal(other.seed, 8);
    assert.equal(one.images, 3000);
  });

  it('gives the same story and token each time', () => {
    const options = any(large(3, (words) => words[5] === 0n && words[9] !== 0n && words[30] === 0n));
    const [one, same] = [caught(options), caught(options)];
    assert.equal(one.story, same.story);
    assert.equal(one.replay, same.replay);
  });
});

describe('exploreCrashes with a replay token', () => {
  const failing: [string, CrashOptions<never, never>][] = [
    ['a flush missing', any(appends('no flush'))],
    ['a torn commit', any(appends('torn commit'))],
    ['a recovery that forgets first', any(updates('recovery forgets first'))],
    ['much in flight', any(large(3, (words) => words[5] === 0n && words[9] !== 0n && words[30] === 0n))],
  ];
  for (const [name, options] of failing) {
    it(`fails as before, of ${name}`, () => {
      const { replay, story } = caught(options);
      const again = caught({ ...options, replay });
      assert.equal(again.replay, replay);
      assert.equal(again.story, story);
      assert(again.statistics.recoveries <= 2, JSON.stringify(again.statistics));
    });
  }

  it('passes once the check does', () => {
    const options = any(appends('no flush'));
    const { replay } = caught(options);
    assert.equal(exploreCrashes({ ...options, check: () => true, replay }).images, 1);
  });

  it('refuses the token of another program', () => {
    const { replay } = caught(any(appends('no flush')));
    throwsCode(() => exploreCrashes({ ...appends(), replay }), 'ERR_PMEM_REPLAY_MISMATCH', {
      message: /Explore again/,
    });
  });

  it('refuses a token that names impossible lines or points', () => {
    const { replay } = caught(any(appends('no flush')));
    const fingerprint = replay.split(':')[1];
    for (const rest of ['99:', '0:0=12000', '1:0=2', '1:0=100', '1:3f=2000', '1:1+4=2000', '1:1=2000/7:1=2000']) {
      const token = `2:${fingerprint}:${rest}`;
      throwsCode(() => exploreCrashes({ ...appends('no flush'), replay: token }), 'ERR_PMEM_REPLAY_MISMATCH', {});
    }
  });

  it('refuses what is no token', () => {
    for (const token of [
      '',
      'x',
      '1',
      '2:0123',
      '1:01234567:0:',
      '2:01234567:-1:',
      '2:01234567:0:x',
      '2:01234567:0:1=100,',
      '2:01234567:0:0+ffffffff=100',
      `2:01234567:${'9'.repeat(400)}:`,
    ]) {
      throwsCode(() => exploreCrashes({ ...appends(), replay: token }), 'ERR_INVALID_ARG_VALUE', { name: 'TypeError' });
    }
  });

  it('gets a token without lines that make no difference', () => {
    const { story, replay } = caught(any(large(3, (words) => words[9] !== 0n && words[30] === 0n)));
    assert.match(story, /lost|kept/);
    assert(replay.length < 400, replay);
    const everything = (story.match(/store64 of|write of/g) ?? []).length;
    assert(everything <= 24, story);
  });
});

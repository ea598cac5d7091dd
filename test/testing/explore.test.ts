/** Sound programs pass, and need each of their flushes and drains. Flawed programs fail, and the story names the right line. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Memory } from 'pmem';
import {
  CrashConsistencyError,
  type CrashOptions,
  exploreCrashes,
  exploreMutants,
  MutantSurvivedError,
  SimulatedMemory,
} from 'pmem/testing';
import { throwsCode } from '../support/errors.js';
import { appends, longRecovery, updates } from './programs.js';

/** The violation that exploring must find. */
function violation<Recovered, Detail>(options: CrashOptions<Recovered, Detail>): CrashConsistencyError {
  try {
    exploreCrashes(options);
  } catch (error) {
    if (error instanceof CrashConsistencyError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'no violation was found' });
}

/** The source lines that the story names in a paragraph (`lost`, `kept`, `torn`, `power cut`). */
function sourcesOf(story: string, heading: string): string {
  const paragraphs = story.split(/\n(?= {2}\S)/);
  return paragraphs
    .filter((paragraph) => paragraph.startsWith(`  ${heading}`))
    .flatMap((paragraph) => [...paragraph.matchAll(/([^\s(]+):(\d+):\d+/g)])
    .map(([, file, line]) => readFileSync(file as string, 'utf8').split('\n')[Number(line) - 1] as string)
    .join('\n');
}

describe('exploreCrashes', () => {
  it('finds nothing wrong with a sound log', () => {
    const statistics = exploreCrashes(appends());
    assert.equal(statistics.operations, 3);
    assert.equal(statistics.stores, 6);
    assert.equal(statistics.flushes, 6);
    assert.equal(statistics.drains, 6);
    assert.equal(statistics.crashPoints, 9);
    assert.equal(statistics.recoveries, statistics.distinct - statistics.pruned);
    assert(statistics.pruned > 0 && statistics.recoveries >= 9, JSON.stringify(statistics));
  });

  it('finds nothing wrong with a sound undo log, and crashes its recovery', () => {
    const statistics = exploreCrashes(updates());
    assert.equal(statistics.exhausted, statistics.crashPoints);
    assert(statistics.duringRecovery > 100, `${statistics.duringRecovery} images during recovery`);
    assert(exploreCrashes({ ...updates(), recoveryDepth: 2 }).duringRecovery > statistics.duringRecovery);
    assert.equal(exploreCrashes({ ...updates(), recoveryDepth: 0 }).duringRecovery, 0);
  });

  describe('finds what is wrong with a log', () => {
    it('that lacks a flush', () => {
      const { story, message, code, name } = violation(appends('no flush'));
      assert.equal(code, 'ERR_PMEM_CRASH_CONSISTENCY');
      assert.equal(name, 'CrashConsistencyError');
      assert.equal(message, story);
      assert.match(story, /during 'append one', operation 1 of 3/);
      assert.match(story, /write of 128 bytes at offset 64, not flushed/);
      assert.match(sourcesOf(story, 'power cut'), /the end/);
      assert.match(sourcesOf(story, 'lost') || sourcesOf(story, 'torn'), /the entry/);
      assert.match(sourcesOf(story, 'kept'), /the commit/);
    });

    it('that lacks a drain', () => {
      const { story } = violation(appends('no drain'));
      assert.match(story, /write of 128 bytes at offset 64, flushed at \S+:\d+:\d+, but not drained since/);
      assert.match(sourcesOf(story, 'lost') || sourcesOf(story, 'torn'), /the entry/);
    });

    it('that commits before it writes', () => {
      const { story } = violation(appends('commit first'));
      assert.match(story, /operation {2}during 'append one'/);
      assert.match(sourcesOf(story, 'kept'), /commit first: the commit/);
    });

    it('that flushes one of two lines', () => {
      const { story } = violation(appends('short flush'));
      assert.match(story, /during 'append a tex', operation 2 of 3/);
      assert.match(sourcesOf(story, 'lost'), /the entry/);
      assert.match(story, /write of 128 bytes at offset 192, not flushed/);
    });

    it('that commits by sixteen bytes, which tear', () => {
      const { story, cause } = violation(appends('torn commit'));
      assert.match(story, /recovery fails: the sum is wrong/);
      assert.match(story, /torn {7}1 of 2 words of the write of 16 bytes at offset 0/);
      assert.match(sourcesOf(story, 'torn'), /torn$/m);
      assert.match((cause as Error).message, /the sum is wrong/);
    });
  });

  describe('finds that a commit record', () => {
    const body = 0x0807_0605_0403_0201n;
    /** The body is durable. The record says whether it counts, and must be whole or absent. */
    function commits(commit: (memory: Memory) => void, offset: number, length: number): CrashOptions<string, never> {
      const whole = SimulatedMemory.create({ size: 128 });
      commit(whole);
      const valid = ['00'.repeat(length), whole.view(offset, length).toString('hex')];
      return {
        size: 128,
        budget: 200,
        workload(memory, context) {
          memory.store64(64, body);
          memory.persist(64, 8);
          context.operation('commit', () => {
            commit(memory);
            memory.persist(0, 64);
          });
        },
        recover(memory) {
          const record = Buffer.alloc(length);
          memory.read(offset, record);
          return record.toString('hex');
        },
        check: (record) => assert(valid.includes(record), `the record is ${record}`),
      };
    }

    it('of six bytes tears', () => {
      const options = commits((memory) => memory.write(0, Buffer.from('commit')), 0, 6);
      const { story, replay } = violation(options);
      assert.match(story, /the record is 636f6d000000/);
      assert.match(story, /torn {7}half a word, of 1, of the write of 6 bytes at offset 0/);
      assert.equal(violation({ ...options, replay }).story, story);
    });

    it('that is a word in the middle of an unaligned copy tears', () => {
      const { story } = violation(commits((memory) => memory.write(4, Buffer.alloc(56, 7)), 32, 8));
      assert.match(story, /the record is (07070707|00000000)(07070707|00000000)$/m);
      assert.match(story, /torn {7}.*half a word.* of the write of 56 bytes at offset 4/);
    });

    it('that is stored through a view tears', () => {
      const { story } = violation(commits((memory) => void memory.view(0, 64).writeBigUInt64LE(body, 8), 8, 8));
      assert.match(story, /torn {7}half a word, of 1, of the store through a view/);
    });

    it('that one aligned store makes does not tear', () => {
      exploreCrashes(commits((memory) => memory.store64(8, body), 8, 8));
      exploreCrashes(commits((memory) => memory.write(8, Buffer.alloc(8, 7)), 8, 8));
      exploreCrashes(commits((memory) => memory.write(4, Buffer.alloc(4, 7)), 4, 4));
      exploreCrashes(commits((memory) => memory.write(0, Buffer.alloc(64, 7)), 32, 8));
    });
  });

  describe('finds what is wrong with a recovery', () => {
    for (const [flaw, expected] of [
      ['recovery forgets first', /undo of the/],
      ['recovery does not flush', /undo of the first/],
      ['recovery drains too late', /undo of the/],
    ] as const) {
      it(`that ${flaw.replace('recovery ', '')}`, () => {
        const { story } = violation(updates(flaw));
        assert.match(story, /then {7}recovery ran, and the power was cut again/);
        assert.match(story, /operation {2}during 'set 10 and 90'/);
        assert.match(sourcesOf(story, 'lost') + sourcesOf(story, 'kept'), expected);
        exploreCrashes({ ...updates(flaw), recoveryDepth: 0 });
      });
    }
  });
});

describe('exploreCrashes of a long recovery', () => {
  for (const steps of [4, 10, 16, 40, 200]) {
    it(`crashes it at each of its ${steps} drains`, () => {
      for (const flawed of [0, Math.floor(steps / 2), steps - 1]) {
        const { story } = violation(longRecovery(steps, flawed));
        assert.match(story, /then {7}recovery ran, and the power was cut again/);
      }
      const { recoveriesExhausted, recoveriesCut, duringRecovery } = exploreCrashes(longRecovery(steps, undefined));
      assert(recoveriesExhausted > 0 && duringRecovery > 2 * steps);
      assert.equal(recoveriesCut, 0);
    });
  }

  it('finds its fault with a budget of millions, too', () => {
    violation({ ...longRecovery(40, 20), budget: 1_000_000 });
  });

  it('never makes more images than the budget, and counts the recoveries that it cuts', () => {
    for (let budget = 4; budget < 400; budget += 13) {
      const statistics = exploreCrashes({ ...longRecovery(100, undefined), budget });
      assert(statistics.images <= budget, JSON.stringify(statistics));
      if (statistics.recoveriesCut === 0) assert(statistics.recoveriesExhausted > 0, JSON.stringify(statistics));
    }
    const { recoveriesCut, recoveriesExhausted } = exploreCrashes({ ...longRecovery(100, undefined), budget: 100 });
    assert(recoveriesCut > 0 && recoveriesExhausted === 0);
  });

  it('counts no recovery without crashes during recovery', () => {
    const { recoveriesCut, recoveriesExhausted } = exploreCrashes({ ...longRecovery(40, 20), recoveryDepth: 0 });
    assert.deepEqual([recoveriesCut, recoveriesExhausted], [0, 0]);
  });

  it('crashes it in other places from image to image, where the budget is too small for all', () => {
    // Each recovery's part allows crashes at two drains of a hundred. What recovery does differs from image to image.
    const options = longRecovery(100, 50);
    const varied: typeof options = {
      ...options,
      size: 32768,
      budget: 4000,
      workload(memory) {
        for (let line = 320; line < 330; line++) memory.store64(64 * line, 1n);
        memory.drain();
      },
      recover(memory) {
        let found = 0n;
        for (let line = 320; line < 330; line++) found = 2n * found + memory.load64(64 * line);
        memory.store64(64 * 340, found);
        return options.recover(memory);
      },
    };
    violation(varied);
  });
});

describe('exploreMutants', () => {
  it('kills every mutant of a sound log', () => {
    const { killed, survivors } = exploreMutants(appends());
    assert.deepEqual(survivors, []);
    assert.equal(killed.length, 4);
    for (const { source, story, omitted } of killed) {
      assert(story.startsWith(`without the ${omitted} at ${source}, after a power cut, `), story);
    }
  });

  it('kills each single flush and drain of a sound log', () => {
    const { killed, survivors } = exploreMutants({ ...appends(), by: 'occurrence' });
    assert.deepEqual(survivors, []);
    assert.equal(killed.length, 12);
    assert.deepEqual(
      killed.filter(({ omitted }) => omitted === 'flush').map(({ occurrence }) => occurrence),
      [0, 1, 2, 3, 4, 5],
    );
  });

  it('kills every mutant of a sound undo log and of its recovery', () => {
    const { killed, survivors } = exploreMutants(updates());
    assert.deepEqual(survivors, []);
    assert.equal(killed.length, 12);
  });

  it('makes no mutants of recovery where recovery does not crash', () => {
    const { survivors } = exploreMutants({ ...updates(), recoveryDepth: 0, report: true });
    assert.deepEqual(survivors, []);
  });

  it('names a flush that the program does not need', () => {
    try {
      exploreMutants(appends('needless flush'));
    } catch (error) {
      assert(error instanceof MutantSurvivedError);
      assert.equal(error.code, 'ERR_PMEM_MUTANT_SURVIVED');
      assert.equal(error.name, 'MutantSurvivedError');
      const [survivor, ...others] = error.report.survivors;
      assert.deepEqual(others, []);
      assert.equal(survivor?.omitted, 'flush');
      const [, file = '', line = ''] = /^(.*):(\d+):\d+$/.exec(survivor?.source ?? '') ?? [];
      assert.match(readFileSync(file, 'utf8').split('\n')[Number(line) - 1] ?? '', /needless$/);
      assert(error.message.includes(survivor?.source ?? '?'));
      assert.equal(exploreMutants({ ...appends('needless flush'), report: true }).survivors.length, 1);
      return;
    }
    assert.fail('it survives');
  });

  it('lets every mutant survive a check that checks nothing', () => {
    throwsCode(
      () => exploreMutants({ ...appends(), recover: () => [], check: () => true }),
      'ERR_PMEM_MUTANT_SURVIVED',
      {
        message: /4 of 4 mutants survive/,
      },
    );
  });

  it('refuses a program that fails as it is', () => {
    throwsCode(() => exploreMutants(appends('no drain')), 'ERR_PMEM_CRASH_CONSISTENCY');
  });

  it('refuses a program that neither flushes nor drains', () => {
    const nothing = { size: 64, workload: () => {}, recover: () => 0, check: () => true };
    throwsCode(() => exploreMutants(nothing), 'ERR_PMEM_NO_MUTANTS');
  });
});

describe('The story of a violation', () => {
  const nothing = { size: 256, recover: () => {}, check: () => false };

  it('names the moment of the power cut', () => {
    const moments: [CrashOptions<void, never>['workload'], RegExp][] = [
      [
        () => {},
        /operation {2}none marked\n {2}power cut {2}at crash point 0, at the end of the workload\n {2}in flight {2}nothing/,
      ],
      [(memory) => memory.drain(), /at crash point 0, before the drain at .*explore\.test/],
      [
        (_, context) => context.operation('x', () => {}),
        /after 'x', operation 1 of 1\n .* at the end of the operation/,
      ],
      [
        (memory, context) => {
          memory.drain();
          context.operation('x', () => {});
        },
        /operation {2}before the first of 1/,
      ],
    ];
    for (const [workload, expected] of moments) assert.match(violation({ ...nothing, workload }).story, expected);
  });

  it('counts stores instead of listing hundreds', () => {
    const { story } = violation({
      ...nothing,
      workload(memory) {
        for (let i = 0; i < 300; i++) memory.store64((i % 32) * 8, 1n);
      },
    });
    assert.match(story, /and 288 other stores/);
    assert(story.split('\n').length < 40);
  });

  it('says of a store through a view when it was seen', () => {
    const { story } = violation({
      ...nothing,
      workload(memory) {
        memory.view(64, 64)[0] = 1;
      },
    });
    assert.match(story, /kept {7}store through a view, into the line at offset 64/);
  });
});

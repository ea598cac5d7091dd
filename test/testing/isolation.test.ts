/** Images do not influence each other, and exploring does not influence the program. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import { CrashConsistencyError, exploreCrashes, exploreMutants } from 'pmem/testing';
import { PartOfMemory } from '../support/derived-memory.js';
import { Random } from '../support/random.js';
import { exploredImages } from './images.js';
import { appends } from './programs.js';

const SIZE = 512;

function workload(memory: Memory): void {
  memory.write(0, Buffer.from('some bytes that are not durable'));
  memory.store64(64, 1n);
  memory.persist(64, 8);
  memory.write(120, Buffer.alloc(16, 2));
}

/** Changes the memory by every call, durably or not. */
function vandalise(memory: Memory, random: Random): void {
  const view = memory.view(random.below(200), 200);
  view.fill(random.below(256));
  memory.write(random.below(SIZE - 64), random.bytes(64));
  view.fill(random.below(256), 50, 90);
  memory.fill(random.below(SIZE - 100), 100, random.below(256), 'flush');
  memory.store64(random.below(SIZE / 8) * 8, BigInt(random.below(100)));
  view.writeUInt8(random.below(256), random.below(200));
  memory.drain();
  view.writeUInt8(random.below(256), random.below(200));
}

describe('An image of exploreCrashes', () => {
  for (const [who, recovers, checks] of [
    ['recovery', true, false],
    ['check', false, true],
    ['both', true, true],
  ] as const) {
    it(`is the same whatever ${who} did to the image before`, () => {
      const random = new Random(5);
      const points: Set<string>[] = [];
      const { crashPoints } = exploreCrashes({
        size: SIZE,
        workload,
        prune: false,
        budget: 10_000,
        recover(memory) {
          const bytes = Buffer.alloc(SIZE);
          memory.read(0, bytes);
          if (recovers) vandalise(memory, random);
          return bytes.toString('hex');
        },
        check(image, { point, duringRecovery }, memory) {
          if (checks) vandalise(memory, random);
          if (duringRecovery > 0) return;
          let images = points[point];
          if (images === undefined) {
            images = new Set();
            points[point] = images;
          }
          images.add(image);
        },
      });
      assert.equal(crashPoints, 2);
      assert.deepEqual(
        points.map((images) => [...images].sort()),
        exploredImages(SIZE, workload).map((images) => [...images].sort()),
      );
    });
  }

  it('is undone after a recovery that throws', () => {
    const found = new Set<string>();
    const options = {
      size: SIZE,
      workload,
      recover(memory: Memory) {
        found.add(memory.view(64, 8).toString('hex'));
        memory.view(64, 8).fill(9);
        memory.fill(64, 8, 7);
        throw new Error('in the middle');
      },
      check: () => true,
    };
    assert.throws(() => exploreCrashes(options), CrashConsistencyError);
    assert.deepEqual([...found].sort(), ['0000000000000000', '0100000000000000']);
  });

  it('of a crash during recovery has the stores of recovery alone in flight', () => {
    // Recovery stores 1, 2 and 3, one line each, and drains the first. The second run finds some of these.
    const found = new Set<string>();
    exploreCrashes({
      size: SIZE,
      workload: () => {},
      recover(memory) {
        const words = [0, 64, 128].map((offset) => memory.load64(offset)).join();
        memory.store64(0, 1n);
        memory.persist(0, 8);
        memory.store64(64, 2n);
        memory.view(128, 8)[0] = 3;
        return words;
      },
      check(words, { duringRecovery }) {
        found.add(`${duringRecovery}: ${words}`);
      },
    });
    assert.deepEqual([...found].sort(), ['0: 0,0,0', '1: 1,0,0', '1: 1,0,3', '1: 1,2,0', '1: 1,2,3']);
  });
});

describe('The crash that check is told of', () => {
  it('has the operations and acknowledgements before it', () => {
    const seen: string[] = [];
    exploreCrashes<void, string>({
      size: 64,
      setup: (memory) => memory.store64(0, 7n),
      workload(memory, context) {
        memory.drain();
        assert.equal(
          context.operation('first', () => memory.load64(0), 'a'),
          7n,
        );
        context.operation('second', () => {
          memory.drain();
          context.acknowledge('x');
          memory.drain();
        });
        context.acknowledge('y');
        memory.drain();
      },
      recover: (memory) => assert.equal(memory.load64(0), 7n),
      check(_, { point, finished, running, acknowledged, duringRecovery }) {
        const names = finished.map(({ index, name, detail }) => `${index} ${name} ${detail}`);
        seen.push(`${point}: ${names} | ${running?.name} | ${acknowledged} | ${duringRecovery}`);
      },
    });
    assert.deepEqual(seen, [
      '0:  | undefined |  | 0',
      '1: 0 first a | undefined |  | 0',
      '2: 0 first a | second |  | 0',
      '3: 0 first a | second | x | 0',
      '4: 0 first a,1 second undefined | undefined | x | 0',
      '5: 0 first a,1 second undefined | undefined | x,y | 0',
    ]);
  });

  it('is the same object for all images of a point', () => {
    const crashes = new Map<number, Set<object>>();
    exploreCrashes({
      ...appends(),
      check(_, crash) {
        const known = crashes.get(crash.point) ?? new Set();
        crashes.set(crash.point, known.add(crash));
        assert(Object.isFrozen(crash));
      },
    });
    assert.deepEqual(
      [...crashes.values()].map(({ size }) => size),
      Array(9).fill(1),
    );
  });
});

describe('The call site of a store', () => {
  const { size, workload, recover, check } = appends('needless flush');
  const wrapped = {
    size,
    check,
    workload: ((memory, context) => workload(new PartOfMemory(memory, 64), context)) as typeof workload,
    recover: ((memory) => recover(new PartOfMemory(memory, 64))) as typeof recover,
    report: true,
  };

  it('is in the memory that wraps the given one, unless skipFrames names that', () => {
    const { killed, survivors } = exploreMutants(wrapped);
    assert.equal(killed.length, 4);
    assert.deepEqual(survivors, []);
    for (const { source } of killed) assert.match(source, /derived-memory/);
    const deeper = exploreMutants({ ...wrapped, skipFrames: /derived-memory/g });
    assert.equal(deeper.killed.length, 4);
    for (const { source } of [...deeper.killed, ...deeper.survivors]) assert.match(source, /append-log/);
    assert.equal(deeper.survivors.length, 1);
  });

  it('leaves Error.prepareStackTrace and stackTraceLimit as they were', () => {
    const before = [Error.prepareStackTrace, Error.stackTraceLimit];
    exploreCrashes(appends());
    assert.deepEqual([Error.prepareStackTrace, Error.stackTraceLimit], before);
  });
});

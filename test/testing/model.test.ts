/** What a power cut can leave: rule by rule, and compared with a plainer model of the same rules. */

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Memory } from 'pmem';
import { SimulatedMemory } from 'pmem/testing';
import { Random } from '../support/random.js';
import { exploredImages, PlainModel, perform, performOnSlice, plainImages, type Step } from './images.js';

const SIZE = 192;

/** The images at the last crash point, each as the first byte of its first `count` words. */
function lastImages(workload: (memory: Memory) => void, words: readonly number[]): string[] {
  const images = exploredImages(SIZE, workload).at(-1) ?? new Set<string>();
  const seen = [...images].map((image) =>
    words.map((word) => Number.parseInt(image.slice(word * 16, word * 16 + 2), 16)).join(' '),
  );
  return [...new Set(seen)].sort();
}

describe('A power cut on simulated memory', () => {
  it('keeps or loses a store', () => {
    assert.deepEqual(
      lastImages((memory) => memory.store64(0, 1n), [0]),
      ['0', '1'],
    );
  });

  it('keeps the first few of several stores to one line', () => {
    const images = lastImages(
      (memory) => {
        memory.store64(0, 1n);
        memory.store64(8, 2n);
        memory.store64(0, 3n);
      },
      [0, 1],
    );
    assert.deepEqual(images, ['0 0', '1 0', '1 2', '3 2']);
  });

  it('keeps any of the stores to different lines', () => {
    const images = lastImages(
      (memory) => {
        memory.store64(0, 1n);
        memory.store64(64, 2n);
      },
      [0, 8],
    );
    assert.deepEqual(images, ['0 0', '0 2', '1 0', '1 2']);
  });

  it('never tears an aligned word of one store', () => {
    for (const store of [
      (memory: Memory) => memory.store64(8, 0xffff_ffff_ffff_ffffn),
      (memory: Memory) => memory.write(8, Buffer.alloc(8, 255)),
      (memory: Memory) => memory.fill(8, 8, 255),
      (memory: Memory) => memory.write(0, Buffer.alloc(64, 255)),
      (memory: Memory) => memory.fill(8, 48, 255),
    ]) {
      const images = exploredImages(64, store).at(-1) as Set<string>;
      const words = new Set([...images].map((image) => image.slice(16, 32)));
      assert.deepEqual([...words].sort(), ['0000000000000000', 'ffffffffffffffff']);
    }
  });

  it('never tears 1, 2 or 4 bytes that are aligned to their length', () => {
    for (const [offset, length] of [
      [7, 1],
      [6, 2],
      [4, 4],
    ] as const) {
      const images = exploredImages(64, (memory) => memory.write(offset, Buffer.alloc(length, 1))).at(-1);
      assert.equal(images?.size, 2, `${length} bytes at offset ${offset}`);
    }
  });

  /** The values that the word at the offset can have. */
  function wordsAt(offset: number, workload: (memory: Memory) => void): string[] {
    const images = exploredImages(64, workload).at(-1) ?? new Set<string>();
    return [...new Set([...images].map((image) => image.slice(2 * offset, 2 * offset + 16)))].sort();
  }

  it('tears a word between its bytes if it takes more than one store', () => {
    assert.deepEqual(
      wordsAt(0, (memory) => memory.write(3, Buffer.from([1, 2, 3]))),
      ['0000000000000000', '0000000002030000', '0000000100000000', '0000000102030000'],
    );
    assert.deepEqual(
      wordsAt(0, (memory) => memory.write(0, Buffer.alloc(6, 255))),
      ['0000000000000000', '000000ffffff0000', 'ffffff0000000000', 'ffffffffffff0000'],
    );
  });

  it('tears any word of a copy that begins or ends within a word', () => {
    const torn = ['0000000000000000', '00000000ffffffff', 'ffffffff00000000', 'ffffffffffffffff'];
    for (const store of [
      (memory: Memory) => memory.write(4, Buffer.alloc(56, 255)),
      (memory: Memory) => memory.write(8, Buffer.alloc(20, 255)),
      (memory: Memory) => memory.fill(4, 32, 255),
      (memory: Memory) => memory.fill(16, 13, 255),
    ]) {
      assert.deepEqual(wordsAt(16, store), torn);
    }
  });

  it('tears a word that was stored through a view, among the bytes that change', () => {
    assert.deepEqual(
      wordsAt(8, (memory) => {
        memory.store64(8, 255n);
        memory.persist(8, 8);
        memory.view(0, 64).writeBigUInt64LE(256n, 8);
      }),
      ['0000000000000000', '0001000000000000', 'ff00000000000000', 'ff01000000000000'],
    );
  });

  it('tears one word of a line between its bytes, with any of the other words', () => {
    const images = exploredImages(64, (memory) => memory.write(4, Buffer.alloc(16, 9))).at(-1) as Set<string>;
    // Eight subsets of three words. And each of the words halved in two ways, with four subsets of the others.
    assert.equal(images.size, 8 + 3 * 2 * 4);
  });

  it('does not tear a single byte of a word', () => {
    const images = exploredImages(192, (memory) => memory.write(63, Buffer.alloc(2, 9))).at(-1) as Set<string>;
    assert.equal(images.size, 4);
  });

  it('tears a copy of a whole line at any of its words, in any order', () => {
    const images = exploredImages(64, (memory) => memory.write(0, Buffer.alloc(64, 1))).at(-1) as Set<string>;
    assert.equal(images.size, 2 ** 8);
    for (const image of images) assert.match(image, /^(0{16}|(01){8}){8}$/);
  });

  it('keeps what was flushed and drained', () => {
    for (const store of [
      (memory: Memory) => {
        memory.store64(0, 1n);
        memory.flush(0, 8);
        memory.drain();
      },
      (memory: Memory) => {
        memory.store64(0, 1n);
        memory.persist(7, 1);
      },
      (memory: Memory) => memory.write(0, Buffer.alloc(8, 1), 'persist'),
      (memory: Memory) => memory.fill(0, 8, 1, 'persist'),
      (memory: Memory) => {
        memory.write(0, Buffer.alloc(8, 1), 'flush');
        memory.drain();
      },
    ]) {
      assert.deepEqual(lastImages(store, [0]), ['1']);
    }
  });

  it('can lose what was flushed and not drained, drained and not flushed, or flushed too late', () => {
    for (const store of [
      (memory: Memory) => memory.write(0, Buffer.alloc(8, 1), 'flush'),
      (memory: Memory) => memory.fill(0, 8, 1, 'flush'),
      (memory: Memory) => {
        memory.store64(0, 1n);
        memory.drain();
      },
      (memory: Memory) => {
        memory.store64(0, 1n);
        memory.drain();
        memory.flush(0, 8);
      },
      (memory: Memory) => {
        memory.store64(0, 1n);
        memory.flush(0, 0);
        memory.drain();
      },
    ]) {
      assert.deepEqual(lastImages(store, [0]), ['0', '1']);
    }
  });

  it('can lose what was stored to a line after its flush, and keeps what was stored before', () => {
    const images = lastImages(
      (memory) => {
        memory.store64(0, 1n);
        memory.flush(0, 8);
        memory.store64(0, 2n);
        memory.store64(8, 3n);
        memory.drain();
      },
      [0, 1],
    );
    assert.deepEqual(images, ['1 0', '2 0', '2 3']);
  });

  it('keeps after a drain only the lines that were flushed', () => {
    const images = lastImages(
      (memory) => {
        memory.store64(0, 1n);
        memory.store64(64, 2n);
        memory.flush(64, 8);
        memory.drain();
      },
      [0, 8],
    );
    assert.deepEqual(images, ['0 2', '1 2']);
  });

  it('keeps the whole line of one flushed byte', () => {
    const images = lastImages(
      (memory) => {
        memory.store64(0, 1n);
        memory.store64(56, 2n);
        memory.store64(64, 3n);
        memory.persist(63, 1);
      },
      [0, 7, 8],
    );
    assert.deepEqual(images, ['1 2 0', '1 2 3']);
  });

  describe('sees the stores through a view', () => {
    it('when their lines are flushed', () => {
      const images = lastImages(
        (memory) => {
          const view = memory.view(0, SIZE);
          view[0] = 1;
          view[8] = 2;
          view[64] = 3;
          memory.persist(0, 64);
          view[0] = 4;
        },
        [0, 1, 8],
      );
      assert.deepEqual(images, ['1 2 0', '1 2 3', '4 2 0', '4 2 3']);
    });

    it('at a drain, and then those to one line in any order', () => {
      const images = lastImages(
        (memory) => {
          const view = memory.view(0, 16);
          view[0] = 1;
          view[8] = 2;
          memory.drain();
        },
        [0, 1],
      );
      assert.deepEqual(images, ['0 0', '0 2', '1 0', '1 2']);
    });

    it('before a later store to the same line', () => {
      const images = lastImages(
        (memory) => {
          const view = memory.view(0, 8);
          view[0] = 1;
          memory.store64(8, 2n);
        },
        [0, 1],
      );
      assert.deepEqual(images, ['0 0', '1 0', '1 2']);
    });

    it('once, with several views on a line', () => {
      const images = lastImages(
        (memory) => {
          memory.view(0, 128);
          const view = memory.view(64, 128);
          view[0] = 1;
          memory.drain();
          memory.persist(64, 64);
        },
        [8],
      );
      assert.deepEqual(images, ['1']);
    });
  });

  it('leaves what the plain model says, of random programs', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = new Random(seed);
      const steps = Array.from({ length: 3 + random.below(6) }, () => randomStep(random));
      const explored = exploredImages(SIZE, (memory) => {
        for (const step of steps) perform(memory, step);
      });
      assert.deepEqual(
        explored.map((images) => [...images].sort()),
        plainImages(SIZE, steps).map((images) => [...images].sort()),
        `seed ${seed}`,
      );
    }
  });
});

describe('A slice of SimulatedMemory', () => {
  it('loses what the plain model says, in random programs on slices of slices', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = new Random(seed);
      const steps = Array.from({ length: 3 + random.below(6) }, () => randomStep(random));
      const explored = exploredImages(SIZE, (memory) => {
        for (const step of steps) performOnSlice(memory, step, random);
      });
      assert.deepEqual(
        explored.map((images) => [...images].sort()),
        plainImages(SIZE, steps).map((images) => [...images].sort()),
        `seed ${seed}`,
      );
    }
  });

  it('tears and loses what the whole does, wherever that begins in a line', () => {
    for (const lineOffset of [8, 20, 56]) {
      for (let seed = 1; seed <= 20; seed++) {
        const random = new Random(seed);
        // Without store64, whose offsets are not aligned here.
        const steps = Array.from({ length: 6 }, () => randomStep(random)).filter(({ op }) => op !== 'store64');
        const images = (run: (memory: Memory, step: Step) => void) =>
          exploredImages(
            SIZE,
            (memory) => {
              for (const step of steps) run(memory, step);
            },
            lineOffset,
          ).map((found) => [...found].sort());
        assert.deepEqual(
          images((memory, step) => performOnSlice(memory, step, random)),
          images(perform),
          `lineOffset ${lineOffset}, seed ${seed}`,
        );
      }
    }
  });

  it('has the lineOffset of its first byte', () => {
    const memory = SimulatedMemory.create({ size: 256, lineOffset: 40 });
    assert.equal(memory.slice(8).lineOffset, 48);
    assert.equal(memory.slice(24, 64).lineOffset, 0);
    assert.equal(memory.slice(24, 64).slice(60).lineOffset, 60);
    assert.equal(memory.slice(10).load64(6), 0n);
  });

  it('shows and loses the stores of a view of the whole', () => {
    const memory = SimulatedMemory.create({ size: 256 });
    const part = memory.slice(64, 128);
    memory.view(140, 4).write('view');
    assert.equal(part.readText(76, 4), 'view');
    part.view().write('part', 0);
    assert.equal(part.view().length, 128);
    part.persist(0, 4);
    memory.losePower({ keep: 'nothing' });
    assert.equal(memory.readText(64, 4), 'part');
    assert.equal(memory.readText(140, 4), '\0\0\0\0');
  });

  it('is printed in one line, as the whole is', () => {
    const memory = SimulatedMemory.create({ size: 256, lineOffset: 8 });
    assert.equal(inspect(memory), 'SimulatedMemory { size: 256, lineOffset: 8 }');
    assert.equal(inspect(memory.slice(4, 16)), 'SimulatedMemory { size: 16, lineOffset: 12 }');
  });
});

/** A step of few words, so that exploring makes all images. */
function randomStep(random: Random): Step {
  const offset = random.below(SIZE - 24);
  const length = random.below(20);
  switch (random.below(8)) {
    case 0:
      return { op: 'write', offset, bytes: random.bytes(length), mode: random.pick(['store', 'flush', 'persist']) };
    case 1:
      return { op: 'fill', offset, length, byte: random.below(256) };
    case 2:
    case 3:
    case 4:
      return { op: 'store64', offset: random.below(SIZE / 8) * 8, value: BigInt(random.below(2 ** 31)) };
    case 5:
      return { op: 'flush', offset, length: random.below(SIZE - offset) };
    case 6:
      return { op: 'persist', offset, length };
    default:
      return { op: 'drain' };
  }
}

describe('SimulatedMemory', () => {
  it('holds what was stored, by any call', () => {
    const memory = SimulatedMemory.create({ size: '4KiB' });
    assert.equal(memory.size, 4096);
    assert.equal(memory.durability.granularity, 'cache-line');
    assert.equal(memory.durability.assumed, true);
    memory.write(1, Buffer.from('text'));
    memory.fill(5, 3, 0x21);
    memory.store64(8, 2n ** 64n - 1n);
    assert.equal(memory.load64(8), 2n ** 64n - 1n);
    const bytes = Buffer.alloc(8);
    memory.read(0, bytes);
    assert.equal(bytes.toString('latin1'), '\0text!!!');
    assert(memory.view(0, 8).equals(bytes));
    memory.write(2, memory.view(0, 8));
    assert.equal(memory.view(2, 8).toString('latin1'), '\0text!!!');
  });

  it('loses what is not durable, and keeps the rest', () => {
    const memory = SimulatedMemory.create({ size: 128 });
    const view = memory.view(0, 128);
    memory.write(0, Buffer.from('durable.'), 'persist');
    memory.write(8, Buffer.from('flushed.'), 'flush');
    memory.write(64, Buffer.from('stored..'));
    view.write('seen....', 72, 'latin1');
    memory.losePower({ keep: 'nothing' });
    assert.equal(view.toString('latin1').replaceAll('\0', ''), 'durable.');
    memory.write(64, Buffer.from('stored..'));
    view.write('seen....', 72, 'latin1');
    memory.losePower({ keep: 'everything' });
    memory.losePower({ keep: 'nothing' });
    assert.equal(view.toString('latin1').replaceAll('\0', ''), 'durable.stored..seen....');
  });

  it('loses at random only what the plain model can lose', () => {
    const left = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const memory = SimulatedMemory.create({ size: 128 });
      const model = new PlainModel(128);
      for (const [offset, text] of [
        [0, 'one and two'],
        [4, 'three'],
        [70, 'four and five'],
      ] as const) {
        memory.write(offset, Buffer.from(text));
        model.store(offset, Buffer.from(text));
        if (offset === 0) {
          memory.flush(0, 1);
          model.flush(0, 1);
        }
      }
      memory.drain();
      model.drain();
      memory.losePower({ keep: 'random', seed });
      const image = memory.view(0, 128).toString('hex');
      assert(model.images().has(image), `seed ${seed}`);
      left.add(image);
      const same = SimulatedMemory.create({ size: 128 });
      same.losePower({ keep: 'random', seed });
    }
    assert(left.size >= 8, `${left.size} different images`);
  });

  it('forgets stores that are durable', () => {
    const memory = SimulatedMemory.create({ size: 64 });
    const page = Buffer.alloc(64, 1);
    for (let i = 0; i < 200_000; i++) memory.write(0, page, 'persist');
    memory.losePower({ keep: 'nothing' });
    assert.equal(memory.load64(0), 0x0101010101010101n);
  });
});

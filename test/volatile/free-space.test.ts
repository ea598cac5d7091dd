import assert from 'node:assert/strict';
import { FreeSpace, GRANULE, roundUp } from '#dist/volatile/free-space.js';
import { endAtCall } from '../support/at-each-call.js';
import { Random } from '../support/random.js';

const SIZE = 2 ** 20;

describe('FreeSpace', () => {
  it('gives out all of it, nothing more, and all of it again', () => {
    const space = new FreeSpace(SIZE + 63);
    assert.equal(space.freeBytes, SIZE);
    assert.equal(space.take(SIZE), 0);
    assert.equal(space.take(1), undefined);
    assert.equal(space.largest, 0);
    assert.equal(space.give(0), SIZE);
    assert.equal(space.give(0), undefined);
    assert.equal(space.largest, SIZE);
  });

  it('has no bytes where there is less than a granule', () => {
    for (const size of [0, 1, 63]) assert.equal(new FreeSpace(size).take(1), undefined);
    assert.equal(new FreeSpace(64).take(1), 0);
  });

  it('merges ranges that are given back, in any order', () => {
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (const order of orders) {
      const space = new FreeSpace(3 * GRANULE);
      const offsets = [space.take(1), space.take(64), space.take(33)];
      assert.deepEqual(offsets, [0, 64, 128]);
      for (const i of order) space.give(offsets[i] as number);
      assert.equal(space.take(3 * GRANULE), 0, order.join());
    }
  });

  it('finds the only aligned place', () => {
    const space = new FreeSpace(SIZE);
    assert.equal(space.take(64), 0);
    assert.equal(space.take(4096, 4096), 4096);
    assert.equal(space.take(4096 - 64), 64);
    assert.equal(space.take(SIZE / 2, SIZE / 2), SIZE / 2);
    assert.equal(space.take(SIZE / 2, 64), undefined);
    assert.equal(space.take(64, SIZE), undefined);
  });

  it('finds an aligned place among many ranges that are not', () => {
    const space = new FreeSpace(SIZE);
    // Free pieces of 128 bytes, of which only those at even places are aligned to 512.
    const all = Array.from({ length: SIZE / 256 }, () => [space.take(128), space.take(128)]);
    for (const [, odd] of all.slice(1)) space.give(odd as number);
    space.give(all[100]?.[0] as number);
    assert.equal(space.take(128, 512), all[100]?.[0]);
  });

  it('has sizes of more than 32 bits', () => {
    const space = new FreeSpace(2 ** 52);
    assert.equal(space.take(2 ** 51), 0);
    assert.equal(space.take(2 ** 51 - 64), 2 ** 51);
    assert.equal(space.largest, 64);
    space.give(0);
    space.give(2 ** 51);
    assert.equal(space.largest, 2 ** 52);
  });

  for (const seed of [1, 2, 3]) {
    it(`never overlaps, leaks, misaligns or refuses without need in 100,000 steps (seed ${seed})`, () => {
      const random = new Random(seed);
      const granules = 4096;
      const space = new FreeSpace(granules * GRANULE);
      /** Who has each granule: the model. */
      const owner = new Int32Array(granules);
      const pieces: { offset: number; bytes: number; id: number }[] = [];
      let used = 0;
      /** Whether the model has room. */
      const hasRoom = (length: number, align: number): boolean => {
        const step = align / GRANULE;
        for (let at = 0; at + length <= granules; at += step) {
          let i = 0;
          while (i < length && owner[at + i] === 0) i++;
          if (i === length) return true;
        }
        return false;
      };
      for (let step = 1; step <= 100_000; step++) {
        // Grows and shrinks by turns, so that it is both crowded and empty now and then.
        const growing = Math.floor(step / 2000) % 2 === 0;
        if (pieces.length > 0 && random.below(10) < (growing ? 4 : 6)) {
          const [piece] = pieces.splice(random.below(pieces.length), 1);
          assert(piece !== undefined);
          const length = roundUp(piece.bytes, GRANULE);
          assert.equal(space.give(piece.offset), length);
          owner.fill(0, piece.offset / GRANULE, (piece.offset + length) / GRANULE);
          used -= length;
        } else {
          const bytes = 1 + random.below(2 ** random.pick([3, 6, 8, 10, 12, 15]));
          const align = random.below(4) === 0 ? 2 ** (6 + random.below(8)) : GRANULE;
          const length = roundUp(bytes, GRANULE);
          const offset = space.take(bytes, align);
          if (offset === undefined) {
            assert(!hasRoom(length / GRANULE, align), `step ${step}: ${bytes} at ${align} was refused`);
            continue;
          }
          assert.equal(offset % align, 0, `step ${step}`);
          const taken = owner.subarray(offset / GRANULE, (offset + length) / GRANULE);
          assert.equal(taken.length, length / GRANULE);
          assert(
            taken.every((id) => id === 0),
            `step ${step}: overlaps`,
          );
          taken.fill(step);
          pieces.push({ offset, bytes, id: step });
          used += length;
        }
        if (step % 64 === 0) {
          assert.equal(space.freeBytes, granules * GRANULE - used);
          assert.equal(space.allocations, pieces.length);
        }
      }
      for (const { offset } of pieces) space.give(offset);
      assert.equal(space.largest, granules * GRANULE);
      assert.equal(space.take(granules * GRANULE), 0);
    });
  }

  for (const [name, change] of [
    ['take', (space: FreeSpace) => void space.take(3 * GRANULE, 4 * GRANULE)],
    ['give', (space: FreeSpace) => void space.give(6 * GRANULE)],
  ] as const) {
    it(`gives no byte out twice after a ${name} that was ended at any step`, () => {
      for (let at = 0, more = true; more; at++) {
        const space = new FreeSpace(64 * GRANULE);
        const used = new Map<number, number>();
        for (let i = 0; i < 8; i++) used.set(space.take(3 * GRANULE) as number, 3 * GRANULE);
        for (const offset of [3 * GRANULE, 9 * GRANULE]) {
          space.give(offset);
          used.delete(offset);
        }
        more = endAtCall(at, () => change(space));
        // Whoever gives a piece back does not use it, however far that comes.
        if (name === 'give') used.delete(6 * GRANULE);
        const random = new Random(at);
        for (let i = 0; i < 300; i++) {
          const offsets = [...used.keys()];
          if (random.below(2) === 0 && offsets.length > 0) {
            const offset = random.pick(offsets);
            assert.equal(space.give(offset), used.get(offset));
            used.delete(offset);
            continue;
          }
          const length = (1 + random.below(6)) * GRANULE;
          const offset = space.take(length);
          if (offset === undefined) continue;
          for (const [begin, other] of used) {
            assert.ok(offset + length <= begin || begin + other <= offset, `step ${at}: ${offset} was given out twice`);
          }
          used.set(offset, length);
          assert.ok(space.freeBytes >= 0 && offset + length <= 64 * GRANULE);
        }
      }
    });
  }
});

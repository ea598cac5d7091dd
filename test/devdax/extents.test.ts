/** The instance allocator against a model that only knows pages and their owners. */

import assert from 'node:assert/strict';
import { FreeExtents, Layout, shrunk } from '#dist/devdax/region/allocations.js';
import type { ByteRange } from '#dist/memory/memory.js';
import { Random } from '../support/random.js';

const ALIGN = 2 * 2 ** 20;
/** A share; all of them by `FUZZ_COUNT=100000`. */
const OPERATIONS = Number(process.env['FUZZ_COUNT'] ?? 25_000);
const SEEDS = [1, 0x5eed, 20_261_121];

/** Who owns each page of `align` bytes; written to be obvious, not fast. */
class Pages {
  readonly #owner: (number | undefined)[];
  /** Of each instance its pages in its own order. */
  readonly held = new Map<number, number[]>();

  constructor(count: number) {
    this.#owner = new Array<number | undefined>(count).fill(undefined);
  }

  get free(): number {
    return this.#owner.filter((owner) => owner === undefined).length;
  }

  /** The lowest free pages, as many as are missing. */
  resize(instance: number, pages: number): boolean {
    const mine = [...(this.held.get(instance) ?? [])];
    while (mine.length > pages) this.#owner[mine.pop() as number] = undefined;
    if (pages - mine.length > this.free) return false;
    for (let page = 0; mine.length < pages; page++) {
      if (this.#owner[page] !== undefined) continue;
      this.#owner[page] = instance;
      mine.push(page);
    }
    this.held.set(instance, mine);
    return true;
  }

  destroy(instance: number): void {
    for (const page of this.held.get(instance) ?? []) this.#owner[page] = undefined;
    this.held.delete(instance);
  }
}

function pagesOf(extents: readonly ByteRange[], first: number): number[] {
  return extents.flatMap(({ offset, length }) => {
    assert.equal(offset % ALIGN, 0, 'an extent begins off the alignment');
    assert(length > 0 && length % ALIGN === 0, 'a length off the alignment');
    return Array.from({ length: length / ALIGN }, (_, i) => (offset - first) / ALIGN + i);
  });
}

describe('FreeExtents and Layout', () => {
  for (const seed of SEEDS) {
    it(`neither overlap nor leak, and choose the first fit, over ${OPERATIONS.toLocaleString('en')} random operations (seed ${seed})`, () => {
      const random = new Random(seed);
      const first = ALIGN * random.below(1000);
      const count = 64;
      const layout = new Layout(first, count * ALIGN);
      const model = new Pages(count);
      const done = { created: 0, grown: 0, shrunk: 0, destroyed: 0, refused: 0, several: 0 };
      for (let i = 0; i < OPERATIONS; i++) {
        const where = `seed ${seed}, operation ${i}`;
        const numbers = [...model.held.keys()];
        const choice = random.below(10);
        if (choice < 4 || numbers.length === 0) {
          const number = layout.unused();
          const lowest = Array.from({ length: numbers.length + 1 }, (_, n) => n).find((n) => !model.held.has(n));
          assert.equal(number, lowest, where);
          const pages = random.below(random.below(8) === 0 ? count + 2 : 9);
          const extents = layout.plan(number, pages * ALIGN);
          assert.equal(extents !== undefined, model.resize(number, pages), where);
          if (extents === undefined) {
            done.refused++;
            model.destroy(number);
          } else {
            done.created++;
            layout.commit(number, extents);
          }
        } else if (choice < 8) {
          const number = random.pick(numbers);
          const pages = random.below(16);
          const before = model.held.get(number)?.length ?? 0;
          const extents = layout.plan(number, pages * ALIGN);
          assert.equal(extents !== undefined, model.resize(number, pages), where);
          if (extents === undefined) done.refused++;
          else {
            layout.commit(number, extents);
            if (pages > before) done.grown++;
            else done.shrunk++;
          }
        } else {
          const number = random.pick(numbers);
          layout.remove(number);
          model.destroy(number);
          done.destroyed++;
        }
        // The model assigns each page one owner: equal page lists are no overlap, and first fit.
        const all = layout.describe();
        assert.equal(all.length, model.held.size, where);
        let used = 0;
        for (const { number, extents } of all) {
          const pages = pagesOf(extents, first);
          assert.deepEqual(pages, model.held.get(number), where);
          used += pages.length;
          if (extents.length > 1) done.several++;
          for (let n = 1; n < extents.length; n++) {
            const [a, b] = [extents[n - 1] as ByteRange, extents[n] as ByteRange];
            assert.notEqual(a.offset + a.length, b.offset, `${where}: what adjoins in order is one extent`);
          }
        }
        const free = layout.free.list();
        assert.equal(pagesOf(free, first).length + used, count, `${where}: pages leaked`);
        assert.equal(layout.free.available, model.free * ALIGN, where);
        for (let n = 1; n < free.length; n++) {
          const [a, b] = [free[n - 1] as ByteRange, free[n] as ByteRange];
          assert(a.offset + a.length < b.offset, `${where}: free extents that touch`);
        }
      }
      for (const [what, times] of Object.entries(done)) assert(times > 1000, `${what} only ${times} times`);
      for (const { number } of layout.describe()) layout.remove(number);
      assert.deepEqual(layout.free.list(), [{ offset: first, length: count * ALIGN }]);
    });
  }

  it('fill the lowest hole first and go on in the next, as the kernel does', () => {
    const layout = new Layout(0, 10);
    for (const number of [0, 1, 2, 3, 4]) layout.commit(number, layout.plan(number, 2) ?? []);
    layout.remove(1);
    layout.remove(3);
    assert.deepEqual(layout.free.list(), [
      { offset: 2, length: 2 },
      { offset: 6, length: 2 },
    ]);
    assert.equal(layout.free.largest, 2);
    assert.equal(layout.plan(1, 5), undefined);
    assert.deepEqual(layout.plan(1, 3), [
      { offset: 2, length: 2 },
      { offset: 6, length: 1 },
    ]);
    // Right behind its last extent there is room: that one becomes longer.
    assert.deepEqual(layout.plan(0, 5), [
      { offset: 0, length: 4 },
      { offset: 6, length: 1 },
    ]);
    // The lowest hole comes first also where the bytes behind would be free.
    assert.deepEqual(layout.plan(2, 3), [
      { offset: 4, length: 2 },
      { offset: 2, length: 1 },
    ]);
  });

  it('take the first extent that is large enough for a contiguous one', () => {
    const free = new FreeExtents(0, 10);
    free.replace([], [{ offset: 2, length: 2 }]);
    assert.deepEqual(free.contiguous(2), [{ offset: 0, length: 2 }]);
    assert.deepEqual(free.contiguous(3), [{ offset: 4, length: 3 }]);
    assert.equal(free.contiguous(7), undefined);
  });

  it('know what is free, and what is named twice', () => {
    const free = new FreeExtents(0, 10);
    free.replace([], [{ offset: 4, length: 2 }]);
    assert(
      free.has([
        { offset: 6, length: 4 },
        { offset: 0, length: 4 },
      ]),
    );
    for (const extents of [
      [{ offset: 3, length: 2 }],
      [{ offset: 8, length: 3 }],
      [
        { offset: 0, length: 2 },
        { offset: 1, length: 1 },
      ],
    ])
      assert(!free.has(extents));
  });

  it('shrink from the end', () => {
    const held = [
      { offset: 8, length: 4 },
      { offset: 0, length: 4 },
    ];
    assert.deepEqual(shrunk(held, 8), held);
    assert.deepEqual(shrunk(held, 5), [held[0], { offset: 0, length: 1 }]);
    assert.deepEqual(shrunk(held, 4), [held[0]]);
    assert.deepEqual(shrunk(held, 1), [{ offset: 8, length: 1 }]);
    assert.deepEqual(shrunk(held, 0), []);
  });

  it('make a layout again from its description', () => {
    const layout = new Layout(0, 10);
    for (const number of [0, 1, 2]) layout.commit(number, layout.plan(number, 2) ?? []);
    layout.remove(1);
    layout.commit(1, layout.plan(1, 5) ?? []);
    const again = new Layout(0, 10, layout.describe());
    assert.deepEqual(again.describe(), layout.describe());
    assert.deepEqual(again.free.list(), layout.free.list());
  });

  it('throw for bytes that would be given or taken twice', () => {
    const free = new FreeExtents(0, 10);
    assert.throws(() => free.replace([{ offset: 0, length: 1 }], []), /were free already/);
    free.replace([], [{ offset: 0, length: 4 }]);
    assert.throws(() => free.replace([], [{ offset: 3, length: 2 }]), /are not free/);
  });
});

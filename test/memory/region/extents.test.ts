/** Several pieces of a file in one range of addresses. */

import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { type MapRequest, native } from '#dist/binding.js';
import { mapsOf } from '../../support/maps.js';
import { onDisk } from '../../support/temp.js';

const PAGE = 4096;
const MIB = 2 ** 20;
const PAGES = 64;

describe('A mapping of several extents', () => {
  const file = onDisk();

  function made(size = PAGES * PAGE): string {
    const path = file('pieces');
    writeFileSync(path, Buffer.alloc(size));
    return path;
  }

  function map(path: string, extents: { offset: number; length: number }[], more: Partial<MapRequest> = {}) {
    const fd = openSync(path, 'r+');
    const length = extents.reduce((sum, one) => sum + one.length, 0);
    try {
      return native.map({
        fd,
        length,
        pageSize: PAGE,
        alignment: PAGE,
        writable: true,
        extents,
        ...more,
      });
    } finally {
      closeSync(fd);
    }
  }

  function errnoOf(call: () => unknown): number | undefined {
    try {
      call();
      return undefined;
    } catch (error) {
      return (error as { errno?: number }).errno;
    }
  }

  const EXTENTS = [
    { offset: 8 * PAGE, length: 4 * PAGE },
    { offset: 0, length: PAGE },
    { offset: 20 * PAGE, length: 2 * PAGE },
    { offset: 22 * PAGE, length: PAGE },
  ];

  it('has them back to back in the order given, each on its own bytes', () => {
    const path = made();
    const { handle, size } = map(path, EXTENTS);
    assert.equal(size, 8 * PAGE);
    const { buffer, view } = native.arrayBuffer(handle, 0, size);
    const memory = Buffer.from(buffer);
    for (let page = 0; page < 8; page++) memory.fill(page + 1, page * PAGE, (page + 1) * PAGE);
    native.syncAll(handle);
    const bytes = readFileSync(path);
    const seen = Array.from({ length: PAGES }, (_, page) => bytes[page * PAGE]);
    const expected = new Array<number>(PAGES).fill(0);
    for (const [page, value] of [
      [8, 1],
      [9, 2],
      [10, 3],
      [11, 4],
      [0, 5],
      [20, 6],
      [21, 7],
      [22, 8],
    ] as const)
      expected[page] = value;
    assert.deepEqual(seen, expected);
    // What adjoins in the file is one piece for the kernel.
    const pieces = mapsOf(path);
    assert.deepEqual(
      pieces.map(({ offset }) => Number(offset)),
      [8 * PAGE, 0, 20 * PAGE],
    );
    for (let i = 1; i < pieces.length; i++) assert.equal(pieces[i]?.begin, pieces[i - 1]?.end);
    for (const piece of pieces) assert(piece.flags.includes('dc'), 'not inherited by a fork');
    native.detach(buffer, view);
    native.close(handle);
    assert.deepEqual(mapsOf(path), []);
  });

  it('of one extent is a plain mapping', () => {
    const path = made();
    const { handle } = map(path, [{ offset: 8 * PAGE, length: 4 * PAGE }]);
    const [only, ...others] = mapsOf(path);
    assert.equal(others.length, 0);
    assert.equal(only?.offset, BigInt(8 * PAGE));
    native.close(handle);
    assert.deepEqual(mapsOf(path), []);
  });

  it('keeps the alignment, and refuses one that not every extent can have', () => {
    const path = made(16 * MIB);
    const both = [
      { offset: 8 * MIB, length: 2 * MIB },
      { offset: 2 * MIB, length: 4 * MIB },
    ];
    const { handle } = map(path, both, { alignment: 2 * MIB, mustAlign: true });
    for (const { begin } of mapsOf(path)) assert.equal(begin % BigInt(2 * MIB), 0n);
    native.close(handle);
    const odd = [
      { offset: 8 * MIB, length: 2 * MIB },
      { offset: MIB, length: 2 * MIB },
    ];
    assert.equal(
      errnoOf(() => map(path, odd, { alignment: 2 * MIB, mustAlign: true })),
      22,
    );
    native.close(map(path, odd, { alignment: 2 * MIB }).handle);
    assert.deepEqual(mapsOf(path), []);
  });

  it('populates every extent', () => {
    const path = made();
    const { handle } = map(path, EXTENTS, { populate: true });
    const smaps = readFileSync('/proc/self/smaps', 'utf8').split('\n');
    let resident = 0;
    let ours = false;
    for (const line of smaps) {
      if (/^[0-9a-f]+-/.test(line)) ours = line.endsWith(path);
      else if (ours && line.startsWith('Rss:')) resident += Number(/\d+/.exec(line)?.[0]) * 1024;
    }
    assert.equal(resident, 8 * PAGE);
    native.close(handle);
  });

  it('is refused where they do not fit together, and nothing stays mapped', () => {
    const path = made();
    const wrong: [extents: { offset: number; length: number }[], more?: Partial<MapRequest>][] = [
      [
        [
          { offset: 0, length: 100 },
          { offset: PAGE, length: PAGE },
        ],
      ],
      [
        [
          { offset: 0, length: PAGE },
          { offset: 100, length: PAGE },
        ],
      ],
      [
        [
          { offset: 0, length: PAGE },
          { offset: PAGE, length: 0 },
        ],
      ],
      [
        [
          { offset: 0, length: PAGE },
          { offset: PAGE, length: PAGE },
        ],
        { length: 3 * PAGE },
      ],
    ];
    for (const [extents, more] of wrong)
      assert.equal(
        errnoOf(() => map(path, extents, more)),
        22,
      );
    assert.deepEqual(mapsOf(path), []);
  });

  it('leaves no address taken when the kernel refuses it', () => {
    const path = made();
    const before = readFileSync('/proc/self/maps', 'utf8').split('\n').length;
    const fd = openSync(path, 'r');
    for (let i = 0; i < 50; i++) {
      // A shared writable mapping of a file that is open for reading.
      assert.equal(
        errnoOf(() => map(path, EXTENTS, { fd })),
        13,
      );
    }
    closeSync(fd);
    assert(readFileSync('/proc/self/maps', 'utf8').split('\n').length < before + 10);
  });
});

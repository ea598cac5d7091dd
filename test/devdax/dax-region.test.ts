/** Regions and instances on files: what is made, what is refused, and with which words. */

import assert from 'node:assert/strict';
import fs, {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { inspect } from 'node:util';
import { Region } from 'pmem';
import { DaxInstance, type DaxMapping, DaxRegion, type DaxRegionOptions } from 'pmem/devdax';
import { native } from '#dist/binding.js';
import type { Progress } from '#dist/options.js';
import { endAtCall } from '../support/at-each-call.js';
import { startChild } from '../support/child.js';
import { rejectsCode, throwsCode } from '../support/errors.js';
import { collected, descriptorsOf, mapsOf } from '../support/maps.js';
import { loadKernel } from '../support/native.js';
import { onDisk } from '../support/temp.js';
import { exitOf, inWorker, messageOf, startWorker } from '../support/worker.js';

const PAGE = 4096;
const MIB = 2 ** 20;
const PAGES = 32;

describe('DaxRegion', () => {
  const file = onDisk();

  function made(size = PAGES * PAGE): string {
    const path = file('region');
    writeFileSync(path, Buffer.alloc(size));
    return path;
  }

  function opened(options: DaxRegionOptions = {}, path = made()): DaxRegion {
    return DaxRegion.open(path, { align: PAGE, emulate: true, ...options });
  }

  /** Of each piece, the first page and the page after the last. */
  function pages(instance: DaxInstance): [number, number][] {
    return instance.mappings.map(({ offset, length }) => [offset / PAGE, (offset + length) / PAGE]);
  }

  /** Free and taken bytes make up the region; no byte is taken twice. */
  function sound(region: DaxRegion): void {
    const taken = new Set<number>();
    for (const instance of region.instances) {
      let before = 0;
      for (const { pageOffset, offset, length } of instance.mappings) {
        assert.equal(pageOffset, before);
        before += length / PAGE;
        for (let page = offset / PAGE; page < (offset + length) / PAGE; page++) {
          assert(!taken.has(page), `page ${page} twice`);
          taken.add(page);
        }
      }
      assert.equal(instance.size, before * PAGE);
    }
    assert.equal(taken.size * PAGE + region.availableSize, region.size);
  }

  for (const [name, change] of [
    ['create', (region: DaxRegion) => void region.create({ size: 4 * PAGE })],
    ['resize to less', (_: DaxRegion, instance: DaxInstance) => instance.resize(2 * PAGE)],
    ['resize to more', (_: DaxRegion, instance: DaxInstance) => instance.resize(12 * PAGE)],
    ['destroy', (_: DaxRegion, instance: DaxInstance) => instance.destroy()],
  ] as const) {
    it(`gives no byte to two instances after a ${name} that was ended at any step`, () => {
      for (let at = 0, more = true; more; at++) {
        const region = opened();
        const [, second, third] = [8, 8, 4].map((count) => region.create({ size: count * PAGE }));
        assert.ok(second !== undefined && third !== undefined);
        const before = pages(third);
        more = endAtCall(at, () => change(region, second));
        for (const count of [3, 5, 2]) {
          try {
            region.create({ size: count * PAGE });
          } catch (error) {
            assert.match(String((error as NodeJS.ErrnoException).code), /^(ENOSPC|ERR_PMEM_BUSY)$/);
          }
        }
        const taken = new Set<number>();
        for (const instance of region.instances) {
          for (const [first, end] of pages(instance)) {
            for (let page = first; page < end; page++) {
              assert.ok(!taken.has(page), `step ${at}: page ${page} is of two instances`);
              taken.add(page);
            }
          }
          // What it has can be mapped, and is nobody else's.
          const device = instance.open();
          device.map().close();
          device.close();
        }
        assert.deepEqual(pages(third), before);
        region.close();
        region.close();
      }
    });
  }

  it('closes its descriptor once, wherever close was interrupted', () => {
    const region = opened();
    region.create({ size: PAGE });
    for (let at = 0; endAtCall(at, () => region.close()); at++) {}
    // Numbers are given again at once: had it been closed twice, one of these were closed by now.
    const others = Array.from({ length: 4 }, () => openSync('/dev/null', 'r'));
    region.close();
    for (const other of others) closeSync(other);
  });

  it('has the geometry that its options say', () => {
    const path = made();
    using region = opened({ offset: 4 * PAGE, size: 8 * PAGE, id: 7 }, path);
    const { id, size, align, availableSize, real, instances, resource } = region;
    assert.deepEqual(
      { id, path: region.path, size, align, availableSize, real, instances, resource },
      {
        id: 7,
        path,
        size: 8 * PAGE,
        align: PAGE,
        availableSize: 8 * PAGE,
        real: false,
        instances: [],
        resource: undefined,
      },
    );
    using whole = DaxRegion.open(made(4 * MIB));
    assert.equal(whole.align, 2 * MIB);
    assert.equal(whole.size, 4 * MIB);
    assert.notEqual(whole.id, opened().id);
  });

  it('gets the lowest id that no other region of this thread has', () => {
    const first = opened();
    const { id } = first;
    const second = opened({ id });
    first.close();
    using third = opened();
    assert.notEqual(third.id, id);
    second.close();
    using fourth = opened();
    assert.equal(fourth.id, id);
  });

  it('creates instances of the lowest bytes under the lowest number, in several pieces where needed', () => {
    using region = opened({ id: 3 });
    const [a, b, c] = [4, 4, 4].map((count) => region.create({ size: count * PAGE })) as [
      DaxInstance,
      DaxInstance,
      DaxInstance,
    ];
    assert.deepEqual(
      region.instances.map(({ name }) => name),
      ['dax3.0', 'dax3.1', 'dax3.2'],
    );
    assert.equal(region.instances[1], b);
    b.destroy();
    assert.deepEqual([b.destroyed, b.size, b.mappings], [true, 0, []]);
    const d = region.create({ size: 6 * PAGE });
    assert.equal(d.name, 'dax3.1');
    assert.deepEqual(pages(d), [
      [4, 8],
      [12, 14],
    ]);
    sound(region);
    // Its last piece is followed by free bytes, and so is c: the lowest are those behind d.
    d.resize(8 * PAGE);
    assert.deepEqual(pages(d), [
      [4, 8],
      [12, 16],
    ]);
    c.destroy();
    a.resize(5 * PAGE);
    assert.deepEqual(pages(a), [
      [0, 4],
      [8, 9],
    ]);
    d.resize(3 * PAGE);
    assert.deepEqual(pages(d), [[4, 7]]);
    sound(region);
    const rest = region.create();
    assert.equal(region.availableSize, 0);
    assert.deepEqual(pages(rest), [
      [7, 8],
      [9, 32],
    ]);
    sound(region);
  });

  it('creates contiguous instances, and instances of given ranges', () => {
    using region = opened();
    const first = region.create({ size: 2 * PAGE });
    region.create({ size: PAGE });
    first.destroy();
    const piece = region.create({ size: 3 * PAGE, contiguous: true });
    assert.deepEqual(pages(piece), [[3, 6]]);
    const exact = region.create({
      ranges: [
        { offset: 20 * PAGE, length: 2 * PAGE },
        { offset: 10 * PAGE, length: PAGE },
      ],
    });
    assert.equal(exact.size, 3 * PAGE);
    assert.deepEqual(pages(exact), [
      [20, 22],
      [10, 11],
    ]);
    sound(region);
    throwsCode(() => region.create({ size: 25 * PAGE, contiguous: true }), 'ENOSPC', { message: /contiguous/ });
    throwsCode(() => region.create({ ranges: [{ offset: 21 * PAGE, length: 2 * PAGE }] }), 'ENOSPC', {
      message: /not all free/,
    });
    sound(region);
  });

  it('makes a layout again from its written mappings', () => {
    const path = made();
    let written: DaxMapping[][];
    {
      using region = opened({}, path);
      for (const count of [3, 2, 4]) region.create({ size: count * PAGE });
      region.instances[1]?.destroy();
      region.create({ size: 5 * PAGE });
      written = region.instances.map(({ mappings }) => mappings);
    }
    using region = opened({}, path);
    for (const ranges of written) region.create({ ranges });
    assert.deepEqual(
      region.instances.map(({ mappings }) => mappings),
      written,
    );
  });

  it('refuses sizes off the alignment, and names the nearest', () => {
    using region = opened({ align: '2MiB' }, made(8 * MIB));
    for (const size of [1, PAGE, 3 * MIB]) {
      const below = Math.floor(size / (2 * MIB)) * 2 * MIB;
      // 0 is no size.
      const legal = below === 0 ? `${2 * MIB}$` : `${below} and ${below + 2 * MIB}$`;
      const message = new RegExp(`size ${size} .*2 MiB.*nearest: ${legal}`);
      throwsCode(() => region.create({ size }), 'EINVAL', { message });
    }
    const instance = region.create({ size: '2MiB' });
    throwsCode(() => instance.resize(3 * MIB), 'EINVAL', { message: /nearest/ });
    throwsCode(() => region.create({ ranges: [{ offset: MIB, length: MIB }] }), 'EINVAL');
    throwsCode(() => region.create({ ranges: [{ offset: 2 * MIB, length: 2 * MIB + 1 }] }), 'EINVAL');
    assert.equal(region.availableSize, 6 * MIB);
  });

  it('refuses more than is free, and says what is free', () => {
    using region = opened();
    const first = region.create({ size: 20 * PAGE });
    const free = 12 * PAGE;
    throwsCode(() => region.create({ size: 13 * PAGE }), 'ENOSPC', {
      message: new RegExp(`${free} \\(48 KiB\\) are free`),
    });
    throwsCode(() => first.resize(PAGES * PAGE + PAGE), 'ERR_OUT_OF_RANGE');
    const second = region.create();
    throwsCode(() => region.create(), 'ENOSPC', { message: /nothing is free/ });
    throwsCode(() => second.resize(13 * PAGE), 'ENOSPC');
    sound(region);
  });

  it('refuses wrong arguments before it changes anything', () => {
    const path = made();
    const wrong: [options: unknown, code: string][] = [
      [{ align: 0 }, 'ERR_OUT_OF_RANGE'],
      [{ align: 8192 }, 'ERR_OUT_OF_RANGE'],
      [{ align: Number.NaN }, 'ERR_OUT_OF_RANGE'],
      [{ align: null }, 'ERR_INVALID_ARG_TYPE'],
      [{ align: '1 mile' }, 'ERR_INVALID_ARG_VALUE'],
      [{ offset: 100 }, 'EINVAL'],
      [{ offset: -PAGE }, 'ERR_OUT_OF_RANGE'],
      [{ offset: PAGES * PAGE }, 'ERR_OUT_OF_RANGE'],
      [{ size: PAGES * PAGE + PAGE }, 'ERR_OUT_OF_RANGE'],
      [{ size: 100 }, 'EINVAL'],
      [{ size: 0 }, 'EINVAL'],
      [{ align: '2MiB' }, 'EINVAL'],
      [{ id: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ id: 1.5 }, 'ERR_OUT_OF_RANGE'],
      [{ id: '1' }, 'ERR_INVALID_ARG_TYPE'],
      [{ emulate: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ algin: PAGE }, 'ERR_INVALID_ARG_VALUE'],
      [7, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [options, code] of wrong) {
      const given = typeof options === 'object' ? { align: PAGE, ...options } : options;
      throwsCode(() => DaxRegion.open(path, given as DaxRegionOptions), code);
    }
    throwsCode(() => DaxRegion.open(7 as never), 'ERR_INVALID_ARG_TYPE');
    throwsCode(() => DaxRegion.open(file('missing')), 'ENOENT', { message: /makes no file/ });
    assert.throws(() => DaxRegion.open(made(0)), { code: 'EINVAL', errno: 22, message: /empty/ });
    assert.throws(() => DaxRegion.open(path, { align: PAGE, size: 0 }), { code: 'EINVAL', errno: 22 });
    assert.throws(() => DaxRegion.open('/dev/null'), { code: 'ENODEV', errno: 19 });
    throwsCode(() => DaxRegion.open(path, { align: PAGE, size: 1 }), 'EINVAL', { message: /nearest: 4096$/ });
    const last = (PAGES - 1) * PAGE;
    throwsCode(() => DaxRegion.open(path, { align: PAGE, offset: last + 1 }), 'EINVAL', {
      message: new RegExp(`nearest: ${last}$`),
    });
    throwsCode(() => DaxRegion.open('/dev/null'), 'ENODEV');
    throwsCode(() => DaxRegion.open('/'), 'EISDIR');
    using region = opened({}, path);
    throwsCode(() => region.create({ size: 0 }), 'ERR_OUT_OF_RANGE', { message: /rid of it\); got 0$/ });
    throwsCode(() => region.create({ size: last + PAGE - 1 }), 'EINVAL', {
      message: new RegExp(`nearest: ${last} and ${last + PAGE}$`),
    });
    throwsCode(() => region.create({ size: 2 ** 40 + 1 }), 'EINVAL', {
      message: new RegExp(`nearest: ${last + PAGE}$`),
    });
    const sizes: [size: unknown, code: string][] = [
      [0, 'ERR_OUT_OF_RANGE'],
      [-PAGE, 'ERR_OUT_OF_RANGE'],
      [Number.NaN, 'ERR_OUT_OF_RANGE'],
      [2 ** 53, 'ERR_OUT_OF_RANGE'],
      [PAGES * PAGE + PAGE, 'ERR_OUT_OF_RANGE'],
      [1n, 'ERR_INVALID_ARG_TYPE'],
      [{}, 'ERR_INVALID_ARG_TYPE'],
    ];
    const instance = region.create({ size: PAGE });
    for (const [size, code] of sizes) {
      throwsCode(() => region.create({ size: size as number }), code);
      throwsCode(() => instance.resize(size as number), code);
    }
    throwsCode(() => instance.resize('4KiB' as never), 'ERR_INVALID_ARG_TYPE');
    for (const [options, code] of [
      [null, 'ERR_INVALID_ARG_TYPE'],
      [{ sise: 1 }, 'ERR_INVALID_ARG_VALUE'],
      [{ contiguous: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
      [{ ranges: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ ranges: [] }, 'ERR_INVALID_ARG_VALUE'],
      [{ ranges: [1] }, 'ERR_INVALID_ARG_TYPE'],
      [{ ranges: [{ offset: 0 }] }, 'ERR_INVALID_ARG_TYPE'],
      [{ ranges: [{ start: 0, end: PAGE - 1 }] }, 'ERR_INVALID_ARG_TYPE'],
      [{ ranges: [{ offset: PAGE, length: 0 }] }, 'ERR_OUT_OF_RANGE'],
      [{ ranges: [{ offset: -PAGE, length: PAGE }] }, 'ERR_OUT_OF_RANGE'],
      [{ ranges: [{ offset: 0, length: 100 * PAGE }] }, 'ERR_OUT_OF_RANGE'],
      [{ ranges: [{ offset: PAGE, length: PAGE }], size: 2 * PAGE }, 'ERR_INVALID_ARG_VALUE'],
      [
        {
          ranges: [
            { offset: PAGE, length: 2 * PAGE },
            { offset: 2 * PAGE, length: PAGE },
          ],
        },
        'EINVAL',
      ],
    ] as const) {
      throwsCode(() => region.create(options as never), code);
    }
    assert.equal(region.instances.length, 1);
    sound(region);
    throwsCode(
      // @ts-expect-error: the constructor is private
      () => new DaxRegion({}, {}),
      'ERR_INVALID_ARG_VALUE',
    );
    throwsCode(
      // @ts-expect-error: the constructor is private
      () => new DaxInstance({}, {}, {}),
      'ERR_INVALID_ARG_VALUE',
    );
    throwsCode(() => DaxRegion.list({ numaNode: -1 }), 'ERR_OUT_OF_RANGE');
    throwsCode(() => DaxRegion.list({ node: 1 } as never), 'ERR_INVALID_ARG_VALUE');
    throwsCode(() => DaxRegion.find({ id: 2 ** 30 }), 'ENODEV', { message: /no DAX region with id 1073741824/ });
  });

  describe('instance that is open', () => {
    it('maps all its pieces as one device, and keeps their bytes', () => {
      const path = made();
      using region = opened({}, path);
      const [first, second] = [region.create({ size: 2 * PAGE }), region.create({ size: 2 * PAGE })];
      first.destroy();
      const instance = region.create({ size: 4 * PAGE });
      assert.deepEqual(pages(instance), [
        [0, 2],
        [4, 6],
      ]);
      using device = instance.open({ assumePersistent: true });
      assert.equal(device.name, instance.name);
      assert.equal(device.size, 4 * PAGE);
      {
        using mapped = device.map();
        for (let page = 0; page < 4; page++) mapped.fill(page * PAGE, PAGE, page + 1, 'persist');
        assert.deepEqual(mapped.extents, [
          { offset: 0, length: 2 * PAGE },
          { offset: 4 * PAGE, length: 2 * PAGE },
        ]);
        using slice = mapped.slice(3 * PAGE);
        assert.equal(slice.fileOffset, 5 * PAGE);
        using middle = device.map({ offset: PAGE, length: 2 * PAGE });
        assert.equal(middle.view()[0], 2);
        assert.equal(middle.view()[PAGE], 3);
      }
      const bytes = readFileSync(path);
      const seen = Array.from({ length: 8 }, (_, page) => bytes[page * PAGE]);
      assert.deepEqual(seen, [1, 2, 0, 0, 3, 4, 0, 0]);
      assert.deepEqual(mapsOf(path), []);
      assert.equal(second.inUse, false);
    });

    it('cannot be resized or destroyed, nor its region closed, before device and mappings are closed', () => {
      const region = opened();
      const instance = region.create({ size: 2 * PAGE });
      const device = instance.open();
      const calls = [() => instance.resize(PAGE), () => instance.destroy(), () => region.close()];
      for (const call of calls) throwsCode(call, 'EBUSY', { message: /is open or mapped/ });
      const mapped = device.map();
      device.close();
      for (const call of calls) throwsCode(call, 'EBUSY');
      assert.equal(instance.size, 2 * PAGE);
      mapped.write(0, Buffer.from('still mine'));
      mapped.close();
      instance.resize(PAGE);
      instance.destroy();
      region.close();
      region.close(); // harmless
    });

    it('stays locked as long as something is mapped, even when all other objects were collected', async () => {
      const path = made();
      const keep = ((): { view: Buffer | undefined } => {
        const instance = opened({}, path).create({ size: 2 * PAGE });
        return { view: instance.open().map().view() };
      })();
      assert(!(await collected(() => descriptorsOf(path) === 0)));
      throwsCode(() => Region.open(path), 'ERR_PMEM_BUSY');
      assert.equal(keep.view?.length, 2 * PAGE);
      keep.view = undefined;
      assert(await collected(() => descriptorsOf(path) === 0));
      Region.open(path).close();
    });

    it('throws ERR_PMEM_CLOSED after destroy and after close', () => {
      const region = opened();
      const instance = region.create({ size: PAGE });
      instance.destroy();
      for (const call of [() => instance.resize(PAGE), () => instance.destroy(), () => instance.open()]) {
        throwsCode(call, 'ERR_PMEM_CLOSED', { message: /was destroyed/ });
        assert.throws(call, { errno: 9 });
      }
      const other = region.create({ size: PAGE });
      region.close();
      assert(region.closed);
      assert.deepEqual(region.instances, []);
      throwsCode(() => region.create(), 'ERR_PMEM_CLOSED', { message: /region.*is closed/ });
      assert.throws(() => region.create(), { errno: 9 });
      throwsCode(() => other.open(), 'ERR_PMEM_CLOSED');
      assert(other.destroyed);
    });

    it('refuses wrong options of open, and ignores undefined ones', () => {
      using region = opened();
      const instance = region.create({ size: PAGE });
      for (const options of [null, 5, true, 'a', Number.NaN, [], () => 1, Symbol('x')]) {
        throwsCode(() => instance.open(options as never), 'ERR_INVALID_ARG_TYPE');
      }
      throwsCode(() => instance.open({ emulate: null } as never), 'ERR_INVALID_ARG_TYPE');
      throwsCode(() => instance.open({ align: PAGE } as never), 'ERR_INVALID_ARG_VALUE');
      instance.open({ emulate: undefined } as never).close();
      throwsCode(() => instance.open({ emulate: false }), 'ERR_PMEM_FAULT_GRANULARITY');
    });

    it('reports a lost byte of its second piece as truncated', () => {
      const path = made();
      using region = opened({}, path);
      using device = region
        .create({
          ranges: [
            { offset: 20 * PAGE, length: PAGE },
            { offset: 0, length: PAGE },
          ],
        })
        .open();
      using mapped = device.map();
      truncateSync(path, 10 * PAGE);
      throwsCode(() => mapped.read(0, Buffer.alloc(8)), 'ERR_PMEM_TRUNCATED');
      mapped.read(PAGE, Buffer.alloc(8));
    });

    it('refuses another file that took the path of its own (ESTALE)', () => {
      const path = made();
      using region = opened({}, path);
      const instance = region.create({ size: PAGE });
      renameSync(path, `${path}-moved`);
      writeFileSync(path, Buffer.alloc(PAGES * PAGE));
      throwsCode(() => instance.open(), 'ESTALE', { message: /another file/ });
      throwsCode(() => region.create({ size: PAGE }), 'ESTALE');
      renameSync(`${path}-moved`, path);
      instance.open().close();
      rmSync(path);
      throwsCode(() => instance.open(), 'ESTALE', { message: /was deleted/ });
      // File systems give a new file the number of one that was deleted, but not while that one is open.
      for (let i = 0; i < 16; i++) {
        writeFileSync(path, Buffer.alloc(PAGES * PAGE));
        throwsCode(() => instance.open(), 'ESTALE');
        throwsCode(() => region.create({ size: PAGE }), 'ESTALE');
        rmSync(path);
      }
    });

    it('opens the locked file, whatever its path names meanwhile', () => {
      const [path, other, link] = [made(), made(), file('link')];
      symlinkSync(path, link);
      using region = opened({}, link);
      const instance = region.create({ size: PAGE });
      writeFileSync(other, Buffer.alloc(PAGES * PAGE, 0xbb));
      const { openSync: real } = fs;
      const point = (target: string) => {
        rmSync(link);
        symlinkSync(target, link);
      };
      // The path names another file from the first, second, … time on that anything is opened.
      for (let last = 1; last <= 4; last++) {
        let count = 0;
        fs.openSync = (...args) => {
          if (++count === last) point(other);
          return real(...args);
        };
        syncBuiltinESMExports();
        try {
          using device = instance.open({ emulate: true });
          using mapped = device.map();
          assert.equal(mapped.view()[0], 0, `opened ${last} times`);
        } finally {
          fs.openSync = real;
          syncBuiltinESMExports();
          point(path);
        }
      }
    });

    it('on a memfd needs no longer the descriptor in its path', () => {
      const kernel = loadKernel();
      const fd = kernel.memfd(0, PAGES * PAGE);
      using region = opened({}, `/proc/self/fd/${fd}`);
      const instance = region.create({ size: PAGE });
      closeSync(fd);
      const taken = openSync(made(), 'r');
      using device = instance.open();
      using mapped = device.map();
      mapped.write(0, Buffer.from('memfd'));
      region.create({ size: PAGE });
      closeSync(taken);
    });

    it('keeps one descriptor open as long as its region is open', () => {
      const path = made();
      const region = opened({}, path);
      region.create({ size: PAGE }).destroy();
      assert.equal(descriptorsOf(path), 1);
      region.close();
      assert.equal(descriptorsOf(path), 0);
    });
  });

  describe('instance that is destroyed', () => {
    /** A region of bytes 0x55, and an instance of its pages 1, 2 and 5. */
    function filled(): { path: string; region: DaxRegion; instance: DaxInstance } {
      const path = file('region');
      writeFileSync(path, Buffer.alloc(PAGES * PAGE, 0x55));
      const region = opened({}, path);
      const ranges = [
        { offset: PAGE, length: 2 * PAGE },
        { offset: 5 * PAGE, length: PAGE },
      ];
      return { path, region, instance: region.create({ ranges }) };
    }
    const zeroPages = (path: string) => {
      const bytes = readFileSync(path);
      return Array.from({ length: PAGES }, (_, i) => i).filter((i) =>
        bytes.subarray(i * PAGE, (i + 1) * PAGE).every((byte) => byte === 0),
      );
    };

    it('keeps its bytes', () => {
      const { path, region, instance } = filled();
      using _ = region;
      instance.destroy();
      assert.deepEqual(zeroPages(path), []);
    });

    it('with zero has zeroes in all its pieces, and changes nothing else', () => {
      const { path, region, instance } = filled();
      using _ = region;
      instance.destroy({ zero: true });
      assert.equal(instance.destroyed, true);
      assert.deepEqual(zeroPages(path), [1, 2, 5]);
      assert.equal(region.availableSize, region.size);
    });

    it('with zero is overwritten by destroyAsync on another thread, with progress', async () => {
      const { path, region, instance } = filled();
      using _ = region;
      const seen: Progress[] = [];
      const destroyed = instance.destroyAsync({ zero: true, onProgress: (progress) => seen.push(progress) });
      assert.equal(instance.inUse, true);
      throwsCode(() => instance.resize(PAGE), 'EBUSY');
      throwsCode(() => instance.destroy(), 'EBUSY');
      await destroyed;
      assert.deepEqual(zeroPages(path), [1, 2, 5]);
      assert.deepEqual(seen, [{ done: 3 * PAGE, total: 3 * PAGE }]);
    });

    it('with zero still exists after an abort, and can be destroyed later', async () => {
      const path = file('large');
      writeFileSync(path, Buffer.alloc(32 * MIB, 0x55));
      using region = opened({}, path);
      const instance = region.create();
      const controller = new AbortController();
      const { signal } = controller;
      const given = instance.destroyAsync({ zero: true, signal, onProgress: () => controller.abort() });
      await assert.rejects(given, { name: 'AbortError' });
      assert.deepEqual([instance.destroyed, instance.inUse, instance.size], [false, false, 32 * MIB]);
      assert.equal(readFileSync(path).at(-1), 0x55);
      await instance.destroyAsync({ zero: true });
      assert.equal(readFileSync(path).at(-1), 0);
    });

    it('with zero still exists when its bytes cannot be stored', () => {
      const { path, region, instance } = filled();
      truncateSync(path, 5 * PAGE);
      assert.throws(() => instance.destroy({ zero: true }));
      assert.equal(instance.destroyed, false);
      instance.destroy();
      region.close();
    });

    it('refuses wrong options of destroy', async () => {
      const { region, instance } = filled();
      using _ = region;
      throwsCode(() => instance.destroy({ zero: 1 as never }), 'ERR_INVALID_ARG_TYPE');
      throwsCode(() => instance.destroy({ zeros: true } as never), 'ERR_INVALID_ARG_VALUE');
      await rejectsCode(instance.destroyAsync({ zero: 'yes' as never }), 'ERR_INVALID_ARG_TYPE');
      await rejectsCode(instance.destroyAsync({ signal: {} as never }), 'ERR_INVALID_ARG_TYPE');
      assert.equal(instance.destroyed, false);
    });
  });

  describe("instance's bytes", () => {
    it('are refused to other regions and to Region.open of this process, as long as it lives', () => {
      const path = made();
      using region = opened({}, path);
      using rival = opened({}, path);
      const instance = region.create({ size: 2 * PAGE });
      const mine = /this process: bytes 0x0-0x1fff \(0 to 8191\)/;
      throwsCode(() => rival.create({ size: PAGE }), 'ERR_PMEM_BUSY', { message: mine });
      throwsCode(() => Region.open(path), 'ERR_PMEM_BUSY', { message: mine });
      throwsCode(() => Region.open(path, { readOnly: true, length: 1 }), 'ERR_PMEM_BUSY');
      assert.equal(rival.availableSize, rival.size, 'nothing is left of what failed');
      assert.deepEqual(rival.instances, []);
      const other = rival.create({ ranges: [{ offset: 2 * PAGE, length: 2 * PAGE }] });
      // Growing wants the bytes of the other, and leaves everything as it was.
      throwsCode(() => instance.resize(3 * PAGE), 'ERR_PMEM_BUSY', { message: /0x2000-0x3fff/ });
      assert.deepEqual(pages(instance), [[0, 2]]);
      assert.equal(region.availableSize, (PAGES - 2) * PAGE);
      other.destroy();
      instance.resize(3 * PAGE);
      instance.resize(PAGE);
      Region.open(path, { offset: PAGE }).close();
      using plain = Region.open(path, { offset: PAGE, length: PAGE });
      throwsCode(() => instance.resize(2 * PAGE), 'ERR_PMEM_BUSY');
      plain.close();
      instance.destroy();
      Region.open(path).close();
    });

    it('are refused to other processes, and the error names the holder', async () => {
      const path = made();
      const other = startChild(
        async (target: string) => {
          const { DaxRegion } = await import('pmem/devdax');
          const region = DaxRegion.open(target, { align: 4096, emulate: true });
          region.create({ size: 8192 });
          const last = region.create({ ranges: [{ offset: 40960, length: 4096 }] });
          process.stdout.write('made\n');
          process.stdin.on('data', () => {
            last.destroy();
            process.stdout.write('destroyed\n');
          });
        },
        [path],
      );
      assert.equal(await other.line(), 'made');
      using region = opened({}, path);
      throwsCode(() => region.create({ size: PAGE }), 'ERR_PMEM_LOCKED', {
        message: new RegExp(`bytes 0x0-0x1fff \\(0 to 8191\\), held by process ${other.pid} \\(`),
      });
      const wanted = { ranges: [{ offset: 8 * PAGE, length: 4 * PAGE }] };
      throwsCode(() => region.create(wanted), 'ERR_PMEM_LOCKED', { message: /bytes 0xa000-0xafff \(40960 to 45055\)/ });
      throwsCode(() => Region.open(path, { offset: 10 * PAGE, length: 1 }), 'ERR_PMEM_LOCKED');
      other.tell('destroy');
      assert.equal(await other.line(), 'destroyed');
      region.create(wanted).destroy();
      other.kill('SIGKILL');
      await other.ended;
      assert.equal(region.create().size, region.size);
    });

    it('are refused to other threads, and are free when their thread ends', async () => {
      const path = made();
      using region = opened({}, path);
      const instance = region.create({ size: PAGE });
      const attempt = async (target: string) => {
        const { DaxRegion } = await import('pmem/devdax');
        try {
          DaxRegion.open(target, { align: 4096, emulate: true }).create({ size: 4096 });
          return 'created';
        } catch (error) {
          return (error as { code?: string }).code;
        }
      };
      assert.equal(await inWorker(attempt, path), 'ERR_PMEM_BUSY');
      instance.destroy();
      assert.equal(await inWorker(attempt, path), 'created');
      const worker = startWorker(async (target: string) => {
        const { DaxRegion } = await import('pmem/devdax');
        const { parentPort } = await import('node:worker_threads');
        const all = DaxRegion.open(target, { align: 4096, emulate: true }).create();
        parentPort?.postMessage(all.name);
        await new Promise((resolve) => parentPort?.once('message', () => resolve(all)));
      }, path);
      await messageOf(worker);
      throwsCode(() => region.create({ size: PAGE }), 'ERR_PMEM_BUSY');
      const ended = exitOf(worker);
      await worker.terminate();
      await ended;
      region.create().destroy();
    });

    it('are free again when the region was collected', async () => {
      const path = made();
      (() => opened({}, path).create())();
      assert(await collected(() => descriptorsOf(path) === 0));
      Region.open(path).close();
    });

    it('keep their contents for the next instance', () => {
      using region = opened();
      const write = (instance: DaxInstance, text: string) => {
        using device = instance.open({ assumePersistent: true });
        using mapped = device.map();
        mapped.write(0, Buffer.from(text), 'persist');
      };
      const first = region.create({ size: PAGE });
      write(first, 'left behind');
      first.destroy();
      using device = region.create({ size: PAGE }).open();
      using mapped = device.map();
      assert.equal(mapped.view(0, 11).toString(), 'left behind');
    });
  });

  it('creates, resizes and destroys asynchronously too, and refuses wrong options', async () => {
    using region = opened();
    const instance = await region.createAsync({ size: '8KiB' });
    await instance.resizeAsync(PAGE);
    assert.equal(instance.size, PAGE);
    await rejectsCode(region.createAsync({ size: 100 }), 'EINVAL');
    const signal = AbortSignal.abort(new Error('before'));
    await assert.rejects(region.createAsync({ signal }), /before/);
    await assert.rejects(instance.resizeAsync(2 * PAGE, { signal }), /before/);
    assert.equal(instance.size, PAGE);
    await rejectsCode(region.createAsync({ size: PAGE, signal: 5 as never }), 'ERR_INVALID_ARG_TYPE');
    await rejectsCode(region.createAsync({ size: PAGE, onProgress: () => {} } as never), 'ERR_INVALID_ARG_VALUE');
    await rejectsCode(instance.resizeAsync('8KiB' as never), 'ERR_INVALID_ARG_TYPE');
    await rejectsCode(instance.resizeAsync(PAGE, { force: true } as never), 'ERR_INVALID_ARG_VALUE');
    await instance.destroyAsync();
    assert.deepEqual(region.instances, []);
    throwsCode(() => region.create({ signal: AbortSignal.abort() } as never), 'ERR_INVALID_ARG_VALUE');
  });

  it('waits for asynchronous calls under way in Symbol.asyncDispose', async () => {
    const region = opened();
    const instance = region.create({ size: 4 * PAGE });
    const destroying = instance.destroyAsync({ zero: true });
    await region[Symbol.asyncDispose]();
    assert.equal(region.closed, true);
    await destroying;
  });

  it('and its instances print themselves in one line', () => {
    const region = opened({ id: 5 });
    const instance = region.create({ size: PAGE });
    assert.equal(inspect(region), 'DaxRegion 5 (124 KiB of 128 KiB free)');
    assert.equal(inspect(instance), 'DaxInstance dax5.0 (4 KiB)');
    region.close();
    assert.equal(inspect(region), 'DaxRegion 5 (closed)');
    assert.equal(inspect(instance), 'DaxInstance dax5.0 (destroyed)');
  });

  it('leaves nothing of an instance that gets no lock', () => {
    const path = made();
    using region = opened({}, path);
    const { lockAlone } = native;
    native.lockAlone = () => {
      throw Object.assign(new Error('Cannot allocate memory'), { errno: 12, syscall: 'fcntl' });
    };
    try {
      throwsCode(() => region.create({ size: PAGE }), 'ENOMEM');
    } finally {
      native.lockAlone = lockAlone;
    }
    assert.deepEqual(region.instances, []);
    Region.open(path).close();
    region.create().destroy();
  });
});

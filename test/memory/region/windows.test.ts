import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import { Region } from 'pmem';
import { native } from '#dist/binding.js';
import { Windows } from '#dist/memory/region/windows.js';
import { codeOf } from '../../support/errors.js';
import { collected, mapsOf } from '../../support/maps.js';
import { Random } from '../../support/random.js';
import { onDisk } from '../../support/temp.js';

const GIB = 2 ** 30;

describe('Windows on regions larger than the longest Buffer', () => {
  const file = onDisk();

  /** A mapping without a Region around it, so that the longest Buffer can be made short. */
  function mapped(size: number): { handle: number; close: () => void } {
    const path = file('window');
    Region.open(path, { create: true, size }).close();
    const fd = openSync(path, 'r+');
    const { handle } = native.map({
      fd,
      extents: [{ offset: 0, length: size }],
      length: size,
      pageSize: 4096,
      alignment: 4096,
      writable: true,
    });
    closeSync(fd);
    return { handle, close: () => native.close(handle) };
  }

  for (const most of [2, 7, 64, 100, 4096, 10_000, 65_536]) {
    it(`show every place as the memory itself (at most ${most} bytes)`, () => {
      const size = 10_000;
      const { handle, close } = mapped(size);
      const windows = new Windows(handle, size, most);
      const whole = Buffer.from(native.arrayBuffer(handle, 0, size).buffer);
      const random = new Random(most);
      whole.set(random.bytes(size));
      const made: Buffer[] = [];
      for (let round = 0; round < 300; round++) {
        const length = random.below(Math.min(most, size) + 1);
        const offset =
          round < 4 ? ([0, size - length, Math.floor(most / 2), 1][round] ?? 0) : random.below(size - length + 1);
        if (offset + length > size) continue;
        const view = windows.buffer(offset, length);
        assert.equal(view.length, length);
        assert(view.equals(whole.subarray(offset, offset + length)), `${length} bytes at ${offset}`);
        if (length > 0) {
          view[0] = round & 0xff;
          assert.equal(whole[offset], round & 0xff);
        }
        made.push(view);
      }
      windows.detachAll();
      assert(made.every((view) => view.length === 0));
      close();
    });
  }

  it('are reused: views of the same place share an ArrayBuffer', () => {
    const { handle, close } = mapped(8192);
    const windows = new Windows(handle, 8192, 1024);
    assert.equal(windows.buffer(100, 10).buffer, windows.buffer(200, 10).buffer);
    assert.notEqual(windows.buffer(100, 10).buffer, windows.buffer(5000, 10).buffer);
    assert.equal(windows.buffer(8192, 0).length, 0);
    windows.detachAll();
    close();
  });

  it('allow views of empty ranges, also at the very end', () => {
    const { handle, close } = mapped(4096);
    for (const most of [512, 4096]) {
      const windows = new Windows(handle, 4096, most);
      for (let i = 0; i < 10; i++)
        for (const at of [0, 511, 512, 4095, 4096]) assert.equal(windows.buffer(at, 0).length, 0);
      windows.detachAll();
    }
    close();
  });

  it('reach every place of a sparse file of 10 GiB', () => {
    const path = file('large');
    const size = 10 * GIB;
    const region = Region.open(path, { create: true, size, sparse: true, assumePersistent: true });
    assert.equal(region.size, size);
    const places = [0, 2 * GIB - 8, 4 * GIB - 8, 4 * GIB, 4 * GIB + 4, 5 * GIB + 1, 6 * GIB - 3, 8 * GIB, size - 64];
    for (const [i, at] of places.entries()) {
      const view = region.view(at, 64);
      view.fill(i + 1);
      region.persist(at, 64);
    }
    const fd = openSync(path, 'r');
    for (const [i, at] of places.entries()) {
      const read = Buffer.alloc(4);
      readSync(fd, read, 0, 4, at);
      assert.deepEqual([...read], Array(4).fill(i + 1));
      assert.deepEqual([...region.view(at, 4)], Array(4).fill(i + 1));
    }
    closeSync(fd);
    region.store64(size - 8, 99n);
    assert.equal(region.load64(size - 8), 99n);
    region.write(7 * GIB - 1, Buffer.from('ab'), 'persist');
    assert.equal(region.view(7 * GIB - 1, 2).toString(), 'ab');
    assert.equal(
      region
        .slice(7 * GIB - 1)
        .view(0, 2)
        .toString(),
      'ab',
    );
    assert.equal(
      codeOf(() => region.view(size - 1, 2)),
      'ERR_OUT_OF_RANGE',
    );
    const [far, whole] = [region.view(9 * 2 ** 30, 65536), codeOf(() => region.view())];
    assert.equal(whole, size > constants.MAX_LENGTH ? 'ERR_OUT_OF_RANGE' : undefined);
    region.close();
    assert.equal(far.length, 0);
  });

  it('allow the longest Buffer there can be, anywhere', function () {
    if (constants.MAX_LENGTH > 8 * GIB) this.skip();
    const region = Region.open(file('longest'), { create: true, size: 10 * GIB, sparse: true, assumePersistent: true });
    for (const at of [0, 1, GIB, 6 * GIB])
      assert.equal(region.view(at, constants.MAX_LENGTH).length, constants.MAX_LENGTH);
    assert.equal(
      codeOf(() => region.view(0, constants.MAX_LENGTH + 1)),
      'ERR_OUT_OF_RANGE',
    );
    region.close();
  });

  it('leave no mapping of a sparse file of 1 TiB whose end was viewed', async () => {
    const path = file('tera');
    const region = Region.open(path, { create: true, size: '1TiB', sparse: true, assumePersistent: true });
    assert.equal(region.view(2 ** 40 - 4096)[4095], 0);
    assert.equal(mapsOf(path).length, 1);
    region.close();
    assert(await collected(() => mapsOf(path).length === 0));
  });
});

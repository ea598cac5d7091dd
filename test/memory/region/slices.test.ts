import assert from 'node:assert/strict';
import type { Region } from 'pmem';
import { codeOf, throwsCode } from '../../support/errors.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const SIZE = 65536;

describe('Slices of a Region', () => {
  const file = onDisk();
  let region: Region;
  beforeEach(() => {
    region = newRegion(file('slices'), SIZE);
  });
  afterEach(() => region.close());

  it('share the memory of their region', () => {
    const slice = region.slice(4096, 8192);
    assert.equal(slice.size, 8192);
    slice.fill(0, 4, 0x31);
    slice.write(4, Buffer.from('23'), 'persist');
    slice.store64(8, 5n);
    assert.equal(region.view(4096, 6).toString(), '111123');
    assert.equal(region.load64(4104), 5n);
    region.view()[4096] = 0x39;
    assert.equal(slice.view(0, 1).toString(), '9');
    assert.equal(slice.crc32c(0, 100), region.crc32c(4096, 100));
    assert.equal(slice.view().buffer, region.view().buffer);
    assert.equal(slice.path, region.path);
    assert.equal(slice.kind, region.kind);
    assert.equal(slice.readOnly, region.readOnly);
    assert.deepEqual(slice.durability, region.durability);
  });

  it('nest and add their offsets', () => {
    const inner = region.slice(8192).slice(100, 1000).slice(10, 20);
    inner.fill(0, 20, 7);
    assert(region.view(8192 + 110, 20).every((byte) => byte === 7));
    assert.equal(region.view()[8192 + 109], 0);
    assert.equal(region.view()[8192 + 130], 0);
  });

  it('have as lineOffset their place in a cache line', () => {
    assert.equal(region.lineOffset, 0);
    assert.equal(region.slice(56).lineOffset, 56);
    assert.equal(region.slice(56).slice(8).lineOffset, 0);
    assert.equal(region.slice(4095).lineOffset, 63);
    const odd = region.slice(4097);
    throwsCode(() => odd.store64(0, 1n), 'ERR_OUT_OF_RANGE', { message: /a multiple of 8 plus 7/ });
    odd.store64(7, 5n);
    assert.equal(region.load64(4104), 5n);
  });

  it('have borders of their own', async () => {
    const slice = region.slice(4096, 4096);
    region.fill(0, SIZE, 1);
    for (const call of [
      () => slice.read(4090, Buffer.alloc(7)),
      () => slice.write(4096, Buffer.alloc(1)),
      () => slice.write(-1, Buffer.alloc(1)),
      () => slice.fill(0, 4097),
      () => slice.load64(4096),
      () => slice.persist(1, 4096),
      () => slice.flush(4097, 0),
      () => slice.persistAll([{ offset: 4096, length: 1 }]),
      () => slice.crc32c(4095, 2),
      () => slice.view(0, 4097),
      () => slice.view(4097),
      () => slice.slice(4000, 97),
    ]) {
      assert.equal(codeOf(call), 'ERR_OUT_OF_RANGE', String(call));
    }
    await assert.rejects(slice.fillAsync(0, 4097), RangeError);
    assert.equal(
      region.view(0, 4096).every((byte) => byte === 1),
      true,
    );
    assert.equal(
      region.view(8192).every((byte) => byte === 1),
      true,
    );
    assert.equal(slice.view().length, 4096);
  });

  it('have their bounds checked when they are made', () => {
    for (const [offset, length] of [
      [SIZE + 1, undefined],
      [SIZE, 1],
      [0, SIZE + 1],
      [-1, 1],
      [2 ** 53 - 1, 2 ** 53 - 1],
    ] as const) {
      throwsCode(() => region.slice(offset, length), 'ERR_OUT_OF_RANGE');
    }
    assert.equal(region.slice(SIZE).size, 0);
    assert.equal(region.slice(0).size, SIZE);
  });

  it('are closed alone, and leave their Buffers', () => {
    const [slice, other] = [region.slice(0, 4096), region.slice(0, 4096)];
    const inner = slice.slice(0, 64);
    const view = slice.view();
    slice.close();
    assert.equal(slice.closed, true);
    assert.equal(view.length, 4096);
    other.fill(0, 1, 3);
    inner.fill(1, 1, 4);
    assert.deepEqual([view[0], view[1]], [3, 4]);
  });

  it('end with their region, however deep', () => {
    const inner = region.slice(0, 4096).slice(64, 64);
    const view = inner.view();
    region.close();
    assert.equal(inner.closed, true);
    assert.equal(view.length, 0);
    throwsCode(() => inner.fill(0, 1), 'ERR_PMEM_CLOSED');
    assert.equal(inner.size, 64);
  });

  it('keep the mapping alive when only they are left, and so do Buffers', () => {
    // The region itself is not referenced any more.
    const slice = newRegion(file('kept'), SIZE).slice(100, 100);
    for (let i = 0; i < 5; i++) globalThis.gc?.();
    slice.fill(0, 100, 9);
    assert.equal(slice.view()[99], 9);
  });

  it('name in an error the offset in the slice', () => {
    const slice = region.slice(4096, 100);
    throwsCode(() => slice.fill(99, 2), 'ERR_OUT_OF_RANGE', { message: /0 to 1, what is left of 100 at 99; got 2/ });
  });
});

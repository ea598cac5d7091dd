import assert from 'node:assert/strict';
import type { Progress } from 'pmem';
import { rejectsCode } from '../../support/errors.js';
import { Random } from '../../support/random.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const MIB = 2 ** 20;
const SIZE = 20 * MIB;

describe('Asynchronous calls of a Region', () => {
  const file = onDisk();

  it('do what the synchronous ones do, across the borders of their pieces', async () => {
    const region = newRegion(file('pieces'), SIZE);
    const content = new Random(5).bytes(4096);
    const source = Buffer.alloc(17 * MIB);
    for (let at = 0; at < source.length; at += 4096) source.set(content, at);
    for (const mode of ['store', 'flush', 'persist'] as const) {
      await region.fillAsync(0, SIZE, 0xee, mode);
      assert(region.view().every((byte) => byte === 0xee));
      await region.writeAsync(3, source, mode);
      assert.equal(region.view(3, source.length).compare(source), 0);
      assert.equal(region.view()[2], 0xee);
      assert.equal(region.view()[3 + source.length], 0xee);
    }
    const target = Buffer.alloc(17 * MIB);
    await region.readAsync(3, target);
    assert(target.equals(source));
    region.close();
  });

  it('report their progress', async () => {
    const region = newRegion(file('progress'), SIZE);
    const expected = [8 * MIB, 16 * MIB, 20 * MIB];
    for (const run of [
      (onProgress: (progress: Progress) => void) => region.fillAsync(0, SIZE, 1, 'store', { onProgress }),
      (onProgress: (progress: Progress) => void) => region.writeAsync(0, Buffer.alloc(SIZE), 'store', { onProgress }),
      (onProgress: (progress: Progress) => void) => region.readAsync(0, Buffer.alloc(SIZE), { onProgress }),
    ]) {
      const seen: Progress[] = [];
      await run((progress) => seen.push(progress));
      assert.deepEqual(
        seen,
        expected.map((done) => ({ done, total: SIZE })),
      );
    }
    region.close();
  });

  it('stop between pieces at a signal, with its reason', async () => {
    const region = newRegion(file('signal'), SIZE);
    const early = AbortSignal.abort(new Error('no'));
    await assert.rejects(region.fillAsync(0, SIZE, 1, 'store', { signal: early }), /^Error: no$/);
    await assert.rejects(region.writeAsync(0, Buffer.alloc(8), 'store', { signal: early }), /^Error: no$/);
    await assert.rejects(region.readAsync(0, Buffer.alloc(8), { signal: early }), /^Error: no$/);
    assert.equal(region.view()[0], 0);
    const controller = new AbortController();
    const filling = region.fillAsync(0, SIZE, 1, 'store', {
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done === 8 * MIB) controller.abort();
      },
    });
    await assert.rejects(filling, { name: 'AbortError' });
    assert.equal(region.view()[8 * MIB - 1], 1);
    assert.equal(region.view()[8 * MIB], 0);
    region.close();
  });

  it('leave the event loop running', async () => {
    const region = newRegion(file('loop'), SIZE);
    let turns = 0;
    let ended = false;
    const count = (): void => {
      turns++;
      if (!ended) setImmediate(count);
    };
    setImmediate(count);
    await region.fillAsync(0, SIZE, 1, 'persist');
    ended = true;
    assert(turns > 0);
    region.close();
  });

  it('can run at the same time on disjoint ranges', async () => {
    const region = newRegion(file('many'), 64 * 65536);
    await Promise.all(Array.from({ length: 64 }, (_, i) => region.fillAsync(65536 * i, 65536, i, 'persist')));
    for (let i = 0; i < 64; i++) assert(region.view(65536 * i, 65536).every((byte) => byte === i));
    region.close();
  });

  it('accept zero bytes', async () => {
    const region = newRegion(file('zero'), 4096);
    await region.fillAsync(4096, 0);
    await region.writeAsync(0, Buffer.alloc(0), 'persist');
    await region.readAsync(4096, Buffer.alloc(0));
    region.close();
  });

  it('reject with ERR_PMEM_CLOSED when the region is closed between pieces', async () => {
    const region = newRegion(file('close'), SIZE);
    await rejectsCode(region.fillAsync(0, SIZE, 1, 'store', { onProgress: () => region.close() }), 'ERR_PMEM_CLOSED');
  });

  it('reject with what onProgress throws', async () => {
    const region = newRegion(file('throws'), SIZE);
    const fail = () => {
      throw new Error('mine');
    };
    await assert.rejects(region.fillAsync(0, SIZE, 1, 'store', { onProgress: fail }), /^Error: mine$/);
    region.close();
  });

  it('refuse arrays whose memory is transferred between pieces', async () => {
    const region = newRegion(file('transferred'), SIZE);
    const source = Buffer.from(new ArrayBuffer(SIZE));
    const onProgress = () => void structuredClone(source.buffer, { transfer: [source.buffer as ArrayBuffer] });
    await rejectsCode(region.writeAsync(0, source, 'store', { onProgress }), 'ERR_INVALID_ARG_VALUE');
    region.close();
  });

  it('are not disturbed by synchronous calls', async () => {
    const region = newRegion(file('mixed'), SIZE);
    const job = region.fillAsync(MIB, SIZE - MIB, 7);
    for (let i = 0; i < 1000; i++) {
      region.store64(8 * (i % 100), BigInt(i));
      region.persist(0, 800);
    }
    await job;
    assert.equal(region.load64(8 * 99), 999n);
    assert(region.view(MIB).every((byte) => byte === 7));
    region.close();
  });
});

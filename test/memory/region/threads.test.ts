import assert from 'node:assert/strict';
import { MessageChannel } from 'node:worker_threads';
import { Region, type RegionToken } from 'pmem';
import { throwsCode } from '../../support/errors.js';
import { collected, descriptorsOf, mapsOf } from '../../support/maps.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';
import { changed, inWorker, messageOf, startWorker } from '../../support/worker.js';

const SIZE = 65536;

describe('A Region in several threads', () => {
  const file = onDisk();

  /**
   * Another thread of this process, which counts up the words that this one counts up, in turns. Who waits sleeps until it is
   * woken: two that poll would take the CPU from each other where there is one.
   */
  async function pingPong(argument: { path: string; token?: RegionToken }, mine: Region): Promise<void> {
    const turns = new Int32Array(new SharedArrayBuffer(4));
    const worker = startWorker(
      async ({ path, token, turns }: { path: string; token?: RegionToken; turns: Int32Array }) => {
        const { Region } = await import('pmem');
        const region = token === undefined ? Region.open(path, { assumePersistent: true }) : Region.attach(token);
        const view = region.view();
        for (let round = 0; round < 200; round++) {
          while (Atomics.load(turns, 0) !== 2 * round + 1) Atomics.wait(turns, 0, 2 * round);
          region.store64(8, region.load64(8) + 1n);
          view.writeBigUInt64LE(region.load64(8), 16);
          region.persist(0, 64);
          Atomics.store(turns, 0, 2 * round + 2);
          Atomics.notify(turns, 0);
        }
        region.close();
        return 'done';
      },
      { ...argument, turns },
    );
    const view = mine.view();
    const ended = messageOf<{ returned: string }>(worker);
    for (let round = 0; round < 200; round++) {
      mine.store64(8, mine.load64(8) + 1n);
      Atomics.store(turns, 0, 2 * round + 1);
      Atomics.notify(turns, 0);
      while (Atomics.load(turns, 0) !== 2 * round + 2) await Promise.race([changed(turns, 2 * round + 1), ended]);
      assert.equal(mine.load64(8), BigInt(2 * round + 2));
      assert.equal(view.readBigUInt64LE(16), BigInt(2 * round + 2));
    }
    assert.deepEqual(await ended, { returned: 'done' });
  }

  it('opened by path shows each thread what the other stores', async () => {
    const path = file('path');
    const region = newRegion(path, SIZE);
    await pingPong({ path }, region);
    region.close();
  });

  it('opened by token shows each thread what the other stores', async () => {
    const path = file('token');
    const region = newRegion(path, SIZE);
    await pingPong({ path, token: region.share() }, region);
    assert.equal(region.closed, false);
    region.close();
  });

  it('is the same region by its token, also as a slice', async () => {
    const region = newRegion(file('slice'), SIZE);
    const slice = region.slice(4096, 100);
    slice.fill(0, 100, 5);
    const seen = await inWorker(async (token: RegionToken) => {
      const { Region } = await import('pmem');
      const region = Region.attach(token);
      region.fill(1, 1, 6);
      let outside: string | undefined;
      try {
        region.fill(99, 2);
      } catch (error) {
        outside = (error as NodeJS.ErrnoException).code;
      }
      const { size, path, kind, readOnly, durability } = region;
      return { size, path, kind, readOnly, durability, first: region.view()[0], outside };
    }, slice.share());
    const { path, kind, readOnly, durability } = region;
    assert.deepEqual(seen, { size: 100, path, kind, readOnly, durability, first: 5, outside: 'ERR_OUT_OF_RANGE' });
    assert.equal(region.view()[4097], 6);
    region.close();
  });

  it('stays read-only by its token', async () => {
    const path = file('read-only');
    newRegion(path, SIZE).close();
    const region = Region.open(path, { readOnly: true });
    const token = region.share();
    const forged: RegionToken = { ...token, mapping: { ...token.mapping, readOnly: false } };
    for (const one of [token, forged]) {
      const attached = Region.attach(one);
      throwsCode(() => attached.fill(0, 1), 'ERR_PMEM_READ_ONLY');
      attached.close();
    }
    region.close();
  });

  it('cannot be attached to once it is closed, in this thread and in others', async () => {
    const path = file('closed');
    const region = newRegion(path, SIZE);
    const token = region.share();
    region.close();
    throwsCode(() => Region.attach(token), 'ERR_PMEM_CLOSED', { message: new RegExp(path) });
    const code = await inWorker(async (late: RegionToken) => {
      const { Region } = await import('pmem');
      try {
        Region.attach(late);
        return 'attached';
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    }, token);
    assert.equal(code, 'ERR_PMEM_CLOSED');
  });

  it('cannot be attached to once it is closed, though Buffers or jobs still hold the memory', () => {
    const region = newRegion(file('lingering'), 2 ** 24);
    const token = region.share();
    const job = region.fillAsync(0, 2 ** 24, 1);
    region.close();
    throwsCode(() => Region.attach(token), 'ERR_PMEM_CLOSED');
    return job.catch(() => {});
  });

  it('is not opened by forged tokens', () => {
    const path = file('forged');
    const region = newRegion(path, SIZE);
    const token = region.share();
    const before = mapsOf(path).length;
    const { mapping } = token;
    for (const [forged, code] of [
      [{ ...token, pmemRegion: token.pmemRegion + 1000 }, 'ERR_PMEM_CLOSED'],
      [{ ...token, pmemRegion: 0 }, 'ERR_PMEM_CLOSED'],
      [{ ...token, pmemRegion: -1 }, 'ERR_PMEM_CLOSED'],
      [{ ...token, pmemRegion: 2 ** 53 - 1 }, 'ERR_PMEM_CLOSED'],
      [{ ...token, pmemRegion: token.pmemRegion + 0.5 }, 'ERR_INVALID_ARG_TYPE'],
      [{ ...token, size: SIZE + 1 }, 'ERR_INVALID_ARG_VALUE'],
      [{ ...token, size: -1 }, 'ERR_INVALID_ARG_VALUE'],
      [{ ...token, base: 1 }, 'ERR_INVALID_ARG_VALUE'],
      [{ ...token, base: Number.NaN }, 'ERR_INVALID_ARG_VALUE'],
      [{ ...token, base: undefined }, 'ERR_INVALID_ARG_VALUE'],
      [{ ...token, size: 2 ** 40, mapping: { ...mapping, size: 2 ** 40 } }, 'ERR_INVALID_ARG_VALUE'],
      [{ ...token, size: 10, mapping: { ...mapping, size: 4096 } }, 'ERR_INVALID_ARG_VALUE'],
      [{ ...token, mapping: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ ...token, mapping: undefined }, 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      throwsCode(() => Region.attach(forged as unknown as RegionToken), code);
    }
    assert.equal(mapsOf(path).length, before);
    region.close();
    // None of the attempts left a handle that keeps the mapping.
    throwsCode(() => Region.attach(token), 'ERR_PMEM_CLOSED');
    assert.equal(mapsOf(path).length, 0);
  });

  it('has a token that can be posted', async () => {
    const region = newRegion(file('posted'), SIZE);
    region.fill(0, 1, 7);
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(region.share());
    const token = await new Promise<RegionToken>((resolve) => port2.once('message', resolve));
    port1.close();
    const attached = Region.attach(token);
    assert.equal(attached.view()[0], 7);
    attached.close();
    region.close();
  });

  it('closed in one thread stays open in the other, and mapped until the last one closes', async () => {
    const path = file('last');
    const region = newRegion(path, SIZE);
    const worker = startWorker(async (token: RegionToken) => {
      const { Region } = await import('pmem');
      const { parentPort } = await import('node:worker_threads');
      const region = Region.attach(token);
      const view = region.view();
      parentPort?.postMessage('attached');
      await new Promise((resolve) => parentPort?.once('message', resolve));
      region.fill(0, 8, 9, 'persist');
      const seen = [view.length, view[0], region.load64(0) === 0x0909090909090909n];
      await region.fillAsync(0, 100, 1);
      region.close();
      return [...seen, view.length];
    }, region.share());
    assert.equal(await messageOf(worker), 'attached');
    const mine = region.view();
    region.close();
    assert.equal(mine.length, 0);
    assert.equal(mapsOf(path).length, 1);
    worker.postMessage('go on');
    assert.deepEqual(await messageOf(worker), { returned: [SIZE, 9, true, 0] });
    await collected(() => mapsOf(path).length === 0);
    assert.equal(mapsOf(path).length, 0);
    assert.equal(descriptorsOf(path), 0);
  });

  it('can be attached to, stored to and left by many threads at the same time', async () => {
    const path = file('many');
    const region = newRegion(path, SIZE);
    const token = region.share();
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        inWorker(
          async ({ token, mine }: { token: RegionToken; mine: number }) => {
            const { Region } = await import('pmem');
            for (let round = 0; round < 50; round++) {
              const region = Region.attach(token);
              region.store64(8 * mine, region.load64(8 * mine) + 1n);
              const view = region.view(4096 + mine, 1);
              view[0] = mine;
              if (round % 3 > 0) region.close();
            }
            return mine;
          },
          { token, mine: i },
        ),
      ),
    );
    assert.deepEqual(
      results,
      Array.from({ length: 12 }, (_, i) => i),
    );
    for (let i = 0; i < 12; i++) {
      assert.equal(region.load64(8 * i), 50n);
      assert.equal(region.view()[4096 + i], i);
    }
    region.close();
    assert(await collected(() => mapsOf(path).length === 0));
  });
});

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Region } from 'pmem';
import { inChild } from '../../support/child.js';
import { collected, descriptorsOf, mapsOf } from '../../support/maps.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';
import { exitOf, inWorker, messageOf, startWorker } from '../../support/worker.js';

const SIZE = 1 << 20;

describe('Region', () => {
  const file = onDisk();

  describe('close', () => {
    it('unmaps at once and gives every descriptor back', () => {
      const path = file('closed');
      const region = newRegion(path, SIZE);
      const view = region.view();
      view[0] = 1;
      assert.equal(mapsOf(path).length, 1);
      region.close();
      assert.equal(mapsOf(path).length, 0);
      assert.equal(descriptorsOf(path), 0);
      assert.equal(view.length, 0);
    });

    it('waits for asynchronous copies with unmapping, not with ending', async () => {
      const path = file('jobs');
      const region = newRegion(path, 64 << 20);
      const outcomes = [
        region.fillAsync(0, 64 << 20, 1),
        region.writeAsync(0, Buffer.alloc(64 << 20, 2)),
        region.readAsync(0, Buffer.alloc(64 << 20)),
        region.writeAsync(0, region.view(0, 64 << 20), 'persist'),
        region.readAsync(0, region.view(32 << 20, 32 << 20)),
      ].map((promise) =>
        promise.then(
          () => 'done',
          (error: NodeJS.ErrnoException) => error.code,
        ),
      );
      region.close();
      for (const outcome of await Promise.all(outcomes)) {
        assert(['ERR_PMEM_CLOSED', 'ERR_INVALID_ARG_VALUE'].includes(String(outcome)), outcome);
      }
      assert(await collected(() => mapsOf(path).length === 0));
    });

    it('harms nothing when an asynchronous copy of another region uses its Buffers', async () => {
      const [one, other] = [newRegion(file('one'), 8 << 20), file('other')];
      for (let round = 0; round < 8; round++) {
        const second = newRegion(other, 8 << 20);
        const jobs = [one.writeAsync(0, second.view()), one.readAsync(0, second.view())];
        second.close();
        // What the kernel maps next takes the place of what would have been unmapped too early.
        const third = newRegion(file('third'), 8 << 20);
        await Promise.allSettled(jobs);
        assert(third.view().every((byte) => byte === 0));
        third.close();
      }
      one.close();
      assert(await collected(() => mapsOf(other).length === 0));
    });
  });

  describe('collected as garbage', () => {
    it('gives back what nobody closed', async () => {
      const paths = Array.from({ length: 20 }, () => file('forgotten'));
      (() => {
        for (const path of paths) {
          const region = newRegion(path, SIZE);
          region.view(0, 100)[0] = 1;
          region.slice(10, 10).fill(0, 1);
          region.persist(0, 8);
        }
      })();
      const gone = () => paths.every((path) => mapsOf(path).length === 0 && descriptorsOf(path) === 0);
      assert(await collected(gone));
    });

    it('keeps its memory and lock while a Buffer is left', async () => {
      const path = file('buffer');
      let view: Buffer | undefined = (() => newRegion(path, SIZE).view(4096, 16))();
      await collected(() => false);
      assert.equal(mapsOf(path).length, 1);
      view.fill(7);
      assert.equal(view[15], 7);
      const refused = await inChild(
        async (target: string) => {
          const { Region } = await import('pmem');
          Region.open(target);
        },
        [path],
      );
      assert.match(refused.stderr, /ERR_PMEM_LOCKED/);
      view = undefined;
      assert(await collected(() => mapsOf(path).length === 0 && descriptorsOf(path) === 0));
    });

    it('is not collected with its views', async () => {
      const path = file('views');
      const region = newRegion(path, SIZE);
      for (let i = 0; i < 10_000; i++) region.view(i, 1);
      await collected(() => false);
      region.fill(0, SIZE, 3);
      assert.equal(region.view()[SIZE - 1], 3);
      region.close();
      assert.equal(mapsOf(path).length, 0);
    });

    it('leaves nothing after many were opened and closed', async () => {
      const path = file('cycle');
      newRegion(path, SIZE).close();
      const open = () => readdirSync('/proc/self/fd').length;
      const maps = () =>
        readFileSync('/proc/self/maps', 'utf8')
          .split('\n')
          .filter((line) => line.includes('/')).length;
      await collected(() => false);
      const before = { fds: open(), maps: maps() };
      const use = (close: boolean): void => {
        const region = Region.open(path);
        region.view(0, 8)[0] = 1;
        if (close) region.close();
      };
      for (let i = 0; i < 600; i++) {
        use(i % 2 === 0);
        if (i % 100 === 0) await collected(() => mapsOf(path).length === 0);
      }
      assert(await collected(() => mapsOf(path).length === 0));
      assert(open() <= before.fds, `${open()} descriptors, ${before.fds} before`);
      assert(maps() <= before.maps, `${maps()} mappings, ${before.maps} before`);
    });

    it('waits for an asynchronous copy under way', async () => {
      const path = file('copying');
      const job = (() => newRegion(path, 32 << 20).fillAsync(0, 32 << 20, 5))();
      globalThis.gc?.();
      await job;
      const region = Region.open(path, { readOnly: true });
      assert(region.view().every((byte) => byte === 5));
      region.close();
      assert(await collected(() => mapsOf(path).length === 0));
    });
  });

  describe('at the end of a worker', () => {
    it('is closed by a worker that ends with open handles and Buffers', async () => {
      const path = file('worker');
      await inWorker(async (target: string) => {
        const { Region } = await import('pmem');
        const region = Region.open(target, { create: true, size: 1 << 20 });
        region.view().fill(1);
        region.slice(100).view();
      }, path);
      assert(existsSync(path));
      assert(await collected(() => mapsOf(path).length === 0 && descriptorsOf(path) === 0));
    });

    it('is closed by a worker that is terminated in the middle of a copy', async () => {
      for (let round = 0; round < 4; round++) {
        const path = file('terminated');
        const worker = startWorker(async (target: string) => {
          const { Region } = await import('pmem');
          const { parentPort } = await import('node:worker_threads');
          const region = Region.open(target, { create: true, size: 64 << 20, sparse: true, assumePersistent: true });
          const bytes = Buffer.alloc(64 << 20, 1);
          const target64 = Buffer.alloc(64 << 20);
          for (const job of [
            region.writeAsync(0, bytes, 'persist'),
            region.readAsync(0, target64),
            region.fillAsync(0, 64 << 20, 2),
            region.readAsync(0, region.view()),
          ]) {
            job.catch(() => {});
          }
          parentPort?.postMessage('copying');
          for (;;) region.write(0, bytes, 'persist');
        }, path);
        assert.equal(await messageOf(worker), 'copying');
        const ended = exitOf(worker);
        await worker.terminate();
        await ended;
        assert(await collected(() => mapsOf(path).length === 0 && descriptorsOf(path) === 0), `round ${round}`);
      }
    });

    it('is closed by many workers, some ending, some terminated', async () => {
      const path = file('crowd');
      const region = newRegion(path, SIZE);
      const token = region.share();
      const workers = Array.from({ length: 16 }, (_, i) =>
        startWorker(
          async ({ token, stays }: { token: ReturnType<Region['share']>; stays: boolean }) => {
            const { Region } = await import('pmem');
            const { parentPort } = await import('node:worker_threads');
            const region = Region.attach(token);
            region.view(0, 100);
            region.fillAsync(0, region.size, 1).catch(() => {});
            parentPort?.postMessage('there');
            if (stays) for (;;) region.load64(0);
          },
          { token, stays: i % 2 === 0 },
        ),
      );
      const ends = workers.map(exitOf);
      await Promise.all(workers.map((worker) => messageOf(worker)));
      for (const [i, worker] of workers.entries()) if (i % 2 === 0) worker.terminate();
      await Promise.all(ends);
      region.fill(0, SIZE, 9);
      assert.equal(region.view()[SIZE - 1], 9);
      region.close();
      assert(await collected(() => mapsOf(path).length === 0));
    });
  });
});

/** A file truncated under the mapping is an error for the call, never the end of the process. */

import assert from 'node:assert/strict';
import { childValue } from '../../support/child.js';
import { onDisk } from '../../support/temp.js';

const SIZE = 65536;
const LEFT = 8192;

type Seen = Record<string, string>;

/** Runs in the child: everything that there is to do beyond the file's end, then within what is left. */
async function useTruncated(path: string, size: number, left: number, assumed: boolean): Promise<Seen> {
  const { truncateSync } = await import('node:fs');
  const { Region } = await import('pmem');
  const seen: Seen = {};
  const attempt = async (name: string, run: () => unknown) => {
    try {
      await run();
      seen[name] = 'done';
    } catch (error) {
      const { code, offset } = error as NodeJS.ErrnoException & { offset?: number };
      seen[name] = `${code} at ${offset}`;
    }
  };
  const open = (name: string) =>
    Region.open(`${path}-${name}`, { create: true, size, ...(assumed ? { assumePersistent: true } : {}) });
  const block = Buffer.alloc(4096, 7);
  const calls: Record<string, (region: import('pmem').Region) => unknown> = {
    read: (region) => region.read(16384, block),
    'read across the end': (region) => region.read(left - 100, block),
    write: (region) => region.write(16384, block),
    'write, flushed': (region) => region.write(16384, block, 'flush'),
    'write, persisted': (region) => region.write(16384, block, 'persist'),
    'write across the end': (region) => region.write(left - 100, block, 'persist'),
    'write of a byte': (region) => region.write(16384, block.subarray(0, 1), 'persist'),
    fill: (region) => region.fill(16384, 4096, 1),
    'fill, persisted': (region) => region.fill(16384, 4096, 1, 'persist'),
    load64: (region) => region.load64(16384),
    store64: (region) => region.store64(16384, 1n),
    crc32c: (region) => region.crc32c(0, size),
    persist: (region) => region.persist(16384, 8),
    'persist across the end': (region) => region.persist(0, size),
    'flush and drain': (region) => {
      region.flush(16384, 8);
      region.drain();
    },
    persistAll: (region) =>
      region.persistAll([
        { offset: 0, length: 8 },
        { offset: 16384, length: 8 },
      ]),
    readAsync: (region) => region.readAsync(16384, block),
    writeAsync: (region) => region.writeAsync(16384, block, 'persist'),
    fillAsync: (region) => region.fillAsync(16384, 4096),
    'read of a slice': (region) => region.slice(16384, 4096).read(10, block.subarray(0, 10)),
  };
  for (const [name, call] of Object.entries(calls)) {
    const region = open('calls');
    region.fill(0, size, 3);
    truncateSync(`${path}-calls`, left);
    await attempt(name, () => call(region));
    await attempt(`${name}, again`, () => call(region));
    region.close();
    truncateSync(`${path}-calls`, 0);
  }
  const touches: Record<string, (view: Buffer) => unknown> = {
    'a load through a Buffer': (view) => view[20000],
    'a store through a Buffer': (view) => {
      view[20000] = 1;
    },
    'copying from a Buffer': (view) => Buffer.from(view).length,
    'copying into a Buffer': (view) => view.fill(9, 16000, 40000),
    'comparing a Buffer': (view) => view.equals(Buffer.alloc(view.length)),
  };
  for (const [name, touch] of Object.entries(touches)) {
    const region = open('buffers');
    region.fill(0, size, 3);
    const view = region.view();
    truncateSync(`${path}-buffers`, left);
    touch(view);
    for (const [next, call] of Object.entries(calls)) await attempt(`${name}, then ${next}`, () => call(region));
    region.close();
    truncateSync(`${path}-buffers`, 0);
    // Opened again it is as good as new.
    const again = open('buffers');
    await attempt(`${name}, opened again`, () => again.persist(0, size));
    again.close();
    truncateSync(`${path}-buffers`, 0);
  }
  const whole = open('left');
  truncateSync(`${path}-left`, left);
  await attempt('what is left: write', () => whole.write(left - 4096, block, 'persist'));
  await attempt('what is left: read', () => whole.read(0, block));
  await attempt('what is left: load64', () => whole.load64(left - 8));
  whole.close();
  return seen;
}

describe('A file truncated under its mapping', () => {
  const file = onDisk();

  for (const assumed of [true, false]) {
    it(`with ${assumed ? 'cache-line' : 'page'} granularity makes every call past the end throw ERR_PMEM_TRUNCATED`, async () => {
      const seen = await childValue(useTruncated, [file('truncated'), SIZE, LEFT, assumed]);
      const wrong = Object.entries(seen).filter(([name, outcome]) =>
        /what is left|opened again/.test(name)
          ? outcome !== 'done'
          : !/^ERR_PMEM_TRUNCATED at (\d+|undefined)$/.test(outcome),
      );
      assert.deepEqual(wrong, []);
      assert(Object.keys(seen).length > 100);
    });
  }

  it('is reported with the offset in the region', async () => {
    const seen = await childValue(useTruncated, [file('where'), SIZE, LEFT, true]);
    assert.equal(seen['load64'], 'ERR_PMEM_TRUNCATED at 16384');
    assert.equal(seen['read across the end'], 'ERR_PMEM_TRUNCATED at 8192');
    assert.match(String(seen['read of a slice']), /^ERR_PMEM_TRUNCATED at 1\d$/);
    assert.equal(seen['copying from a Buffer, then read of a slice'], 'ERR_PMEM_TRUNCATED at 8192');
    assert.equal(seen['a load through a Buffer, then read'], 'ERR_PMEM_TRUNCATED at 20000');
  });

  it('as the source of a copy is an error of its own, and harms neither region', async () => {
    const seen = await childValue(
      async (path: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const open = (name: string) => Region.open(path + name, { create: true, size: 65536, assumePersistent: true });
        const [good, cut] = [open('good'), open('cut')];
        const source = cut.view();
        truncateSync(`${path}cut`, 4096);
        const outcomes: string[] = [];
        const attempt = async (run: () => unknown) => {
          try {
            await run();
            outcomes.push('done');
          } catch (error) {
            outcomes.push(String((error as NodeJS.ErrnoException).code));
          }
        };
        await attempt(() => good.write(0, source));
        await attempt(() => good.write(0, source.subarray(8192, 8200), 'persist'));
        await attempt(() => good.read(0, source));
        await attempt(() => good.writeAsync(0, source));
        await attempt(() => good.write(0, source.subarray(0, 4096), 'persist'));
        await attempt(() => good.persist(0, 65536));
        await attempt(() => cut.read(0, Buffer.alloc(4096)));
        return outcomes;
      },
      [file('source')],
    );
    assert.deepEqual(seen, [...Array(4).fill('ERR_PMEM_FAULT'), 'done', 'done', 'done']);
  });

  it('is reported with the first byte that is gone, wherever the copy begins', async () => {
    const seen = await childValue(
      async (path: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
        truncateSync(path, 8192);
        const memory = Buffer.alloc(65536);
        const offsets = new Set<number | undefined>();
        for (const length of [64, 300, 1024, 2048, 4096, 5000, 20000]) {
          for (let at = 0; at < 4096; at += at < 160 ? 1 : 61) {
            try {
              region.read(8192 - Math.min(length - 1, 3072), memory.subarray(at, at + length));
            } catch (error) {
              offsets.add((error as { offset?: number }).offset);
            }
          }
        }
        return [...offsets];
      },
      [file('first')],
    );
    assert.deepEqual(seen, [8192]);
  });

  it('is survived by many threads that fault at once', async () => {
    const counts = await childValue(
      async (path: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const { Worker } = await import('node:worker_threads');
        const region = Region.open(path, { create: true, size: 1 << 20, assumePersistent: true });
        const source = `const { parentPort, workerData } = require('node:worker_threads');
          import('pmem').then(({ Region }) => {
            const region = Region.attach(workerData);
            parentPort.postMessage('ready');
            parentPort.once('message', () => {
              let faults = 0;
              for (let i = 0; i < 500; i++) {
                try { region.read(4096 + 1024 * i, Buffer.alloc(64)); } catch (error) { if (error.code === 'ERR_PMEM_TRUNCATED') faults++; }
              }
              parentPort.postMessage(faults);
            });
          });`;
        const workers = Array.from(
          { length: 4 },
          () => new Worker(source, { eval: true, workerData: region.share(), execArgv: [] }),
        );
        const next = (worker: InstanceType<typeof Worker>) => new Promise((resolve) => worker.once('message', resolve));
        await Promise.all(workers.map(next));
        truncateSync(path, 4096);
        const answers = workers.map(next);
        for (const worker of workers) worker.postMessage('go');
        return (await Promise.all(answers)) as number[];
      },
      [file('threads')],
    );
    assert.deepEqual(counts, [500, 500, 500, 500]);
  });
});

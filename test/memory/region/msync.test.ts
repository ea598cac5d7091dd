/** Page granularity: which pages a persist msyncs, and what happens when that fails. */

import assert from 'node:assert/strict';
import { childValue } from '../../support/child.js';
import { buildShim } from '../../support/shim.js';
import { onDisk } from '../../support/temp.js';

const PAGE = 4096;
const MS_SYNC = 4;

/** A range in the region, in bytes, as msync was called with it. */
type Call = [begin: number, length: number, flags: number];

describe('A Region', () => {
  const file = onDisk();
  let shim = '';
  before(() => {
    shim = file('shim.so');
    buildShim(shim);
  });

  /** What each step of the child makes msync do. */
  function calls(): Promise<Record<string, Call[]>> {
    const log = file('log');
    return childValue(
      async (path: string, log: string) => {
        const { readFileSync, rmSync, writeFileSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const region = Region.open(path, { create: true, size: 65536 });
        // The kernel tells where it was mapped, as the log tells addresses.
        const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
        const base = Number.parseInt(maps.find((line) => line.endsWith(path)) ?? '', 16);
        const seen: Record<string, [number, number, number][]> = {};
        const step = async (name: string, run: () => unknown) => {
          writeFileSync(log, '');
          await run();
          seen[name] = readFileSync(log, 'utf8')
            .split('\n')
            .filter(Boolean)
            .map((line) => {
              const [address, length, flags] = line.split(' ');
              return [Number.parseInt(address ?? '', 16) - base, Number(length), Number(flags)];
            });
        };
        const bytes = Buffer.alloc(100, 1);
        await step('store', () => {
          region.write(0, bytes);
          region.fill(0, 10, 1);
          region.store64(0, 1n);
          region.view()[0] = 1;
        });
        await step('drain without flush', () => region.drain());
        await step('flush alone', () => region.flush(5000, 10));
        await step('drain', () => region.drain());
        await step('drain again', () => region.drain());
        await step('flushes and a drain', () => {
          region.flush(20000, 10);
          region.flush(9000, 10);
          region.flush(30000, 10);
          region.flush(9000, 0);
          region.drain();
        });
        await step('persist', () => region.persist(100, 10));
        await step('persist across pages', () => region.persist(4095, 2));
        await step('persist of all', () => region.persist(0, 65536));
        await step('persist of nothing', () => region.persist(100, 0));
        await step('persist after flush', () => {
          region.flush(40000, 10);
          region.persist(100, 10);
        });
        await step('drain after that', () => region.drain());
        await step('persistAll', () =>
          region.persistAll([
            { offset: 50000, length: 10 },
            { offset: 9000, length: 10 },
          ]),
        );
        await step('persistAll of nothing', () => region.persistAll([]));
        await step('write, persisted', () => region.write(8000, bytes, 'persist'));
        await step('write, flushed', () => region.write(8000, bytes, 'flush'));
        await step('drain after that write', () => region.drain());
        await step('fill, persisted', () => region.fill(12288, 4096, 1, 'persist'));
        await step('fillAsync, persisted', () => region.fillAsync(12288, 4096, 1, 'persist'));
        await step('persistAsync', () => region.persistAsync(100, 10));
        await step('slice', () => region.slice(5000, 100).persist(0, 1));
        await step('close', () => region.close());
        rmSync(log);
        return seen;
      },
      [file('calls'), log],
      { env: { LD_PRELOAD: shim, SHIM_LOG: log } },
    );
  }

  it('on page granularity calls msync once for each persist and each drain with something to do, on the covering pages', async () => {
    const covering = (offset: number, length: number): Call[] => {
      const begin = offset - (offset % PAGE);
      return [[begin, offset + length - begin, MS_SYNC]];
    };
    assert.deepEqual(await calls(), {
      store: [],
      'drain without flush': [],
      'flush alone': [],
      drain: covering(5000, 10),
      'drain again': [],
      'flushes and a drain': covering(9000, 30010 - 9000),
      persist: covering(100, 10),
      'persist across pages': covering(4095, 2),
      'persist of all': covering(0, 65536),
      'persist of nothing': [],
      'persist after flush': covering(100, 40010 - 100),
      'drain after that': [],
      persistAll: covering(9000, 50010 - 9000),
      'persistAll of nothing': [],
      'write, persisted': covering(8000, 100),
      'write, flushed': [],
      'drain after that write': covering(8000, 100),
      'fill, persisted': covering(12288, 4096),
      'fillAsync, persisted': covering(12288, 4096),
      persistAsync: covering(100, 10),
      slice: covering(5000, 1),
      close: [],
    });
  });

  it('on cache-line granularity never calls msync', async () => {
    const log = file('log');
    const lines = await childValue(
      async (path: string, log: string) => {
        const { readFileSync, writeFileSync } = await import('node:fs');
        const { Region } = await import('pmem');
        writeFileSync(log, '');
        const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
        region.persist(0, 65536);
        region.write(0, Buffer.alloc(1000), 'persist');
        region.flush(0, 10);
        region.drain();
        region.deepFlush();
        region.close();
        return readFileSync(log, 'utf8');
      },
      [file('flushed'), log],
      { env: { LD_PRELOAD: shim, SHIM_LOG: log } },
    );
    assert.equal(lines, '');
  });

  const failing: Record<string, (region: import('pmem').Region) => unknown> = {
    persist: (region) => region.persist(0, 8),
    'write, persisted': (region) => region.write(0, Buffer.alloc(8), 'persist'),
    'fill, persisted': (region) => region.fill(0, 8, 1, 'persist'),
    drain: (region) => {
      region.flush(0, 8);
      region.drain();
    },
    persistAll: (region) => region.persistAll([{ offset: 0, length: 8 }]),
    'writeAsync, persisted': (region) => region.writeAsync(0, Buffer.alloc(8), 'persist'),
    'fillAsync, persisted': (region) => region.fillAsync(0, 8, 1, 'persist'),
    persistAsync: (region) => region.persistAsync(0, 8),
    'persist of a slice': (region) => region.slice(8, 8).persist(0, 8),
  };
  for (const [name, fail] of Object.entries(failing)) {
    it(`on page granularity throws EIO from ${name} where msync fails, and ERR_PMEM_SYNC_FAILED from every later call`, async () => {
      const [path, trigger] = [file('failing'), file('trigger')];
      const seen = await childValue(
        async (path: string, trigger: string, source: string) => {
          const { rmSync, writeFileSync } = await import('node:fs');
          const { Region } = await import('pmem');
          const region = Region.open(path, { create: true, size: 65536 });
          const outcomes: string[] = [];
          const attempt = async (run: () => unknown) => {
            try {
              await run();
              outcomes.push('done');
            } catch (error) {
              const { code, errno, syscall } = error as NodeJS.ErrnoException;
              outcomes.push([code, errno, syscall].filter((one) => one !== undefined).join(' '));
            }
          };
          const fail = Function(`return ${source}`)() as (region: unknown) => unknown;
          await attempt(() => fail(region));
          writeFileSync(trigger, '');
          await attempt(() => fail(region));
          rmSync(trigger);
          // The next msync would succeed, and prove nothing.
          for (const next of [
            () => fail(region),
            () => region.persist(4096, 8),
            () => region.flush(0, 8),
            () => region.drain(),
            () => region.read(0, Buffer.alloc(8)),
            () => region.write(0, Buffer.alloc(8)),
            () => region.fill(0, 8),
            () => region.load64(0),
            () => region.store64(0, 1n),
            () => region.crc32c(0, 8),
            () => region.persistAll([]),
            () => region.readAsync(0, Buffer.alloc(8)),
            () => region.fillAsync(0, 8),
          ]) {
            await attempt(next);
          }
          region.close();
          const again = Region.open(path);
          await attempt(() => fail(again));
          return outcomes;
        },
        [path, trigger, String(fail)],
        { env: { LD_PRELOAD: shim, SHIM_FAIL: trigger } },
      );
      assert.deepEqual(seen, ['done', 'EIO 5 msync', ...Array(13).fill('ERR_PMEM_SYNC_FAILED'), 'done']);
    });
  }
});

/** Text out of memory, by a copy: what others do to the bytes meanwhile harms nothing. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import { SimulatedMemory } from 'pmem/testing';
import { childValue } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
import { newRegion } from '../support/regions.js';
import { onDisk } from '../support/temp.js';

const SIZE = 65536;
const ENCODINGS = ['utf8', 'latin1', 'ascii', 'utf16le', 'ucs2', 'base64', 'base64url', 'hex', 'binary'] as const;

describe('Memory.readText', () => {
  const file = onDisk();

  const memories: readonly (readonly [string, (run: (memory: Memory) => void) => void])[] = [
    [
      'a Region',
      (run) => {
        using region = newRegion(file('text'), SIZE);
        run(region);
      },
    ],
    [
      'a slice',
      (run) => {
        using region = newRegion(file('slice'), 2 * SIZE);
        run(region.slice(24, SIZE));
      },
    ],
    ['a SimulatedMemory', (run) => run(SimulatedMemory.create({ size: SIZE }))],
  ];

  for (const [name, withMemory] of memories) {
    it(`of ${name} returns what toString of a Buffer with the same bytes does`, () => {
      withMemory((memory) => {
        const bytes = Buffer.from('pmem: grüße, 日本語, 🙂 \u0000 end');
        memory.write(16, bytes);
        for (const encoding of ENCODINGS) {
          assert.equal(memory.readText(16, bytes.length, encoding), bytes.toString(encoding), encoding);
        }
        assert.equal(memory.readText(16, bytes.length), bytes.toString());
        // From the middle of a character.
        assert.equal(memory.readText(25, 8), bytes.subarray(9, 17).toString());
        assert.equal(memory.readText(SIZE - 8, 8, 'hex'), '00'.repeat(8));
        assert.equal(memory.readText(SIZE, 0), '');
        memory.write(0, Buffer.alloc(SIZE, 'ä'));
        assert.equal(memory.readText(0, SIZE), 'ä'.repeat(SIZE / 2));
      });
    });

    it(`of ${name} refuses wrong ranges and encodings`, () => {
      withMemory((memory) => {
        for (const [offset, length] of [
          [-1, 1],
          [0, SIZE + 1],
          [SIZE, 1],
          [0.5, 1],
          [0, Number.NaN],
          [0, 2 ** 53],
        ] as const) {
          throwsCode(() => memory.readText(offset, length), 'ERR_OUT_OF_RANGE', { name: 'RangeError' });
        }
        throwsCode(() => memory.readText('0' as never, 1), 'ERR_INVALID_ARG_TYPE', { name: 'TypeError' });
        throwsCode(() => memory.readText(0, undefined as never), 'ERR_INVALID_ARG_TYPE', { name: 'TypeError' });
        for (const encoding of ['utf-9', ''] as never[]) {
          throwsCode(() => memory.readText(0, 1, encoding), 'ERR_INVALID_ARG_VALUE', { message: /encoding/ });
        }
        for (const encoding of [8, null, {}] as never[]) {
          throwsCode(() => memory.readText(0, 1, encoding), 'ERR_INVALID_ARG_TYPE', { message: /encoding/ });
        }
      });
    });
  }

  it('throws ERR_PMEM_TRUNCATED and names itself where the file was truncated, and ERR_PMEM_CLOSED after close', async () => {
    const seen = await childValue(
      async (path: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region: Opened } = await import('pmem');
        const region = Opened.open(path, { create: true, size: 65536, assumePersistent: true });
        region.write(0, Buffer.from('first'));
        truncateSync(path, 4096);
        const failure = (run: () => unknown): string => {
          try {
            return `no error: ${run()}`;
          } catch (error) {
            return `${(error as NodeJS.ErrnoException).code} ${(error as Error).message.split(':')[0]}`;
          }
        };
        const outcomes = [failure(() => region.readText(0, 65536)), failure(() => region.readText(16384, 8))];
        const there = region.readText(0, 5);
        region.close();
        return [...outcomes, there, failure(() => region.readText(0, 5)), failure(() => region.readText(0, 0))];
      },
      [file('cut')],
    );
    assert.deepEqual(seen, [
      'ERR_PMEM_TRUNCATED readText',
      'ERR_PMEM_TRUNCATED readText',
      'first',
      'ERR_PMEM_CLOSED readText',
      'ERR_PMEM_CLOSED readText',
    ]);
  });

  it('decodes a copy: later stores do not change the string', () => {
    using region = newRegion(file('copy'), SIZE);
    region.write(0, Buffer.from('before'));
    const text = region.readText(0, 6);
    region.write(0, Buffer.from('after!'));
    assert.equal(text, 'before');
  });

  it('returns strings that end where they should while another thread stores characters of other lengths', async () => {
    const result = await childValue(
      async (path: string) => {
        const { Worker } = await import('node:worker_threads');
        const { Region: Opened } = await import('pmem');
        const region = Opened.open(path, { create: true, size: 65536, assumePersistent: true });
        const stop = new Int32Array(new SharedArrayBuffer(8));
        // The child evaluates modules, and its threads do as it does.
        const source = `import { workerData } from 'node:worker_threads';
          const { Region } = await import(workerData.pmem);
          const region = Region.attach(workerData.token);
          const [ascii, wide] = [Buffer.alloc(65536, 'a'), Buffer.alloc(65536, 'ä')];
          while (Atomics.load(workerData.stop, 0) === 0) {
            region.write(0, wide);
            region.write(0, ascii);
            Atomics.store(workerData.stop, 1, 1);
            Atomics.notify(workerData.stop, 1);
          }
          region.close();`;
        const workerData = { pmem: import.meta.resolve('pmem'), token: region.share(), stop };
        const worker = new Worker(source, { eval: true, workerData });
        while (Atomics.load(stop, 1) === 0) await new Promise((resolve) => setImmediate(resolve));
        let isSound = true;
        for (let i = 0; i < 300; i++) {
          const text = region.readText(0, 65536);
          isSound &&= text.length >= 32768 && text.length <= 65536 && /^[aä\uFFFD]*$/.test(text);
        }
        Atomics.store(stop, 0, 1);
        await new Promise((resolve) => worker.once('exit', resolve));
        region.close();
        return isSound;
      },
      [file('race')],
    );
    assert.equal(result, true);
  });
});

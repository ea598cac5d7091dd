/** What another thread can see first: non-temporal stores, or the word that announces them. */

import assert from 'node:assert/strict';
import { cpuPaths } from 'pmem';
import { childValue } from '../support/child.js';
import { buildNative } from '../support/native.js';
import { onDisk } from '../support/temp.js';

/** Calls, and the order of their non-temporal stores (s), fences (f) and the change of the word (w). */
type Orders = Record<string, string>;

/** Runs in the child, which single-steps. */
async function ordersOf(addon: string, path: string): Promise<Orders> {
  const { createRequire } = await import('node:module');
  const { Region } = await import('pmem');
  const { order } = createRequire(path)(addon) as { order(word: Buffer, run: () => void): string };
  const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
  const source = Buffer.alloc(4096, 7);
  const word = region.view(0, 8);
  const calls: Record<string, () => void> = {
    'write in mode flush': () => region.write(4096, source, 'flush'),
    'fill in mode flush': () => region.fill(8192, 4096, 3, 'flush'),
    'a smaller write after it': () => {
      region.write(4096, source, 'flush');
      region.write(16384, source.subarray(0, 16), 'flush');
    },
    'a drain after it': () => {
      region.write(4096, source, 'flush');
      region.drain();
    },
    'write in mode persist': () => region.write(4096, source, 'persist'),
    'fill in mode persist': () => region.fill(8192, 4096, 3, 'persist'),
    'two in a row': () => {
      region.write(4096, source, 'flush');
      region.fill(8192, 4096, 3, 'flush');
    },
  };
  const orders: Record<string, string> = {};
  let value = 1n;
  calls['store64 alone'] = () => {};
  for (const [name, call] of Object.entries(calls)) {
    const run = (): void => {
      call();
      region.store64(0, value++);
    };
    // What is compiled already is not gone through step by step.
    for (let i = 0; i < 3; i++) run();
    orders[name] = order(word, run);
  }
  region.close();
  return orders;
}

describe('Region.store64', () => {
  const file = onDisk();

  for (const copy of ['avx512', 'sse2']) {
    it(`waits for a fence after non-temporal stores of ${copy}, which other threads would see later than the word`, async function () {
      if (process.arch !== 'x64') this.skip(); // Arm's release store is ordered after all stores before it
      if (copy === 'avx512' && cpuPaths().copy !== 'avx512') {
        console.log('      skipped: this CPU has no AVX-512');
        this.skip();
      }
      const orders = await childValue(ordersOf, [buildNative('steps'), file(copy)], {
        env: { PMEM_COPY: copy, PMEM_NONTEMPORAL_THRESHOLD: '256' },
      });
      assert.deepEqual(orders, {
        'write in mode flush': 'sfw',
        'fill in mode flush': 'sfw',
        'a smaller write after it': 'sfw',
        'a drain after it': 'sfw',
        'write in mode persist': 'sfw',
        'fill in mode persist': 'sfw',
        // One fence, before the word; none after each copy.
        'two in a row': 'sfw',
        // Without copies there is no fence.
        'store64 alone': 'w',
      });
    });
  }
});

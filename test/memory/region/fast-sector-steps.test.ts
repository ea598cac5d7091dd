/** The order in which an exchange of blocks becomes durable, seen by its msyncs. */

import assert from 'node:assert/strict';
import { childValue } from '../../support/child.js';
import { buildShim } from '../../support/shim.js';
import { onDisk } from '../../support/temp.js';

describe('FastSectors.exchange', () => {
  const file = onDisk();

  it('makes each step durable before the next one', async () => {
    const [shim, log, trigger] = [file('shim.so'), file('log'), file('trigger')];
    buildShim(shim);
    const seen = await childValue(
      async (path: string, log: string, trigger: string) => {
        const { readFileSync, rmSync, writeFileSync } = await import('node:fs');
        const { Region: Opened } = await import('pmem');
        const binding = await import('#dist/binding.js');
        const { mailbox, halves, native } = binding;
        // Msync can be watched, which flushes cannot: C++ takes either the same way.
        const region = Opened.open(path, { create: true, size: 65536 });
        const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
        const base = Number.parseInt(maps.find((line) => line.endsWith(path)) ?? '', 16);
        region.view().writeUInt32LE(5, 4);
        const named = () => region.view().readUInt32LE(4);
        region.persist(0, 8);
        const step = (call: () => void) => {
          writeFileSync(log, '');
          call();
          return readFileSync(log, 'utf8')
            .split('\n')
            .filter(Boolean)
            .map((line) => Number.parseInt(line, 16) - base);
        };
        const exchange = () => {
          region.drain();
          mailbox[binding.OFFSET] = 8192;
          mailbox[binding.LENGTH] = 512;
          mailbox[binding.ENTRY] = 4;
          mailbox[binding.STRIDE] = 4096;
          mailbox[binding.RECORD] = 4096;
          mailbox[binding.BEGUN] = 0;
          halves.set([0, 10], 2 * binding.TAG);
          halves.set([3, 1], 2 * binding.BLOCK);
          native.exchangeBlock(Buffer.alloc(512, 1));
        };
        const smooth = { exchange: step(exchange), drain: step(() => region.drain()), named: named() };
        writeFileSync(trigger, '');
        const failing = { exchange: step(exchange), status: mailbox[binding.STATUS], begun: mailbox[binding.BEGUN] };
        rmSync(trigger);
        region.close();
        return { smooth, failing };
      },
      [file('steps'), log, trigger],
      { env: { LD_PRELOAD: shim, SHIM_LOG: log, SHIM_FAIL: trigger } },
    );
    const EIO = 5;
    assert.deepEqual(seen, {
      smooth: { exchange: [8192 + 3 * 4096, 4096], drain: [0], named: 3 },
      failing: { exchange: [8192 + 3 * 4096], status: EIO, begun: 0 },
    });
  });
});

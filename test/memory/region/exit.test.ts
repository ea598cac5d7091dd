/** A process that ends while regions are open and at work: cleanly, and with everything there that was promised. */

import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { childValue, inChild } from '../../support/child.js';
import { onDisk } from '../../support/temp.js';

describe('A process that ends with open regions', () => {
  const file = onDisk();

  // Each ends in its own way in the middle of things; all of them have to end with code 0 and without a word.
  const ways: Record<string, (path: string) => unknown> = {
    naturally: async (path) => {
      const { Region } = await import('pmem');
      const region = Region.open(path, { create: true, size: 1 << 20 });
      region.view().fill(1);
    },
    'by process.exit': async (path) => {
      const { Region } = await import('pmem');
      const region = Region.open(path, { create: true, size: 1 << 20 });
      region.view().fill(1);
      process.exit(0);
    },
    'by process.exit in the middle of asynchronous copies': async (path) => {
      const { Region } = await import('pmem');
      const region = Region.open(path, { create: true, size: 128 << 20, assumePersistent: true });
      for (let i = 0; i < 8; i++) region.fillAsync(0, 128 << 20, i, 'persist').catch(() => {});
      setImmediate(() => process.exit(0));
    },
    'naturally, with asynchronous copies to wait for': async (path) => {
      const { Region } = await import('pmem');
      const region = Region.open(path, { create: true, size: 32 << 20, assumePersistent: true });
      region.fillAsync(0, 32 << 20, 1);
      region.readAsync(0, Buffer.alloc(32 << 20));
    },
    'by process.exit in a worker': async (path) => {
      const { Worker } = await import('node:worker_threads');
      const source = `import('pmem').then(({ Region }) => {
        const region = Region.open(${JSON.stringify(path)}, { create: true, size: 1 << 20 });
        region.view().fill(1);
        region.fillAsync(0, 1 << 20, 1);
        process.exit(0);
      });`;
      await new Promise((resolve) => new Worker(source, { eval: true, execArgv: [] }).on('exit', resolve));
    },
    'with workers still running': async (path) => {
      const { Worker } = await import('node:worker_threads');
      const { Region } = await import('pmem');
      const region = Region.open(path, { create: true, size: 64 << 20, assumePersistent: true });
      const token = region.share();
      const source = `const { parentPort, workerData } = require('node:worker_threads');
        import('pmem').then(({ Region }) => {
          const region = Region.attach(workerData);
          region.view()[0] = 1;
          region.fillAsync(0, 64 << 20, 1);
          parentPort.postMessage('busy');
          for (;;) region.fill(0, 1 << 20, 2, 'persist');
        });`;
      const workers = Array.from(
        { length: 4 },
        () => new Worker(source, { eval: true, workerData: token, execArgv: [] }),
      );
      await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
      region.load64(0);
      process.exit(0);
    },
    'with a job whose promise nobody looks at': async (path) => {
      const { Region } = await import('pmem');
      Region.open(path, { create: true, size: 8 << 20, assumePersistent: true }).writeAsync(0, Buffer.alloc(8 << 20));
    },
    'in the middle of an exit handler that uses the region': async (path) => {
      const { Region } = await import('pmem');
      const region = Region.open(path, { create: true, size: 1 << 20 });
      process.on('exit', () => {
        region.fill(0, 100, 1, 'persist');
        region.close();
      });
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    it(name, async () => {
      const { code, signal, stderr } = await inChild(way, [file('exit')]);
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    });
  }

  it('leaves what was persisted before', async () => {
    const path = file('persisted');
    await childValue(
      async (target: string) => {
        const { Region } = await import('pmem');
        const region = Region.open(target, { create: true, size: 65536 });
        region.view().write('by a view', 100);
        region.persist(100, 9);
        region.write(200, Buffer.from('by a write'), 'persist');
        region.store64(304, 5n);
        region.flush(304, 8);
        region.drain();
        process.kill(process.pid, 'SIGKILL');
      },
      [path],
    ).catch((error: Error) => assert.match(error.message, /SIGKILL/));
    const region = Region.open(path, { readOnly: true });
    assert.equal(region.view(100, 9).toString(), 'by a view');
    assert.equal(region.view(200, 10).toString(), 'by a write');
    assert.equal(region.load64(304), 5n);
    region.close();
  });
});

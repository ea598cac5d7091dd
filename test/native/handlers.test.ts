/** Whoever listens to SIGBUS or SIGSEGV, wherever and whenever: faults in our memory still come to us. */

import assert from 'node:assert/strict';
import { childValue, inChild, startChild } from '../support/child.js';
import { buildNative, type FaultsAddon } from '../support/native.js';
import type { SignalsAddon } from '../support/signals.js';
import { onDisk } from '../support/temp.js';

type Step = 'add' | 'remove' | 'remove all of it' | 'remove all';

describe('listeners to SIGBUS and SIGSEGV', () => {
  const file = onDisk();
  let faultsAddon = '';
  let signalsAddon = '';
  before(function () {
    this.timeout(60_000);
    faultsAddon = buildNative('faults');
    signalsAddon = buildNative('signals');
  });

  const STEPS: readonly Step[] = ['add', 'remove', 'add', 'remove all of it', 'add', 'remove all', 'add'];

  for (const early of [false, true]) {
    it(`change nothing about a fault in the turn in which they come or go${early ? ', though one was there before' : ''}`, async () => {
      const seen = await childValue(
        async (path: string, steps: Step[], before: boolean) => {
          const { truncateSync } = await import('node:fs');
          const { Region } = await import('pmem');
          const listener = () => {};
          if (before) process.on('SIGBUS', listener).on('SIGSEGV', listener);
          const open = (): import('pmem').Region =>
            Region.open(path, { create: true, size: 65536, assumePersistent: true });
          const regions = steps.map(open);
          const views = regions.map((region) => region.view());
          const sealed = steps.map(() => Region.open(path, { readOnly: true }).view());
          truncateSync(path, 4096);
          // No region is opened between: that would look at the handlers.
          return steps.map((step, i) => {
            if (step === 'add') process.on('SIGBUS', listener).on('SIGSEGV', listener);
            if (step === 'remove') process.off('SIGBUS', listener).off('SIGSEGV', listener);
            if (step === 'remove all of it') process.removeAllListeners('SIGBUS').removeAllListeners('SIGSEGV');
            if (step === 'remove all') process.removeAllListeners();
            let code = 'read';
            try {
              regions[i]?.read(8192, Buffer.alloc(8));
            } catch (error) {
              code = (error as { code: string }).code;
            }
            const [view, copy] = [views[i] ?? Buffer.alloc(0), sealed[i] ?? Buffer.alloc(0)];
            copy[0] = 7;
            return `${code} ${view[8192]} ${copy[0]}`;
          });
        },
        [file('turn'), [...STEPS], early],
      );
      assert.deepEqual(
        seen,
        STEPS.map(() => 'ERR_PMEM_TRUNCATED 0 7'),
      );
    });
  }

  it('of the main thread change nothing about a fault of a worker, which alone opened something', async () => {
    const seen = await childValue(
      async (path: string, steps: Step[]) => {
        const { Worker } = await import('node:worker_threads');
        const source = `const { parentPort, workerData } = require('node:worker_threads');
          import('pmem').then(async ({ Region }) => {
            const { truncateSync } = await import('node:fs');
            const open = () => Region.open(workerData.path, { create: true, size: 65536, assumePersistent: true });
            const regions = Array.from({ length: workerData.count }, open);
            const views = regions.map((region) => region.view());
            truncateSync(workerData.path, 4096);
            parentPort.on('message', (i) => {
              let code = 'read';
              try { regions[i].read(8192, Buffer.alloc(8)); } catch (error) { code = error.code; }
              parentPort.postMessage(code + ' ' + views[i][8192]);
            });
            parentPort.postMessage('ready');
          });`;
        const worker = new Worker(source, { eval: true, workerData: { path, count: steps.length }, execArgv: [] });
        const next = () => new Promise<string>((resolve) => worker.once('message', resolve));
        await next();
        const listener = () => {};
        const outcomes: string[] = [];
        for (const [i, step] of steps.entries()) {
          if (step === 'add') process.on('SIGBUS', listener);
          if (step === 'remove') process.off('SIGBUS', listener);
          if (step === 'remove all of it') process.removeAllListeners('SIGBUS');
          if (step === 'remove all') process.removeAllListeners();
          worker.postMessage(i);
          outcomes.push(await next());
        }
        await worker.terminate();
        return outcomes;
      },
      [file('worker'), [...STEPS]],
    );
    assert.deepEqual(
      seen,
      STEPS.map(() => 'ERR_PMEM_TRUNCATED 0'),
    );
  });

  it('of an addon, by libuv on the loop of any thread, change nothing about a fault', async () => {
    const seen = await childValue(
      async (binary: string, path: string) => {
        const { createRequire } = await import('node:module');
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const faults = createRequire('/')(binary) as FaultsAddon;
        const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
        truncateSync(path, 4096);
        const outcomes: string[] = [];
        for (const step of [() => faults.listen(7), () => faults.unlisten()]) {
          step();
          try {
            region.read(8192, Buffer.alloc(8));
          } catch (error) {
            outcomes.push((error as { code: string }).code);
          }
        }
        return outcomes;
      },
      [faultsAddon, file('libuv')],
    );
    assert.deepEqual(seen, Array(2).fill('ERR_PMEM_TRUNCATED'));
  });

  for (const signal of ['SIGBUS', 'SIGSEGV'] as const) {
    it(`${signal} from outside reaches a listener, and kills once that is gone`, async () => {
      for (const early of [true, false]) {
        const child = startChild(
          async (path: string, name: 'SIGBUS' | 'SIGSEGV', first: boolean) => {
            const { Region } = await import('pmem');
            const listen = () =>
              process.once(name, () => {
                process.stdout.write('signalled\n');
              });
            if (first) listen();
            Region.open(path, { create: true, size: 4096 });
            if (!first) listen();
            process.stdout.write('ready\n');
            process.stdin.resume();
          },
          [file('outside'), signal, early],
        );
        assert.equal(await child.line(), 'ready');
        child.kill(signal);
        assert.equal(await child.line(), 'signalled');
        child.kill(signal);
        assert.equal((await child.ended).signal, signal);
      }
    });
  }

  it('a wild pointer dies of SIGBUS though somebody listens, instead of faulting for ever', async () => {
    const { signal } = await inChild(
      async (binary: string, path: string) => {
        const { createRequire } = await import('node:module');
        const { Region } = await import('pmem');
        const signals = createRequire('/')(binary) as SignalsAddon;
        Region.open(path, { create: true, size: 4096 });
        process.on('SIGBUS', () => {});
        signals.fault(7);
      },
      [signalsAddon, file('wild')],
    );
    assert.equal(signal, 'SIGBUS');
  });

  it('a handler of another addon that only returns does not keep a fault from us for good', async () => {
    const seen = await childValue(
      async (binary: string, path: string) => {
        const { createRequire } = await import('node:module');
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const signals = createRequire('/')(binary) as SignalsAddon;
        const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
        const view = region.view();
        truncateSync(path, 4096);
        const outcomes: (string | number)[] = [];
        for (const place of [0, 1]) {
          signals.install(place, 4, 0, 0);
          try {
            region.read(8192, Buffer.alloc(8));
          } catch (error) {
            outcomes.push((error as { code: string }).code);
          }
        }
        signals.install(0, 4, 0, 0);
        return [...outcomes, view[8192] ?? -1];
      },
      [signalsAddon, file('returning')],
    );
    assert.deepEqual(seen, ['ERR_PMEM_TRUNCATED', 'ERR_PMEM_TRUNCATED', 0]);
  });

  it('change nothing either where the first region took the last descriptors that the process may have', async () => {
    const { code, signal, value, stderr } = await inChild(
      async (path: string) => {
        const { closeSync, openSync, truncateSync, writeFileSync } = await import('node:fs');
        const { Region } = await import('pmem');
        writeFileSync(path, Buffer.alloc(65536));
        const taken: number[] = [];
        const outcomes = new Set<string>();
        try {
          for (;;) taken.push(openSync('/dev/null', 'r'));
        } catch {
          // No more are left.
        }
        let region: import('pmem').Region | undefined;
        while (region === undefined && taken.length > 0) {
          try {
            region = Region.open(path, { assumePersistent: true });
          } catch (error) {
            outcomes.add((error as { code: string }).code);
            closeSync(taken.pop() ?? -1);
          }
        }
        for (const fd of taken) closeSync(fd);
        const listener = () => {};
        process.on('SIGBUS', listener).off('SIGBUS', listener);
        truncateSync(path, 4096);
        try {
          region?.read(8192, Buffer.alloc(8));
        } catch (error) {
          outcomes.add((error as { code: string }).code);
        }
        return [...outcomes];
      },
      [file('descriptors')],
      { execPath: 'sh', execArgv: ['-c', 'ulimit -n 256; exec "$0" "$@"', process.execPath] },
    );
    assert.deepEqual([code, signal], [0, null], stderr);
    assert.deepEqual(value, ['EMFILE', 'ERR_PMEM_TRUNCATED']);
  });
});

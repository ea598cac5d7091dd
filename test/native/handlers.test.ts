/** Listeners to SIGBUS and SIGSEGV, wherever and whenever they come: faults in our memory still reach our handler. */

import assert from 'node:assert/strict';
import { childValue, inChild, startChild } from '../support/child.js';
import { FAULTING, type Faulting } from '../support/faulting.js';
import { buildNative, type FaultsAddon } from '../support/native.js';
import type { SignalsAddon } from '../support/signals.js';
import { onDisk } from '../support/temp.js';

type Step = 'add' | 'remove' | 'remove all of it' | 'remove all';

const STEPS: readonly Step[] = ['add', 'remove', 'add', 'remove all of it', 'add', 'remove all', 'add'];

describe('a fault in a region', () => {
  const file = onDisk();
  let faultsAddon = '';
  let signalsAddon = '';
  before(function () {
    this.timeout(60_000);
    faultsAddon = buildNative('faults');
    signalsAddon = buildNative('signals');
  });

  for (const early of [false, true]) {
    it(`is handled in the same turn in which listeners come or go${early ? ', after one before the first region' : ''}`, async () => {
      const seen = await childValue(
        async (faulting: string, path: string, steps: Step[], before: boolean) => {
          const { LOST, openNew, readLost, truncate } = (await import(faulting)) as Faulting;
          const { Region } = await import('pmem');
          const listener = () => {};
          if (before) process.on('SIGBUS', listener).on('SIGSEGV', listener);
          const regions = steps.map(() => openNew(path));
          const views = regions.map((region) => region.view());
          const sealed = steps.map(() => Region.open(path, { readOnly: true }).view());
          truncate(path);
          // No region is opened between: that would put our handler in front.
          return steps.map((step, i) => {
            if (step === 'add') process.on('SIGBUS', listener).on('SIGSEGV', listener);
            if (step === 'remove') process.off('SIGBUS', listener).off('SIGSEGV', listener);
            if (step === 'remove all of it') process.removeAllListeners('SIGBUS').removeAllListeners('SIGSEGV');
            if (step === 'remove all') process.removeAllListeners();
            const [region, view, copy] = [regions[i], views[i], sealed[i]];
            if (region === undefined || view === undefined || copy === undefined) return 'none';
            const code = readLost(region);
            copy[0] = 7;
            return `${code} ${view[LOST]} ${copy[0]}`;
          });
        },
        [FAULTING, file('turn'), [...STEPS], early],
      );
      assert.deepEqual(
        seen,
        STEPS.map(() => 'ERR_PMEM_TRUNCATED 0 7'),
      );
    });
  }

  it('of a worker, which alone opened one, is handled while listeners of the main thread come and go', async () => {
    const seen = await childValue(
      async (faulting: string, path: string, steps: Step[]) => {
        const { Worker } = await import('node:worker_threads');
        const source = `const { parentPort, workerData } = require('node:worker_threads');
          import(workerData.faulting).then(({ LOST, openNew, readLost, truncate }) => {
            const regions = Array.from({ length: workerData.count }, () => openNew(workerData.path));
            const views = regions.map((region) => region.view());
            truncate(workerData.path);
            parentPort.on('message', (i) => parentPort.postMessage(readLost(regions[i]) + ' ' + views[i][LOST]));
            parentPort.postMessage('ready');
          });`;
        const worker = new Worker(source, {
          eval: true,
          workerData: { faulting, path, count: steps.length },
          execArgv: [],
        });
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
      [FAULTING, file('worker'), [...STEPS]],
    );
    assert.deepEqual(
      seen,
      STEPS.map(() => 'ERR_PMEM_TRUNCATED 0'),
    );
  });

  it('is handled while listeners of an addon, by libuv on any loop, come and go', async () => {
    const seen = await childValue(
      async (faulting: string, binary: string, path: string) => {
        const { loadAddon, openNew, readLost, truncate } = (await import(faulting)) as Faulting;
        const faults = loadAddon<FaultsAddon>(binary);
        const region = openNew(path);
        truncate(path);
        return [() => faults.listen(7), () => faults.unlisten()].map((step) => {
          step();
          return readLost(region);
        });
      },
      [FAULTING, faultsAddon, file('libuv')],
    );
    assert.deepEqual(seen, Array(2).fill('ERR_PMEM_TRUNCATED'));
  });

  it('is handled in the end behind a handler of another addon that only returns', async () => {
    const seen = await childValue(
      async (faulting: string, binary: string, path: string) => {
        const { LOST, loadAddon, openNew, readLost, truncate } = (await import(faulting)) as Faulting;
        const signals = loadAddon<SignalsAddon>(binary);
        const region = openNew(path);
        const view = region.view();
        truncate(path);
        const codes = [0, 1].map((place) => {
          signals.install(place, 4, 0, 0);
          return readLost(region);
        });
        signals.install(0, 4, 0, 0);
        return [...codes, view[LOST] ?? -1];
      },
      [FAULTING, signalsAddon, file('returning')],
    );
    assert.deepEqual(seen, ['ERR_PMEM_TRUNCATED', 'ERR_PMEM_TRUNCATED', 0]);
  });

  it('is handled after a listener came and went, where the first region took the last file descriptors', async () => {
    const { code, signal, value, stderr } = await inChild(
      async (faulting: string, path: string) => {
        const { codeOfCall, readLost, truncate } = (await import(faulting)) as Faulting;
        const { closeSync, openSync, writeFileSync } = await import('node:fs');
        const { Region } = await import('pmem');
        writeFileSync(path, Buffer.alloc(65536));
        const taken: number[] = [];
        while (codeOfCall(() => taken.push(openSync('/dev/null', 'r'))) === 'done');
        const outcomes = new Set<string>();
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
        truncate(path);
        if (region !== undefined) outcomes.add(readLost(region));
        return [...outcomes];
      },
      [FAULTING, file('descriptors')],
      { execPath: 'sh', execArgv: ['-c', 'ulimit -n 256; exec "$0" "$@"', process.execPath] },
    );
    assert.deepEqual([code, signal], [0, null], stderr);
    assert.deepEqual(value, ['EMFILE', 'ERR_PMEM_TRUNCATED']);
  });
});

describe('a signal that is no fault in a region', () => {
  const file = onDisk();

  for (const signal of ['SIGBUS', 'SIGSEGV'] as const) {
    for (const early of [true, false]) {
      it(`(${signal} from outside) reaches a listener from ${early ? 'before' : 'after'} the first region, and kills once that is gone`, async () => {
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
      });
    }
  }

  it('(a wild pointer) kills although a listener is there, instead of faulting for ever', async () => {
    const { signal } = await inChild(
      async (faulting: string, binary: string, path: string) => {
        const { loadAddon, openNew } = (await import(faulting)) as Faulting;
        openNew(path);
        process.on('SIGBUS', () => {});
        loadAddon<SignalsAddon>(binary).fault(7);
      },
      [FAULTING, buildNative('signals'), file('wild')],
    );
    assert.equal(signal, 'SIGBUS');
  });
});

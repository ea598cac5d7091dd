/**
 * A Buffer's memory handed on. Node.js 20 copies such memory where it should transfer it, later versions refuse; but
 * ArrayBuffer.prototype.transfer moves it to an ArrayBuffer that the region does not know of, and that can go anywhere.
 */

import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { Region } from 'pmem';
import { inChild } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { collected, mapsOf } from '../../support/maps.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';
import { exitOf, messageOf, startWorker } from '../../support/worker.js';

const SIZE = 65536;

type Transferring = ArrayBuffer & { transfer?(): ArrayBuffer };

/** The memory in another ArrayBuffer, or as it is where that is not possible. */
function moved(memory: ArrayBuffer): ArrayBuffer {
  return (memory as Transferring).transfer?.() ?? memory;
}

/** What the call returned, or undefined where the runtime refuses to transfer. */
function unlessRefused<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    assert.equal((error as Error).name, 'DataCloneError');
    return undefined;
  }
}

describe('Transferred Buffers of a Region', () => {
  const file = onDisk();

  it('are moved, copied or refused by structuredClone, but never lost', async () => {
    for (const prepare of [(memory: ArrayBuffer) => memory, moved]) {
      const path = file('cloned');
      const region = newRegion(path, SIZE);
      region.view()[5] = 1;
      const memory = prepare(region.view().buffer as ArrayBuffer);
      const clone = unlessRefused(() => structuredClone(memory, { transfer: [memory] }));
      if (clone !== undefined) assert.equal(new Uint8Array(clone)[5], 1);
      region.view()[6] = 2;
      assert.deepEqual([...region.view(5, 2)], [1, 2]);
      region.close();
      assert.equal(clone === undefined ? 1 : new Uint8Array(clone)[5], 1);
    }
    assert(await collected(() => true));
  });

  it('live on after ArrayBuffer.prototype.transfer, and the region makes new ones', async function () {
    if ((ArrayBuffer.prototype as Transferring).transfer === undefined) this.skip();
    const path = file('moved');
    const region = newRegion(path, SIZE);
    const view = region.view();
    view[5] = 1;
    await (async () => {
      const elsewhere = Buffer.from(moved(view.buffer as ArrayBuffer));
      assert.equal(view.length, 0);
      assert.equal(elsewhere.length, SIZE);
      elsewhere[6] = 2;
      const fresh = region.view();
      assert.deepEqual([...fresh.subarray(5, 7)], [1, 2]);
      region.close();
      assert.equal(fresh.length, 0);
      throwsCode(() => region.view(), 'ERR_PMEM_CLOSED');
      // Beyond our reach, so the memory has to stay mapped under it.
      await collected(() => false);
      elsewhere[7] = 3;
      assert.deepEqual([...elsewhere.subarray(5, 8)], [1, 2, 3]);
      assert.equal(mapsOf(path).length, 1);
    })();
    assert(await collected(() => mapsOf(path).length === 0));
  });

  it('can be used in another thread, whatever is closed in this one', async () => {
    const path = file('thread');
    const region = newRegion(path, SIZE);
    region.view()[0] = 4;
    const memory = moved(region.view().buffer as ArrayBuffer);
    const worker = unlessRefused(() =>
      startWorker(
        async (bytes: ArrayBuffer) => {
          const { parentPort } = await import('node:worker_threads');
          const view = Buffer.from(bytes);
          parentPort?.postMessage('there');
          await new Promise((resolve) => parentPort?.once('message', resolve));
          view[1] = 5;
          return [view.length, view[0], view[1]];
        },
        memory,
        [memory],
      ),
    );
    if (worker === undefined) {
      region.close();
      return;
    }
    const ended = exitOf(worker);
    assert.equal(await messageOf(worker), 'there');
    region.close();
    await collected(() => false);
    worker.postMessage('go on');
    assert.deepEqual(await messageOf(worker), { returned: [SIZE, 4, 5] });
    await ended;
    Region.open(path).close();
  });

  it('can be used after the thread that sent them has ended', async () => {
    const { code, signal, value, stderr } = await inChild(
      async (path: string) => {
        const { Worker } = await import('node:worker_threads');
        const source = `const { parentPort } = require('node:worker_threads');
          import('pmem').then(({ Region }) => {
            const region = (globalThis.kept = Region.open(${JSON.stringify(path)}, { create: true, size: 65536, assumePersistent: true }));
            region.view()[0] = 6;
            const memory = region.view().buffer;
            const moved = memory.transfer === undefined ? memory : memory.transfer();
            try {
              parentPort.postMessage(moved, [moved]);
            } catch (error) {
              parentPort.postMessage(error.name);
            }
          });`;
        const worker = new Worker(source, { eval: true, execArgv: [] });
        const ended = new Promise((resolve) => worker.once('exit', resolve));
        const memory = await new Promise<ArrayBuffer | string>((resolve) => worker.once('message', resolve));
        await ended;
        if (typeof memory === 'string') return memory;
        for (let i = 0; i < 5; i++) {
          globalThis.gc?.();
          await new Promise((resolve) => setImmediate(resolve));
        }
        const view = Buffer.from(memory);
        view[1] = 7;
        return [view.length, view[0] ?? -1, view[1]].join();
      },
      [file('orphan')],
      { execArgv: ['--expose-gc'] },
    );
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    assert.match(String(value), /^(DataCloneError|65536,6,7)$/);
  });

  describe('from a thread that has ended, by ways around the method of the ArrayBuffer itself', () => {
    /** Node.js 20 has it behind a flag. */
    const execArgv = ['--expose-gc'];
    if (!('transfer' in ArrayBuffer.prototype)) execArgv.push('--harmony-rab-gsab-transfer');

    /** What the bytes 0 and 1 are at the end, when the thread set the first and this one the second. */
    function orphan(kind: string, how: string, collect: string) {
      return inChild(
        async (path: string, kind: string, how: string, collect: string) => {
          const { Worker } = await import('node:worker_threads');
          const source = `const { parentPort } = require('node:worker_threads');
            const transfer = ArrayBuffer.prototype.transfer;
            Promise.all([import('pmem'), import('pmem/volatile')]).then(async ([{ Region }, { VolatileArena, NodeMemory }]) => {
              const owner = (globalThis.kept = {
                region: () => Region.open(${JSON.stringify(path)}, { create: true, size: 65536, assumePersistent: true }),
                arena: () => VolatileArena.open({ node: 0, size: 65536 }),
                node: () => NodeMemory.open({ node: 0, size: 65536 }),
              }[${JSON.stringify(kind)}]());
              let memory = (owner.view === undefined ? owner.allocate(65536) : owner.view()).buffer;
              new Uint8Array(memory)[0] = 6;
              const moved = {
                call: () => transfer.call(memory),
                apply: () => Reflect.apply(ArrayBuffer.prototype.transferToFixedLength, memory, []),
                twice: () => transfer.call(transfer.call(memory)),
                method: () => memory.transfer(),
              }[${JSON.stringify(how)}]();
              memory = undefined;
              const collect = ${JSON.stringify(collect)};
              if (collect !== 'never') {
                await new Promise((resolve) => setImmediate(resolve));
                gc();
                for (let i = 0; collect === 'before' && i < 5; i++) {
                  gc();
                  await new Promise((resolve) => setImmediate(resolve));
                }
              }
              parentPort.postMessage(moved, [moved]);
              if (collect === 'at the end') process.exit();
            });`;
          const worker = new Worker(source, { eval: true, execArgv: [] });
          const ended = new Promise((resolve) => worker.once('exit', resolve));
          const memory = await new Promise<ArrayBuffer>((resolve) => worker.once('message', resolve));
          await ended;
          for (let i = 0; i < 5; i++) {
            globalThis.gc?.();
            await new Promise((resolve) => setImmediate(resolve));
          }
          const view = Buffer.from(memory);
          view[1] = 7;
          return [view.length, view[0] ?? -1, view[1]].join();
        },
        [file('orphan'), kind, how, collect],
        { execArgv },
      );
    }

    for (const kind of ['region', 'arena', 'node']) {
      for (const how of ['call', 'apply', 'twice', 'method']) {
        for (const collect of ['never', 'before']) {
          it(`${kind}, ${how}; the first ArrayBuffer is collected ${collect}: what arrived can be used`, async () => {
            const { code, signal, value, stderr } = await orphan(kind, how, collect);
            assert.deepEqual(
              { code, signal, value, stderr },
              { code: 0, signal: null, value: '65536,6,7', stderr: '' },
            );
          });
        }
      }
    }

    it('crash nothing when they are collected in the thread’s last moment: at worst the bytes are gone', async () => {
      const { code, signal, value, stderr } = await orphan('arena', 'call', 'at the end');
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
      assert.match(String(value), /^65536,[06],7$/);
    });
  });

  it('leave nothing behind in a thread that ends before they are transferred', async () => {
    const path = file('ended');
    newRegion(path, SIZE).close();
    for (const end of ['none', 'gc(); process.exit()']) {
      const worker = new Worker(
        `import('pmem').then(({ Region }) => {
          globalThis.region = Region.open(${JSON.stringify(path)}, { assumePersistent: true });
          globalThis.kept = region.view();
          region.view(5, 100);
          ${end === 'none' ? '' : end}
        });`,
        { eval: true },
      );
      await exitOf(worker);
      assert(await collected(() => mapsOf(path).length === 0));
    }
  });

  it('can be copied', () => {
    const region = newRegion(file('copied'), SIZE);
    const copy = structuredClone(region.view(0, 10));
    region.close();
    assert.equal(copy.length, 10);
  });
});

/** The end of locks: after the last store that the holder began, and with the end of the holder, wherever that is stopped. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { Region } from 'pmem';
import { DaxRegion } from 'pmem/devdax';
import { childValue, startChild } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { collected } from '../../support/maps.js';
import { loadKernel } from '../../support/native.js';
import { Random } from '../../support/random.js';
import { onDisk } from '../../support/temp.js';
import { changed, exitOf, startWorker } from '../../support/worker.js';

const PAGE = 4096;
const SIZE = 16 * PAGE;
const emulated = { align: PAGE, emulate: true };

/** The locks that this process holds on a file, as proc(5) tells them of its descriptors. */
function locksOn(path: string): string[] {
  const { ino } = statSync(path);
  return readdirSync('/proc/self/fdinfo').flatMap((fd) => {
    try {
      const lines = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').split('\n');
      return lines.filter((line) => line.startsWith('lock:') && line.includes(`:${ino} `));
    } catch {
      return []; // the descriptor of this very listing
    }
  });
}

describe('the end of a lock', () => {
  const file = onDisk();
  function made(): string {
    const path = file('locked');
    writeFileSync(path, Buffer.alloc(SIZE));
    return path;
  }

  describe('waits for jobs that are under way at the close', () => {
    /** A pool of one thread, which opens a pipe without a writer: jobs queued after that wait until the pipe gets one. */
    const oneThread = { env: { UV_THREADPOOL_SIZE: '1' } };
    function pipe(): string {
      const path = file('pipe');
      execFileSync('mkfifo', [path]);
      return path;
    }

    for (const how of ['stores', 'copies into it from another region'] as const) {
      it(`of a region: ${how}`, async () => {
        const path = made();
        const child = startChild(
          async (target: string, other: string, fifo: string, stores: boolean) => {
            const { Region } = await import('pmem');
            const { open, openSync } = await import('node:fs');
            const region = Region.open(target);
            const second = Region.open(other);
            open(fifo, 'r', () => {});
            const job = stores ? region.writeAsync(0, Buffer.alloc(4096, 7)) : second.readAsync(0, region.view());
            region.close();
            process.stdout.write('closed\n');
            process.stdin.once('data', async () => {
              openSync(fifo, 'r+');
              await job;
              process.stdout.write('done\n');
            });
          },
          [path, made(), pipe(), how === 'stores'],
          oneThread,
        );
        assert.equal(await child.line(), 'closed');
        throwsCode(() => Region.open(path), 'ERR_PMEM_LOCKED');
        child.tell('go on');
        assert.equal(await child.line(), 'done');
        using region = Region.open(path);
        assert.equal(region.view()[0], how === 'stores' ? 7 : 0);
        child.kill('SIGKILL');
        await child.ended;
      });
    }

    it('of an instance, which is in use until then', async () => {
      const path = made();
      const child = startChild(
        async (target: string, fifo: string) => {
          const { DaxRegion } = await import('pmem/devdax');
          const { open, openSync } = await import('node:fs');
          const region = DaxRegion.open(target, { align: 4096, emulate: true });
          const instance = region.create();
          const device = instance.open();
          const mapped = device.map();
          open(fifo, 'r', () => {});
          const job = mapped.fillAsync(0, 4096, 7);
          mapped.close();
          device.close();
          let code: unknown = 'destroyed';
          try {
            instance.destroy();
          } catch (error) {
            code = (error as { code?: string }).code;
          }
          process.stdout.write(`${instance.inUse} ${code}\n`);
          process.stdin.once('data', async () => {
            openSync(fifo, 'r+');
            await job;
            process.stdout.write(`${instance.inUse}\n`);
            instance.destroy();
            process.stdout.write('destroyed\n');
          });
        },
        [path, pipe()],
        oneThread,
      );
      assert.equal(await child.line(), 'true EBUSY');
      throwsCode(() => Region.open(path), 'ERR_PMEM_LOCKED');
      child.tell('go on');
      assert.equal(await child.line(), 'false');
      assert.equal(await child.line(), 'destroyed');
      using region = Region.open(path);
      assert.equal(region.view()[0], 7);
      child.kill('SIGKILL');
      await child.ended;
    });

    it('and of a claim', async () => {
      const child = startChild(
        async (target: string, fifo: string) => {
          const { Region } = await import('pmem');
          const { open, openSync } = await import('node:fs');
          type Claiming = { claim(operation: string, exclusive: boolean): object | string };
          const claim = (region: Region, offset: number) =>
            (region.slice(offset, 4096) as unknown as Claiming).claim('test', true);
          const [region, other] = [Region.open(target), Region.open(target)];
          const kept = [claim(region, 0), claim(region, 8192)];
          open(fifo, 'r', () => {});
          const job = region.writeAsync(100, Buffer.alloc(100, 7));
          region.close();
          const claimed = (offset: number) => {
            const found = claim(other, offset);
            return typeof found === 'string' ? found : 'free';
          };
          process.stdout.write(`${claimed(0)} ${claimed(8192)} ${kept.length}\n`);
          process.stdin.once('data', async () => {
            openSync(fifo, 'r+');
            await job;
            process.stdout.write(`${claimed(0)}\n`);
          });
        },
        [made(), pipe()],
        oneThread,
      );
      assert.equal(await child.line(), 'exclusive free 2');
      child.tell('go on');
      assert.equal(await child.line(), 'free');
      child.kill('SIGKILL');
      await child.ended;
    });
  });

  describe('comes with the end of a worker, wherever the worker is stopped', () => {
    const SEED = 20_261_122;
    const loops = {
      'creating and destroying instances': async ({ path, turns }: { path: string; turns: Int32Array }) => {
        const { DaxRegion } = await import('pmem/devdax');
        const region = DaxRegion.open(path, { align: 4096, emulate: true });
        for (;;) {
          region.create({ size: 16384 }).destroy();
          Atomics.add(turns, 0, 1);
          Atomics.notify(turns, 0);
        }
      },
      'mapping a device': async ({ path, turns }: { path: string; turns: Int32Array }) => {
        const { DaxDevice } = await import('pmem/devdax');
        const device = DaxDevice.open(path, { align: 4096, emulate: true });
        for (;;) {
          device.map({ length: 4096 }).close();
          Atomics.add(turns, 0, 1);
          Atomics.notify(turns, 0);
        }
      },
      'mapping an instance': async ({ path, turns }: { path: string; turns: Int32Array }) => {
        const { DaxRegion } = await import('pmem/devdax');
        const region = DaxRegion.open(path, { align: 4096, emulate: true });
        const device = region.create().open();
        for (;;) {
          device.map({ length: 4096 }).close();
          Atomics.add(turns, 0, 1);
          Atomics.notify(turns, 0);
        }
      },
      'opening regions': async ({ path, turns }: { path: string; turns: Int32Array }) => {
        const { Region } = await import('pmem');
        for (;;) {
          Region.open(path).close();
          Atomics.add(turns, 0, 1);
          Atomics.notify(turns, 0);
        }
      },
      'all that has nothing to do with locks': async ({ path, turns }: { path: string; turns: Int32Array }) => {
        const { Region } = await import('pmem');
        const { NodeMemory } = await import('pmem/volatile');
        const region = Region.open(path);
        type Claiming = { claim(operation: string, exclusive: boolean): object | string };
        for (;;) {
          const attached = Region.attach(region.share());
          attached.view(0, 100);
          attached.fillAsync(0, 100, 1).catch(() => {});
          attached.readAsync(0, Buffer.alloc(100)).catch(() => {});
          (attached as unknown as Claiming).claim('test', false);
          attached.pageSize();
          attached.close();
          NodeMemory.open({ node: 0, size: 4096 }).close();
          Atomics.add(turns, 0, 1);
          Atomics.notify(turns, 0);
        }
      },
    };
    for (const [what, loop] of Object.entries(loops)) {
      it(`in the middle of ${what}`, async () => {
        const path = made();
        const random = new Random(SEED);
        for (let round = 0; round < 20; round++) {
          const turns = new Int32Array(new SharedArrayBuffer(4));
          const worker = startWorker(loop, { path, turns });
          const failed = new Promise((_, reject) => worker.once('error', reject));
          const enough = 1 + random.below(20);
          for (let seen = 0; seen < enough; seen = Atomics.load(turns, 0)) {
            await Promise.race([changed(turns, seen), failed]);
          }
          const ended = exitOf(worker);
          await worker.terminate();
          await ended;
          assert.deepEqual(locksOn(path), [], `seed ${SEED}, round ${round}, after ${enough} turns`);
          const region = DaxRegion.open(path, emulated);
          region.create().destroy();
          region.close();
        }
      });
    }
  });

  it('does not wait for a forked child that has not yet called execve(2)', async () => {
    const { fork, reap } = loadKernel();
    const path = made();
    const other = Region.open(path, { length: PAGE, readOnly: true });
    const region = Region.open(path); // on another description, as the first one cannot hold a writer's lock
    const pid = fork();
    try {
      assert(pid > 0);
      region.close();
      other.close();
      const open = async (target: string) => {
        const { Region } = await import('pmem');
        Region.open(target).close();
        return 'opened';
      };
      assert.equal(await childValue(open, [path]), 'opened');
    } finally {
      reap(pid);
    }
  });

  // From Node.js 22 on the memory of an ArrayBuffer can move to another ArrayBuffer, of which the addon does not know.
  describe('on transferred memory', () => {
    type Transferring = ArrayBuffer & { transfer?(): ArrayBuffer };
    before(function () {
      if ((ArrayBuffer.prototype as Transferring).transfer === undefined) this.skip();
    });
    function moved(region: Region): ArrayBuffer | undefined {
      return (region.view().buffer as Transferring).transfer?.();
    }

    it('comes with the memory, where the bytes are locked alone', async () => {
      const path = made();
      using region = DaxRegion.open(path, emulated);
      const instance = region.create({ size: PAGE });
      using device = instance.open();
      const mapped = device.map();
      let memory = moved(mapped);
      mapped.close();
      device.close();
      await collected(() => false);
      assert.equal(instance.inUse, true);
      throwsCode(() => instance.destroy(), 'EBUSY');
      throwsCode(() => instance.resize(2 * PAGE), 'EBUSY');
      throwsCode(() => Region.open(path), 'ERR_PMEM_BUSY');
      assert.equal(memory?.byteLength, PAGE);
      memory = undefined;
      assert(await collected(() => !instance.inUse));
      instance.destroy();
      Region.open(path).close();
    });

    it('comes with the region, where this process may lock the bytes twice', () => {
      const path = made();
      const region = Region.open(path);
      const memory = moved(region);
      region.close();
      assert.deepEqual(locksOn(path), []);
      assert.equal(memory?.byteLength, SIZE);
    });
  });
});

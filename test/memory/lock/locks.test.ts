import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { Region, type RegionOptions } from 'pmem';
import { type Running, startChild } from '../../support/child.js';
import { codeOf, throwsCode } from '../../support/errors.js';
import { onDisk } from '../../support/temp.js';
import { exitOf, inWorker, messageOf, startWorker } from '../../support/worker.js';

const SIZE = 65536;

/** Another process that has the region open until told otherwise. */
async function holder(path: string, options: RegionOptions = {}): Promise<Running> {
  const child = startChild(
    async (target: string, wanted: Record<string, string | number | boolean>) => {
      const { Region } = await import('pmem');
      const region = Region.open(target, wanted);
      process.stdout.write('open\n');
      process.stdin.setEncoding('utf8').on('data', (line: string) => {
        if (line === 'close\n') region.close();
        process.stdout.write('done\n');
        if (line === 'exit\n') process.exit(0);
      });
    },
    [path, options as Record<string, string | number | boolean>],
  );
  assert.equal(await child.line(), 'open');
  return child;
}

async function end(child: Running): Promise<void> {
  child.kill('SIGKILL');
  await child.ended;
}

describe('locks between processes', () => {
  const file = onDisk();
  function made(): string {
    const path = file('locked');
    writeFileSync(path, Buffer.alloc(SIZE));
    return path;
  }

  it('refuse a second writer, with the first one’s pid', async () => {
    const path = made();
    const other = await holder(path);
    throwsCode(() => Region.open(path), 'ERR_PMEM_LOCKED', {
      message: new RegExp(`process ${other.pid} \\(\\S*node[^\\n]*shared: true`),
    });
    throwsCode(() => Region.open(path, { readOnly: true }), 'ERR_PMEM_LOCKED');
    throwsCode(() => Region.open(path, { create: true, size: SIZE }), 'ERR_PMEM_LOCKED');
    await end(other);
    Region.open(path).close();
  });

  it('refuse a writer while there are readers, who share', async () => {
    const path = made();
    const other = await holder(path, { readOnly: true });
    throwsCode(() => Region.open(path), 'ERR_PMEM_LOCKED');
    const reader = Region.open(path, { readOnly: true });
    await end(other);
    const writer = Region.open(path); // this process's own reader is no obstacle
    writer.close();
    reader.close();
  });

  it('are neither taken nor minded with shared: true', async () => {
    const path = made();
    const other = await holder(path, { shared: true });
    const region = Region.open(path);
    await end(other);
    const third = await holder(path, { shared: true });
    await end(third);
    region.close();
    const locking = await holder(path);
    Region.open(path, { shared: true }).close();
    await end(locking);
  });

  it('conflict where ranges overlap, and nowhere else', async () => {
    const path = made();
    const other = await holder(path, { offset: 16384, length: 16384 });
    for (const options of [{ length: 16384 }, { offset: 32768 }, { offset: 32768, length: 100 }]) {
      Region.open(path, options).close();
    }
    for (const options of [{}, { length: 16385 }, { offset: 28672 }, { offset: 20480, length: 1 }]) {
      assert.equal(
        codeOf(() => Region.open(path, options).close()),
        'ERR_PMEM_LOCKED',
        JSON.stringify(options),
      );
    }
    await end(other);
  });

  it('end with close, while the process lives on', async () => {
    const path = made();
    const other = await holder(path);
    other.tell('close');
    assert.equal(await other.line(), 'done');
    const region = Region.open(path);
    await end(other);
    region.close();
  });

  for (const how of ['exit', 'SIGKILL', 'SIGTERM'] as const) {
    it(`end with the process (${how})`, async () => {
      const path = made();
      const other = await holder(path);
      if (how === 'exit') other.tell('exit');
      else other.kill(how);
      await other.ended;
      Region.open(path).close();
    });
  }

  it('stay as they are after a refused open', async () => {
    const path = made();
    const other = await holder(path, { length: 16384 });
    for (let i = 0; i < 3; i++)
      assert.equal(
        codeOf(() => Region.open(path)),
        'ERR_PMEM_LOCKED',
      );
    // The part that was free is free, also for a third process.
    const third = await holder(path, { offset: 16384 });
    await end(third);
    await end(other);
  });

  it('are shared by regions of one process, until the last one is closed', async () => {
    const path = made();
    const [first, second] = [Region.open(path), Region.open(path, { readOnly: true })];
    const reader = Region.open(path, { readOnly: true, offset: 4096, length: 4096 });
    first.close();
    // Now only readers are left: others may read, not write.
    const other = await holder(path, { readOnly: true });
    await end(other);
    await assert.rejects(holder(path), /ERR_PMEM_LOCKED/);
    second.close();
    await assert.rejects(holder(path, { offset: 4096 }), /ERR_PMEM_LOCKED/);
    const beside = await holder(path, { offset: 8192 });
    await end(beside);
    reader.close();
    const whole = await holder(path);
    await end(whole);
  });

  it('stay on bytes of two writers in one process when one of them closes', async () => {
    const path = made();
    const [low, high] = [Region.open(path, { length: 32768 }), Region.open(path, { offset: 16384 })];
    low.close();
    await assert.rejects(holder(path, { offset: 16384, length: 16384 }), /ERR_PMEM_LOCKED/);
    const freed = await holder(path, { length: 16384 });
    await end(freed);
    high.close();
  });

  it('end with their worker, and with its termination', async () => {
    const path = made();
    await inWorker(async (target: string) => {
      const { Region } = await import('pmem');
      Region.open(target);
    }, path);
    const after = await holder(path);
    await end(after);
    const worker = startWorker(async (target: string) => {
      const { Region } = await import('pmem');
      const { parentPort } = await import('node:worker_threads');
      const region = Region.open(target);
      parentPort?.postMessage('open');
      await new Promise((resolve) => parentPort?.once('message', resolve));
      region.close(); // an unreferenced region would be collected, and its lock released
    }, path);
    assert.equal(await messageOf(worker), 'open');
    await assert.rejects(holder(path), /ERR_PMEM_LOCKED/);
    const ended = exitOf(worker);
    await worker.terminate();
    await ended;
    const last = await holder(path);
    await end(last);
  });

  it('hold for each name of the file', async () => {
    const { linkSync, symlinkSync } = await import('node:fs');
    const path = made();
    const [hard, soft] = [file('hard'), file('soft')];
    linkSync(path, hard);
    symlinkSync(path, soft);
    const other = await holder(hard);
    assert.equal(
      codeOf(() => Region.open(path)),
      'ERR_PMEM_LOCKED',
    );
    assert.equal(
      codeOf(() => Region.open(soft)),
      'ERR_PMEM_LOCKED',
    );
    await end(other);
  });
});

/** Exclusive locks that are exclusive within this process, too. */

import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { Region } from 'pmem';
import { native } from '#dist/binding.js';
import { startChild } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { collected, descriptorsOf } from '../../support/maps.js';
import { onDisk } from '../../support/temp.js';
import { exitOf, inWorker, messageOf, startWorker } from '../../support/worker.js';

const PAGE = 4096;
const [EAGAIN, EBUSY, EBADF] = [11, 16, 9];

describe('native.lockAlone', () => {
  const file = onDisk();
  let path: string;
  let fd: number;

  beforeEach(() => {
    path = file('alone');
    writeFileSync(path, Buffer.alloc(16 * PAGE));
    fd = openSync(path, 'r+');
  });

  afterEach(() => closeSync(fd));

  /** Page numbers as the pairs of bytes that the addon takes. */
  function pages(...pairs: number[]): number[] {
    return pairs.map((page) => page * PAGE);
  }

  function refusal(call: () => unknown): { errno: number; begin: number; end: number } | undefined {
    try {
      call();
      return undefined;
    } catch (error) {
      const { errno, begin, end } = error as { errno: number; begin: number; end: number };
      return { errno, begin: begin / PAGE, end: end / PAGE };
    }
  }

  it('excludes other locks of this process on its bytes, and on no others', () => {
    const lock = native.lockAlone(fd, pages(2, 4, 8, 10));
    assert.deepEqual(
      refusal(() => native.lockAlone(fd, pages(0, 3))),
      { errno: EBUSY, begin: 2, end: 4 },
    );
    assert.deepEqual(
      refusal(() => native.lock(fd, 9 * PAGE, 16 * PAGE, true)),
      { errno: EBUSY, begin: 8, end: 10 },
    );
    assert.deepEqual(
      refusal(() => native.lock(fd, 9 * PAGE + 1, 9 * PAGE + 2, false)),
      { errno: EBUSY, begin: 8, end: 10 },
    );
    const between = native.lockAlone(fd, pages(0, 2, 4, 8, 10, 16));
    native.unlock(between);
    native.unlock(lock);
    native.unlock(native.lockAlone(fd, pages(0, 16)));
    assert.equal(descriptorsOf(path), 1);
  });

  it('takes no lock where one of the bytes is locked', () => {
    using region = Region.open(path, { offset: 12 * PAGE, length: PAGE, readOnly: true });
    assert.equal(region.readOnly, true);
    assert.deepEqual(
      refusal(() => native.lockAlone(fd, pages(0, 1, 11, 13))),
      { errno: EBUSY, begin: 12, end: 13 },
    );
    native.unlock(native.lockAlone(fd, pages(0, 12)));
  });

  it('makes Region.open throw ERR_PMEM_BUSY with the bytes', () => {
    const lock = native.lockAlone(fd, pages(2, 4));
    throwsCode(() => Region.open(path), 'ERR_PMEM_BUSY', {
      message: /this process: bytes 0x2000-0x3fff \(8192 to 16383\)/,
    });
    Region.open(path, { shared: true }).close();
    Region.open(path, { offset: 4 * PAGE }).close();
    native.unlock(lock);
  });

  it('excludes other processes, whose error names the holder of these bytes', async () => {
    const other = startChild(
      async (target: string) => {
        const { Region } = await import('pmem');
        const region = Region.open(target, { offset: 4096, length: 4096 });
        process.stdout.write('open\n');
        process.stdin.on('data', () => region.close());
      },
      [path],
    );
    assert.equal(await other.line(), 'open');
    assert.deepEqual(
      refusal(() => native.lockAlone(fd, pages(3, 5, 0, 3))),
      { errno: EAGAIN, begin: 1, end: 2 },
    );
    throwsCode(() => Region.open(path), 'ERR_PMEM_LOCKED', {
      message: new RegExp(`bytes 0x1000-0x1fff \\(4096 to 8191\\), held by process ${other.pid} `),
    });
    const lock = native.lockAlone(fd, pages(3, 5));
    assert.deepEqual(
      refusal(() => native.changeLock(lock, pages(3, 5, 1, 2))),
      { errno: EAGAIN, begin: 1, end: 2 },
    );
    native.unlock(lock);
    other.kill('SIGKILL');
    await other.ended;
    native.unlock(native.lockAlone(fd, pages(0, 16)));
  });

  it('can be changed to other ranges, or keeps its ranges where those are locked', () => {
    const lock = native.lockAlone(fd, pages(2, 4));
    const other = native.lockAlone(fd, pages(8, 9));
    native.changeLock(lock, pages(3, 6));
    assert.deepEqual(
      refusal(() => native.changeLock(lock, pages(0, 1, 7, 16))),
      { errno: EBUSY, begin: 8, end: 9 },
    );
    native.unlock(native.lockAlone(fd, pages(0, 3, 6, 8)));
    assert.deepEqual(
      refusal(() => native.lockAlone(fd, pages(5, 6))),
      { errno: EBUSY, begin: 3, end: 6 },
    );
    native.changeLock(lock, []);
    native.unlock(other);
    native.unlock(native.lockAlone(fd, pages(0, 16)));
    native.unlock(lock);
    assert.equal(refusal(() => native.changeLock(lock, pages(0, 1)))?.errno, EBADF);
  });

  it('lasts until its last user is closed or collected', async () => {
    const lock = native.lockAlone(fd, pages(0, 1));
    assert.equal(native.lockUsers(lock), 1);
    let other = native.retainLock(lock);
    assert.equal(typeof other, 'object');
    assert.equal(native.lockUsers(lock), 2);
    native.unlock(lock);
    assert.equal(native.lockUsers(lock), 0); // nothing there any more
    assert.equal(native.retainLock(lock), undefined);
    native.unlock(lock); // and no other lock is released
    assert.equal(refusal(() => native.lockAlone(fd, pages(0, 1)))?.errno, EBUSY);
    other = undefined;
    assert(await collected(() => refusal(() => native.unlock(native.lockAlone(fd, pages(0, 1)))) === undefined));
  });

  it('moves into a mapping, and stays with its owner where mapping fails', () => {
    const lock = native.lockAlone(fd, pages(0, 2));
    const other = native.retainLock(lock);
    assert(other !== undefined);
    const request = {
      fd,
      extents: [{ offset: 0, length: 2 * PAGE }],
      length: 2 * PAGE,
      pageSize: PAGE,
      alignment: PAGE,
      writable: true,
      lock: other,
    };
    assert.notEqual(
      refusal(() => native.map({ ...request, extents: [{ offset: 1, length: 2 * PAGE }] })),
      undefined,
    );
    assert.equal(native.lockUsers(lock), 2);
    const { handle } = native.map(request);
    assert.equal(native.lockUsers(other), 0);
    native.unlock(other); // it is the mapping's
    assert.equal(native.lockUsers(lock), 2);
    native.close(handle);
    assert.equal(native.lockUsers(lock), 1);
    native.unlock(lock);
  });

  it('excludes other threads, and ends with its thread', async () => {
    const lock = native.lockAlone(fd, pages(0, 2));
    const code = await inWorker(async (target: string) => {
      const { Region } = await import('pmem');
      try {
        Region.open(target);
        return 'opened';
      } catch (error) {
        return (error as { code?: string }).code;
      }
    }, path);
    assert.equal(code, 'ERR_PMEM_BUSY');
    native.unlock(lock);
    const worker = startWorker(
      async ({ target, binding }: { target: string; binding: string }) => {
        const { native } = (await import(binding)) as typeof import('#dist/binding.js');
        const { openSync } = await import('node:fs');
        const { parentPort } = await import('node:worker_threads');
        const lock = native.lockAlone(openSync(target, 'r+'), [0, 4096]);
        parentPort?.postMessage(typeof lock);
        await new Promise((resolve) => parentPort?.once('message', () => resolve(lock)));
      },
      { target: path, binding: import.meta.resolve('#dist/binding.js') },
    );
    assert.equal(await messageOf(worker), 'object');
    assert.equal(refusal(() => native.lockAlone(fd, pages(0, 1)))?.errno, EBUSY);
    const ended = exitOf(worker);
    await worker.terminate();
    await ended;
    native.unlock(native.lockAlone(fd, pages(0, 1)));
  });
});

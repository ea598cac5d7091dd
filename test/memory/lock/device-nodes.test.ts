/** A device is one thing, however many nodes lead to it; locks are taken on bytes of the device. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';
import { native } from '#dist/binding.js';
import { lockRange } from '#dist/memory/lock/acquire.js';
import { startChild } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { needsRoot } from '../../support/root.js';
import { onDisk } from '../../support/temp.js';

const EBUSY = 16;
/** Locks have nothing to do with what a device is for: this one is everywhere. */
const DEVICE = '/dev/null';

describe('a lock on a device with several nodes', () => {
  const file = onDisk();
  const descriptors: number[] = [];
  afterEach(() => {
    for (const fd of descriptors.splice(0)) closeSync(fd);
  });

  /** Another node of the device, opened. */
  function alias(context: Mocha.Context): { path: string; fd: number } {
    needsRoot(context);
    const path = file('node');
    execFileSync('mknod', [path, 'c', '1', '3']);
    assert.equal(statSync(path).rdev, statSync(DEVICE).rdev);
    try {
      return { path, fd: opened(path) };
    } catch (error) {
      // A file system mounted with nodev, or a container that forbids it.
      if (process.env['CI'] === 'true') throw error;
      console.log(`      skipped: ${String(error)}`);
      return context.skip();
    }
  }

  function opened(path: string): number {
    const fd = openSync(path, 'r+');
    descriptors.push(fd);
    return fd;
  }

  it('holds for all nodes in this process', function () {
    const [one, other] = [alias(this), alias(this)];
    const lock = native.lockAlone(one.fd, [0, 4096]);
    for (const fd of [other.fd, opened(DEVICE)]) {
      assert.throws(() => native.lockAlone(fd, [0, 4096]), { errno: EBUSY, begin: 0, end: 4096 });
      native.unlock(native.lockAlone(fd, [4096, 8192]));
    }
    native.unlock(lock);
  });

  it('holds for all nodes in other processes, whose error names the holder', async function () {
    const { path, fd } = alias(this);
    const child = startChild(
      async (target: string, binding: string) => {
        const { native } = (await import(binding)) as typeof import('#dist/binding.js');
        const { openSync } = await import('node:fs');
        const lock = native.lock(openSync(target, 'r+'), 0, 4096, true);
        process.stdout.write('locked\n');
        process.stdin.on('data', () => native.unlock(lock));
      },
      [path, import.meta.resolve('#dist/binding.js')],
    );
    assert.equal(await child.line(), 'locked');
    for (const [name, descriptor] of [
      [path, fd],
      [alias(this).path, alias(this).fd],
      [DEVICE, opened(DEVICE)],
    ] as const) {
      const { dev, ino, rdev, mode } = statSync(name, { bigint: true });
      const backing = { path: name, identity: { dev, ino, rdev, mode }, kind: 'devmem', device: undefined } as const;
      throwsCode(() => lockRange(descriptor, backing, 0, 4096, true), 'ERR_PMEM_LOCKED', {
        message: new RegExp(`held by process ${child.pid} `),
      });
    }
    child.kill('SIGKILL');
    await child.ended;
  });

  it('does not hold for the device of the other kind with the same number', function () {
    const [block, character] = ['/dev/loop0', '/dev/vcs'];
    let numbers: number[];
    try {
      numbers = [statSync(block).rdev, statSync(character).rdev];
    } catch {
      return this.skip(); // no such pair here
    }
    if (numbers[0] !== numbers[1]) this.skip();
    // Without a claim: somebody may have it mounted.
    const locks = [native.lock(opened(block), 0, 4096, true, true), native.lockAlone(opened(character), [0, 4096])];
    for (const lock of locks) native.unlock(lock);
  });
});

/** Who has a device open: by the device, and not by the name of its file. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { usersOf } from '#dist/devdax/device-users.js';
import { HOST } from '#dist/memory/host.js';
import { startChild } from '../support/child.js';
import { needsRoot } from '../support/root.js';
import { onDisk } from '../support/temp.js';

async function holding(path: string, mapped: boolean, check: (pid: number) => void): Promise<void> {
  const child = startChild(
    async (target: string, map: boolean) => {
      const { openSync } = await import('node:fs');
      const { Region } = await import('pmem');
      const held = map ? Region.open(target, { shared: true }) : openSync(target, 'r');
      process.stdout.write(`${typeof held}\n`);
      process.stdin.on('data', () => held);
    },
    [path, mapped],
  );
  await child.line();
  check(child.pid);
  child.kill('SIGKILL');
  await child.ended;
}

describe('users of a device', () => {
  const file = onDisk();

  it('are those who have it open under another name', async function () {
    needsRoot(this);
    const [one, two, other] = [file('one'), file('two'), file('other')];
    // /dev/full, which nobody has open.
    for (const path of [one, two]) execFileSync('mknod', [path, 'c', '1', '7']);
    execFileSync('mknod', [other, 'c', '1', '12']);
    await holding(two, false, (pid) => {
      assert.deepEqual(usersOf(one, HOST), [pid]);
      assert(!usersOf(other, HOST).includes(pid));
    });
    assert.deepEqual(usersOf(one, HOST), []);
  });

  it('are those who map it, even where the descriptor is closed', async () => {
    const path = file('mapped');
    writeFileSync(path, Buffer.alloc(8192));
    await holding(path, true, (pid) => assert.deepEqual(usersOf(path, HOST), [pid]));
    assert.deepEqual(usersOf(path, HOST), []);
    assert.deepEqual(usersOf(file('missing'), HOST), []);
  });
});

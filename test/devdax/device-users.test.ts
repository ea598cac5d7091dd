/** Who has a device open or mapped, found in /proc; a file stands for the device. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { DaxDevice, DaxRegion } from 'pmem/devdax';
import { useOf, withUnused } from '#dist/devdax/device-users.js';
import type { Kernel } from '#dist/devdax/drivers.js';
import { fileUsers } from '#dist/linux/holders.js';
import { HOST, type Host } from '#dist/linux/host.js';
import { startChild } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
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

const MIB = 2 ** 20;

function usersOf(path: string, host: Host): number[] {
  return fileUsers(path, host).map(({ pid }) => pid);
}

describe('users of a device', () => {
  const name = onDisk();
  let path = '';
  beforeEach(() => {
    path = name('device');
    writeFileSync(path, Buffer.alloc(2 * MIB));
  });

  it('are none where nobody has it open, or it is not there', () => {
    assert.deepEqual(usersOf(path, HOST), []);
    assert.equal(useOf(path, HOST), undefined);
    assert.equal(useOf(name('missing'), HOST), undefined);
    assert.equal(useOf(path, { sys: name('no-sys'), proc: name('no-proc') }), undefined);
  });

  it('this process is one, by a descriptor and nothing else', () => {
    const fd = openSync(path, 'r');
    assert.deepEqual(usersOf(path, HOST), [process.pid]);
    assert.match(useOf(path, HOST) ?? '', new RegExp(`^is open in process ${process.pid}$`));
    closeSync(fd);
    assert.equal(useOf(path, HOST), undefined);
  });

  it('this process is one, by an open device, and by what is left mapped of one', () => {
    const device = DaxDevice.open(path, { emulate: true });
    assert.deepEqual(usersOf(path, HOST), [process.pid]);
    const mapped = device.map();
    device.close();
    assert.deepEqual(usersOf(path, HOST), [process.pid]);
    assert.notEqual(useOf(path, HOST), undefined);
    mapped.close();
    assert.equal(useOf(path, HOST), undefined);
  });

  it('this process is told from others in the /proc of another namespace, too', () => {
    const proc = name('proc');
    const link = (pid: string, opened: string) => {
      mkdirSync(join(proc, pid, 'fd'), { recursive: true });
      symlinkSync(opened, join(proc, pid, 'fd', '3'));
    };
    link('4711', path);
    link(String(process.pid), path);
    symlinkSync('4711', join(proc, 'self'));
    assert.deepEqual(
      usersOf(path, { sys: '/sys', proc }),
      [4711, process.pid].sort((a, b) => a - b),
    );
    const kernel = { host: { sys: '/sys', proc }, load: () => {}, write: () => {} } as unknown as Kernel;
    throwsCode(() => withUnused(path, 'tried', kernel, () => {}), 'EBUSY', {
      message: new RegExp(`in process ${process.pid},`),
    });
  });

  it('is whoever has it locked', () => {
    {
      using region = DaxRegion.open(path, { emulate: true });
      region.create();
      assert.notEqual(useOf(path, HOST), undefined);
      // Nobody's /proc tells: as from a container.
      assert.match(useOf(path, { sys: '/sys', proc: name('no-proc') }) ?? '', /locked/);
    }
    {
      using region = Region.open(path, { assumePersistent: true });
      assert.match(useOf(path, { sys: '/sys', proc: name('no-proc') }) ?? '', /locked/);
      assert.equal(region.size, 2 * MIB);
    }
    assert.equal(useOf(path, HOST), undefined);
  });

  it('are those who have it open under another name', async function () {
    needsRoot(this);
    const [one, two, other] = [name('one'), name('two'), name('other')];
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
    await holding(path, true, (pid) => assert.deepEqual(usersOf(path, HOST), [pid]));
    assert.deepEqual(usersOf(path, HOST), []);
    assert.deepEqual(usersOf(name('missing'), HOST), []);
  });
});

/** Who has a device open or mapped, found in /proc; a file stands for the device. */

import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { DaxDevice, DaxRegion } from 'pmem/devdax';
import { useOf, withUnused } from '#dist/devdax/device-users.js';
import type { Kernel } from '#dist/devdax/drivers.js';
import { fileUsers } from '#dist/linux/holders.js';
import { HOST, type Host } from '#dist/linux/host.js';
import { throwsCode } from '../support/errors.js';
import { onDisk } from '../support/temp.js';

const MIB = 2 ** 20;

function usersOf(path: string, host: Host): number[] {
  return fileUsers(path, host).map(({ pid }) => pid);
}

describe('useOf', () => {
  const name = onDisk();
  let path = '';
  beforeEach(() => {
    path = name('device');
    writeFileSync(path, Buffer.alloc(2 * MIB));
  });

  it('finds nobody where a device is not open, or missing', () => {
    assert.equal(useOf(path, HOST), undefined);
    assert.equal(useOf(name('missing'), HOST), undefined);
    assert.equal(useOf(path, { sys: name('no-sys'), proc: name('no-proc') }), undefined);
  });

  it('finds this process by a descriptor', () => {
    const fd = openSync(path, 'r');
    assert.deepEqual(usersOf(path, HOST), [process.pid]);
    assert.match(useOf(path, HOST) ?? '', new RegExp(`^is open in process ${process.pid}$`));
    closeSync(fd);
    assert.equal(useOf(path, HOST), undefined);
  });

  it('finds this process by an open device, and by a mapping that outlives it', () => {
    const device = DaxDevice.open(path, { emulate: true });
    assert.deepEqual(usersOf(path, HOST), [process.pid]);
    const mapped = device.map();
    device.close();
    assert.deepEqual(usersOf(path, HOST), [process.pid]);
    assert.notEqual(useOf(path, HOST), undefined);
    mapped.close();
    assert.equal(useOf(path, HOST), undefined);
  });

  it('tells this process from others in the /proc of another PID namespace', () => {
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

  it('finds a lock, of a process that /proc shows or not', () => {
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
});

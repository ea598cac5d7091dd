/** Who has a device open or mapped, found in /proc; a file stands for the device. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { DaxDevice, DaxRegion, Region } from 'pmem';
import { useOf, usersOf } from '#dist/devdax/device-users.js';
import { HOST } from '#dist/memory/host.js';
import { onDisk } from '../support/temp.js';

const MIB = 2 ** 20;

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

  it('are other processes too', async () => {
    const child = spawn('sh', ['-c', 'exec 3<"$0"; echo ready; read wait', path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.deepEqual(usersOf(path, HOST), [child.pid]);
    child.stdin.end('\n');
    await once(child, 'exit');
    assert.deepEqual(usersOf(path, HOST), []);
  });
});

/** What is at a path, by stat(2) and sysfs. */

import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '#dist/linux/host.js';
import { deviceNumber } from '#dist/linux/sysfs/read.js';
import { type Backing, inspect } from '#dist/memory/backing.js';
import { throwsCode } from '../support/errors.js';
import { Machine } from '../support/machine.js';
import { needsRoot } from '../support/root.js';
import { onDisk } from '../support/temp.js';

describe('inspect', () => {
  const file = onDisk();
  let machine: Machine;
  beforeEach(() => {
    const root = file('machine');
    mkdirSync(root);
    machine = new Machine(root);
  });

  /** As `inspect` sees a device, which is /dev/null's or a disk's descriptor with another machine's sysfs behind it. */
  function inspected(path: string, host: Host = machine.host): Backing {
    const fd = openSync(path, 'r');
    try {
      return inspect(fd, path, host);
    } finally {
      closeSync(fd);
    }
  }

  function character(attributes: Record<string, string | number>, bus = 'dax'): string {
    const device = machine.device('ndbus0/region0/dax0.1/dax/dax0.0', attributes);
    mkdirSync(join(machine.host.sys, 'dev', 'char'), { recursive: true });
    symlinkSync(device, join(machine.host.sys, 'dev', 'char', '1:3'));
    mkdirSync(join(machine.host.sys, 'bus', bus), { recursive: true });
    symlinkSync(join(machine.host.sys, 'bus', bus), join(device, 'subsystem'));
    return device;
  }

  it('tells the size and alignment of device-DAX', () => {
    const device = character({ size: 2 ** 30, align: 2 ** 21 });
    const { kind, size, pageSize, device: found } = inspected('/dev/null');
    assert.deepEqual(
      { kind, size, pageSize, found },
      { kind: 'devdax', size: 2 ** 30, pageSize: 2 ** 21, found: device },
    );
  });

  it('refuses device-DAX without an alignment, and another character device', () => {
    character({ size: 2 ** 30 });
    throwsCode(() => inspected('/dev/null'), 'ENODEV', { message: /size and alignment/ });
    throwsCode(() => inspected('/dev/zero'), 'ENODEV', { message: /neither device-DAX nor/ });
  });

  it('refuses a character device of another subsystem', () => {
    character({ size: 4096, align: 4096 }, 'mem');
    throwsCode(() => inspected('/dev/null'), 'ENODEV', { message: /neither device-DAX nor/ });
  });

  it('tells the size of a block device in bytes', function () {
    needsRoot(this);
    const path = ['/dev/loop0', '/dev/vda', '/dev/sda', '/dev/nvme0n1'].find((one) => existsSync(one));
    if (path === undefined) {
      if (process.env['CI'] === 'true') throw new Error('CI has a block device');
      console.log('      skipped: no block device that this test knows');
      this.skip();
    }
    throwsCode(() => inspected(path), 'ENODEV', { message: /sysfs does not know/ });
    const device = machine.device('virtual/block/disk', { size: 2048 });
    mkdirSync(join(machine.host.sys, 'dev', 'block'), { recursive: true });
    const { rdev } = statSync(path, { bigint: true });
    symlinkSync(device, join(machine.host.sys, 'dev', 'block', deviceNumber(rdev)));
    const { kind, size, device: found } = inspected(path);
    assert.deepEqual({ kind, size, found }, { kind: 'block', size: 2 ** 20, found: device });
  });

  it('tells the file system of a file', () => {
    const path = file('file');
    writeFileSync(path, Buffer.alloc(5000));
    const { dev, ino } = statSync(path, { bigint: true });
    machine.mount(deviceNumber(dev), '/', 'xfs', '/dev/pmem7');
    const device = machine.device('ndbus0/region0/namespace0.0/block/pmem7');
    mkdirSync(join(machine.host.sys, 'dev', 'block'), { recursive: true });
    symlinkSync(device, join(machine.host.sys, 'dev', 'block', deviceNumber(dev)));
    const backing = inspected(path);
    assert.equal(backing.kind, 'file');
    assert.equal(backing.size, 5000);
    assert.deepEqual(backing.identity, { dev, ino });
    assert.equal(backing.fileSystem?.type, 'xfs');
    assert.equal(backing.fileSystem?.device, device);
    assert(backing.fileSystem?.options.includes('dax'));
  });

  it('tells no file system without /proc and /sys', () => {
    const path = file('file');
    writeFileSync(path, 'x');
    const nothing = { sys: '/nowhere', proc: '/nowhere' };
    assert.equal(inspected(path, nothing).fileSystem, undefined);
  });
});

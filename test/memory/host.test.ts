/** What is read from /proc and /sys: mounts, devices, holders of locks, and what is at a path. */

import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { holders } from '#dist/linux/holders.js';
import type { Host } from '#dist/linux/host.js';
import { findMount, parseMounts } from '#dist/linux/mounts.js';
import { isVirtioPmem, isVolatileDax, ndRegion } from '#dist/linux/nvdimm/regions.js';
import { attribute, deviceNumber, numericAttribute } from '#dist/linux/sysfs/read.js';
import { type Backing, inspect } from '#dist/memory/backing.js';
import { throwsCode } from '../support/errors.js';
import { Machine } from '../support/machine.js';
import { needsRoot } from '../support/root.js';
import { onDisk } from '../support/temp.js';

describe('what the kernel tells', () => {
  const file = onDisk();
  let machine: Machine;
  beforeEach(() => {
    const root = file('machine');
    mkdirSync(root);
    machine = new Machine(root);
  });

  describe('mounts', () => {
    const TEXT = [
      '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro',
      '30 22 259:0 / /mnt/pmem rw,relatime - ext4 /dev/pmem0 rw,dax',
      '31 22 0:40 /sub /mnt/with\\040space\\134 rw master:1 propagate_from:2 - btrfs /dev/sdb rw',
      '32 22 0:41 / /mnt/none rw - tmpfs tmpfs rw,size=1k',
      '',
      'not a line',
      '33 22 0:42',
    ].join('\n');

    it('are parsed with optional fields, escapes and rubbish', () => {
      const mounts = parseMounts(TEXT);
      assert.deepEqual(
        mounts.map(({ mountPoint, type, device }) => [mountPoint, type, device]),
        [
          ['/', 'ext4', '8:1'],
          ['/mnt/pmem', 'ext4', '259:0'],
          ['/mnt/with space\\', 'btrfs', '0:40'],
          ['/mnt/none', 'tmpfs', '0:41'],
        ],
      );
      assert.deepEqual(mounts[1]?.options, ['rw', 'relatime', 'rw', 'dax']);
      assert.equal(mounts[1]?.source, '/dev/pmem0');
      assert.deepEqual(parseMounts(''), []);
    });

    it('are found by device, and where that is anonymous by the longest path', () => {
      writeFileSync(join(machine.host.proc, 'self', 'mountinfo'), TEXT);
      const at = (device: string, path: string) => findMount(machine.host, device, path)?.mountPoint;
      assert.equal(at('259:0', '/mnt/pmem/file'), '/mnt/pmem');
      assert.equal(at('0:99', '/mnt/with space\\/file'), '/mnt/with space\\');
      assert.equal(at('0:99', '/mnt/pmemory/file'), '/');
      assert.equal(at('0:99', '/elsewhere'), '/');
      // Deleted, or seen from another mount namespace: the device decides.
      assert.equal(at('259:0', '/nowhere'), '/mnt/pmem');
    });

    it('a later mount hides an earlier one at the same place', () => {
      writeFileSync(
        join(machine.host.proc, 'self', 'mountinfo'),
        '1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /x rw - ext4 b rw\n3 1 8:3 / /x rw - xfs c rw\n',
      );
      assert.equal(findMount(machine.host, '0:0', '/x/file')?.type, 'xfs');
    });

    it('without /proc there is none', () =>
      assert.equal(findMount({ sys: '/nowhere', proc: '/nowhere' }, '8:1', '/'), undefined));
  });

  describe('sysfs', () => {
    it('device numbers, also large ones', () => {
      assert.equal(deviceNumber(0n), '0:0');
      assert.equal(deviceNumber(0x801n), '8:1');
      assert.equal(deviceNumber(259n << 8n), '259:0');
      assert.equal(
        deviceNumber((1n << 44n) | (5n << 8n) | (1n << 20n) | 7n),
        '4101:263'.replace('4101', String(5 + 4096)),
      );
      const { rdev } = statSync('/dev/null', { bigint: true });
      assert.equal(deviceNumber(rdev), '1:3');
    });

    it('attributes: text, decimal, hexadecimal, empty, missing', () => {
      const device = machine.device('d', { text: 'hello', decimal: 42, hexadecimal: '0x10', empty: '', wrong: 'many' });
      assert.equal(attribute(device, 'text'), 'hello');
      assert.equal(attribute(device, 'missing'), undefined);
      assert.equal(numericAttribute(device, 'decimal'), 42);
      assert.equal(numericAttribute(device, 'hexadecimal'), 16);
      for (const name of ['empty', 'wrong', 'missing']) assert.equal(numericAttribute(device, name), undefined);
    });

    it('what a directory lies in', () => {
      const nfit = '/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region3';
      assert.equal(ndRegion(`${nfit}/dax3.1/dax/dax3.0`), nfit);
      assert.equal(ndRegion(nfit), nfit);
      assert.equal(ndRegion('/sys/devices/platform/hmem.0/dax0.0'), undefined);
      assert.equal(isVolatileDax('/sys/devices/platform/hmem.0/dax0.0'), true);
      assert.equal(isVolatileDax(`${nfit}/dax3.0`), false);
      assert.equal(isVirtioPmem('/sys/devices/pci0000:00/0000:00:04.0/virtio1/ndbus0/region0/namespace0.0'), true);
      assert.equal(isVirtioPmem(`${nfit}/namespace3.0`), false);
    });
  });

  describe('holders of a lock', () => {
    function process_(pid: number, command: string, ...open: string[]): void {
      const directory = join(machine.host.proc, String(pid));
      mkdirSync(join(directory, 'fd'), { recursive: true });
      writeFileSync(join(directory, 'cmdline'), command);
      writeFileSync(join(directory, 'comm'), `name-${pid}\n`);
      for (const [fd, path] of open.entries()) symlinkSync(path, join(directory, 'fd', String(fd)));
    }

    it('are the processes that have the file open', () => {
      const path = file('held');
      writeFileSync(path, 'x');
      const { dev, ino } = statSync(path, { bigint: true });
      process_(100, 'node\0server.js\0', '/dev/null', path);
      process_(101, 'cat\0', '/dev/null');
      process_(102, `long\0${'x'.repeat(500)}`, path);
      process_(103, 'a\nb\0\0', path, path, '/nowhere');
      process_(process.pid, 'me', path);
      mkdirSync(join(machine.host.proc, '104')); // gone, or not ours to look at
      mkdirSync(join(machine.host.proc, 'bus'));
      const found = holders({ dev, ino }, machine.host);
      assert.deepEqual(
        found.sort((a, b) => a.pid - b.pid),
        [
          { pid: 100, name: 'name-100', command: 'node server.js' },
          { pid: 102, name: 'name-102', command: `long ${'x'.repeat(55)}…` },
          { pid: 103, name: 'name-103', command: 'a b' },
        ],
      );
      assert.deepEqual(holders({ dev, ino: ino + 1n }, machine.host), []);
    });
  });

  describe('what is at a path', () => {
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

    it('device-DAX, with its size and alignment', () => {
      const device = character({ size: 2 ** 30, align: 2 ** 21 });
      const { kind, size, pageSize, device: found } = inspected('/dev/null');
      assert.deepEqual(
        { kind, size, pageSize, found },
        { kind: 'devdax', size: 2 ** 30, pageSize: 2 ** 21, found: device },
      );
    });

    it('device-DAX that does not tell is refused, and so is another character device', () => {
      character({ size: 2 ** 30 });
      throwsCode(() => inspected('/dev/null'), 'ENODEV', { message: /size and alignment/ });
      throwsCode(() => inspected('/dev/zero'), 'ENODEV', { message: /neither device-DAX nor/ });
    });

    it('a character device of another kind is refused', () => {
      character({ size: 4096, align: 4096 }, 'mem');
      throwsCode(() => inspected('/dev/null'), 'ENODEV', { message: /neither device-DAX nor/ });
    });

    it('a block device, with its size in bytes', function () {
      needsRoot(this);
      const path = ['/dev/loop0', '/dev/vda', '/dev/sda', '/dev/nvme0n1'].find((one) => existsSync(one));
      if (path === undefined) this.skip();
      throwsCode(() => inspected(path), 'ENODEV', { message: /sysfs does not know/ });
      const device = machine.device('virtual/block/disk', { size: 2048 });
      mkdirSync(join(machine.host.sys, 'dev', 'block'), { recursive: true });
      const { rdev } = statSync(path, { bigint: true });
      symlinkSync(device, join(machine.host.sys, 'dev', 'block', deviceNumber(rdev)));
      const { kind, size, device: found } = inspected(path);
      assert.deepEqual({ kind, size, found }, { kind: 'block', size: 2 ** 20, found: device });
    });

    it('a file, with its file system', () => {
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

    it('a file on a machine that tells nothing', () => {
      const path = file('file');
      writeFileSync(path, 'x');
      const nothing = { sys: '/nowhere', proc: '/nowhere' };
      assert.equal(inspected(path, nothing).fileSystem, undefined);
    });
  });
});

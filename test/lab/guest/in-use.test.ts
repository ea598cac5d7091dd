/** What a real kernel does with persistent memory as a block device is not stored to: file systems, swap, device mapper, md. */

import assert from 'node:assert/strict';
import { closeSync, constants, openSync } from 'node:fs';
import { basename } from 'node:path';
import { Region } from 'pmem';
import { Btt, PmemDisk, writePartitionTable } from 'pmem/block';
import { copyDevice, DaxDevice } from 'pmem/devdax';
import { rejectsCode, throwsCode } from '../../support/errors.js';
import { needsTool } from '../../support/tools.js';
import { run } from '../inside/setup.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

function deviceOf(name: string): string {
  const { device } = place(name);
  assert(device !== undefined);
  return device;
}

/** With a lock and without, but never to be read. */
function isRefused(path: string, message: RegExp): void {
  for (const shared of [false, true]) throwsCode(() => Region.open(path, { shared }), 'EBUSY', { message });
  Region.open(path, { readOnly: true }).close();
}

describe('Persistent memory in use as a block device', () => {
  for (const name of ['ext4', 'xfs', 'legacy', 'disk']) {
    it(`is refused if ${name} is mounted, with its mount point`, async () => {
      const device = deviceOf(name);
      const message = /it is mounted at '\/run\/devices\//;
      isRefused(device, message);
      throwsCode(() => DaxDevice.open(device, { align: 4096, emulate: true }), 'EBUSY', { message });
      const copy = copyDevice({ input: deviceOf('dax-4k'), output: device, length: 4096 });
      await rejectsCode(copy, 'EBUSY', { message });
    });
  }

  it('is refused if it is mounted in another mount namespace', () => {
    const device = deviceOf('blank');
    run('mkfs.ext4', '-q', '-F', '-b', '4096', device);
    run('mkdir', '-p', '/run/hidden');
    // The process that mounted it stays, and the mount with it, in a namespace of its own.
    run(
      'sh',
      '-c',
      `unshare -m sh -c 'mount ${device} /run/hidden; exec sleep 1000' >/dev/null 2>&1 & echo $! >/run/hidden.pid; while ! [ -e /sys/fs/ext4/${basename(device)} ]; do :; done`,
    );
    try {
      isRefused(device, /mounted at '\/run\/hidden' in the mount namespace of process \d+/);
    } finally {
      run('sh', '-c', `kill $(cat /run/hidden.pid); while [ -e /sys/fs/ext4/${basename(device)} ]; do :; done`);
    }
    Region.open(device).close();
  });

  it('is refused if it is swap space', () => {
    const device = deviceOf('blank');
    run('mkswap', device);
    run('swapon', device);
    try {
      isRefused(device, /it is swap space/);
    } finally {
      run('swapoff', device);
    }
    using region = Region.open(device);
    throwsCode(() => Btt.format(region), 'ERR_PMEM_IN_USE', { message: /swap space/ });
    throwsCode(() => writePartitionTable(PmemDisk.open(region), { label: 'gpt', partitions: [] }), 'ERR_PMEM_IN_USE');
  });

  it('cannot be mounted or become swap space while a writable region is open, and can afterwards', () => {
    const device = deviceOf('blank');
    run('mkfs.ext4', '-q', '-F', '-b', '4096', device);
    run('mkdir', '-p', '/run/later');
    const region = Region.open(device);
    assert.throws(() => run('mount', device, '/run/later'), /busy|already mounted/);
    assert.throws(() => closeSync(openSync(device, constants.O_RDONLY | constants.O_EXCL)), { code: 'EBUSY' });
    region.close();
    run('mount', device, '/run/later');
    run('umount', '/run/later');
  });

  describe('in a stack of devices', () => {
    it('is refused below device mapper, and below what is mounted on that', function () {
      needsTool(this, 'dmsetup');
      const device = deviceOf('blank');
      run('modprobe', 'dm-mod');
      run('dmsetup', 'create', 'held', '--noudevsync', '--table', `0 65536 linear ${device} 0`);
      try {
        isRefused(device, /it is a part of device mapper's held, \/dev\/dm-\d+/);
        run('dmsetup', 'mknodes', 'held');
        run('mkfs.ext4', '-q', '-F', '/dev/mapper/held');
        run('mkdir', '-p', '/run/held');
        run('mount', '/dev/mapper/held', '/run/held');
        try {
          isRefused(device, /dm-\d+ is mounted at '\/run\/held'/);
          isRefused('/dev/mapper/held', /it is mounted at '\/run\/held'/);
        } finally {
          run('umount', '/run/held');
        }
      } finally {
        run('dmsetup', 'remove', '--noudevsync', 'held');
      }
      Region.open(device).close();
    });

    it('is refused below md', function () {
      needsTool(this, 'mdadm');
      const device = deviceOf('blank');
      run('modprobe', 'raid0');
      run('modprobe', 'linear');
      run('mdadm', '--build', '/dev/md9', '--level=linear', '--force', '--raid-devices=1', device);
      try {
        isRefused(device, /it is a part of \/dev\/md9/);
      } finally {
        run('mdadm', '--stop', '/dev/md9');
      }
      Region.open(device).close();
    });
  });
});

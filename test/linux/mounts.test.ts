/** Mounts, as proc(5) lists them. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findMount, parseMounts } from '#dist/linux/mounts.js';
import { Machine } from '../support/machine.js';
import { onDisk } from '../support/temp.js';

describe('the mount table', () => {
  const file = onDisk();
  let machine: Machine;
  beforeEach(() => {
    const root = file('machine');
    mkdirSync(root);
    machine = new Machine(root);
  });

  const TEXT = [
    '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro',
    '30 22 259:0 / /mnt/pmem rw,relatime - ext4 /dev/pmem0 rw,dax',
    '31 22 0:40 /sub /mnt/with\\040space\\134 rw master:1 propagate_from:2 - btrfs /dev/sdb rw',
    '32 22 0:41 / /mnt/none rw - tmpfs tmpfs rw,size=1k',
    '',
    'not a line',
    '33 22 0:42',
  ].join('\n');

  it('is parsed with optional fields, escapes and malformed lines', () => {
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

  it('finds the mount of a file by device number, and by the longest mount point where the number is anonymous', () => {
    writeFileSync(join(machine.host.proc, 'self', 'mountinfo'), TEXT);
    const at = (device: string, path: string) => findMount(machine.host, device, path)?.mountPoint;
    assert.equal(at('259:0', '/mnt/pmem/file'), '/mnt/pmem');
    assert.equal(at('0:99', '/mnt/with space\\/file'), '/mnt/with space\\');
    assert.equal(at('0:99', '/mnt/pmemory/file'), '/');
    assert.equal(at('0:99', '/elsewhere'), '/');
    // Deleted, or seen from another mount namespace: the device decides.
    assert.equal(at('259:0', '/nowhere'), '/mnt/pmem');
  });

  it('finds the later of two mounts at the same mount point', () => {
    writeFileSync(
      join(machine.host.proc, 'self', 'mountinfo'),
      '1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /x rw - ext4 b rw\n3 1 8:3 / /x rw - xfs c rw\n',
    );
    assert.equal(findMount(machine.host, '0:0', '/x/file')?.type, 'xfs');
  });

  it('finds no mount without /proc', () =>
    assert.equal(findMount({ sys: '/nowhere', proc: '/nowhere' }, '8:1', '/'), undefined));
});

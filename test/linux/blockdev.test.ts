/** Uses of block devices, on a machine that is played. */

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { topologyOf } from '#dist/linux/blockdev/topology.js';
import { usesOf } from '#dist/linux/blockdev/uses.js';
import { Machine } from '../support/machine.js';
import { onDisk } from '../support/temp.js';

describe('usesOf', () => {
  const directory = onDisk();

  it('finds mounts by device and by source, swap space, device mapper, and file systems that are mounted elsewhere', () => {
    const machine = new Machine(directory('machine'));
    const { sys, proc } = machine.host;
    const disk = machine.device('pmem0', { dev: '259:0' });
    machine.device('pmem0/pmem0p1', { dev: '259:1', partition: 1 });
    machine.device('pmem0/pmem0p2', { dev: '259:2', partition: 2 });
    machine.device('pmem0/pmem0p3', { dev: '259:3', partition: 3 });
    const held = machine.device('virtual/dm-0', { dev: '253:0' });
    machine.device('virtual/dm-0/dm', { name: 'vg-root' });
    machine.device('pmem0/pmem0p3/holders');
    symlinkSync(held, join(disk, 'pmem0p3', 'holders', 'dm-0'));
    machine.mount('259:1', '/a\\040b', 'ext4', '/dev/root');
    machine.mount('0:40', '/pool', 'btrfs', '/dev/dm-0');
    writeFileSync(join(proc, 'swaps'), 'Filename\tType\tSize\tUsed\tPriority\n/dev/pmem0p2   partition\t1020\t0\t-2\n');
    mkdirSync(join(sys, 'fs', 'xfs', 'pmem0'), { recursive: true });
    const uses = usesOf(disk, machine.host).map(({ device, is }) => `${device} ${is}`);
    assert.deepEqual(uses.sort(), [
      "dm-0 is mounted at '/pool'",
      'pmem0 has a mounted xfs file system, at a place that cannot be seen from here',
      "pmem0p1 is mounted at '/a b'",
      'pmem0p2 is swap space',
      "pmem0p3 is a part of device mapper's vg-root, /dev/dm-0",
    ]);
    // Of a partition, its neighbours' uses are no matter, and those of the disk are.
    const first = usesOf(join(disk, 'pmem0p1'), machine.host).map(({ device }) => device);
    assert.deepEqual(first.sort(), ['pmem0', 'pmem0p1']);
  });
});

describe('topologyOf', () => {
  const directory = onDisk();

  it('reads the queue of the disk, for its partitions too', () => {
    const machine = new Machine(directory('machine'));
    const disk = machine.device('pmem0', { dev: '259:0' });
    const sizes = { logical_block_size: 512, physical_block_size: 4096, minimum_io_size: 4096, optimal_io_size: 0 };
    machine.device('pmem0/queue', sizes);
    machine.device('pmem0/device', { model: 'NVDIMM' });
    machine.device('pmem0/pmem0p1', { dev: '259:1', partition: 1 });
    const expected = { logical: 512, physical: 4096, leastIo: 4096, bestIo: 4096, model: 'NVDIMM' };
    assert.deepEqual(topologyOf(disk), expected);
    assert.deepEqual(topologyOf(join(disk, 'pmem0p1')), expected);
  });

  it('is sectors of 512 bytes where the kernel does not tell', () => {
    const machine = new Machine(directory('silent'));
    const expected = { logical: 512, physical: 512, leastIo: 512, bestIo: 512, model: undefined };
    assert.deepEqual(topologyOf(machine.device('disk')), expected);
  });
});

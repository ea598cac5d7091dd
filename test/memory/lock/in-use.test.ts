/** No stores to what the kernel or another program uses: judged by mount(8), swapon(8), and open(2) with O_EXCL. */

import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Region } from 'pmem';
import { Btt, openPartition, PmemDisk, writePartitionTable } from 'pmem/block';
import { copyDevice, DaxDevice, DaxRegion } from 'pmem/devdax';
import { startChild } from '../../support/child.js';
import { codeOf, rejectsCode, throwsCode } from '../../support/errors.js';
import { loopDevices, run } from '../../support/loop.js';
import { newRegion } from '../../support/regions.js';
import { needsPlainBuild } from '../../support/sanitizers.js';
import { onDisk, onTmpfs } from '../../support/temp.js';

const MIB = 2 ** 20;

/** Whether the device is claimed: mkfs asks the same way. */
function isClaimed(device: string): boolean {
  let fd: number;
  try {
    fd = openSync(device, constants.O_RDONLY | constants.O_EXCL);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EBUSY');
    return true;
  }
  closeSync(fd);
  return false;
}

describe('a block device that is in use', () => {
  const file = onTmpfs();
  const onRealDisk = onDisk();
  const loop = loopDevices();
  const mounted: string[] = [];
  afterEach(() => {
    for (const directory of mounted.splice(0)) run('umount', directory);
  });

  function mount(device: string): string {
    const directory = file('mnt');
    mkdirSync(directory);
    run('mount', device, directory);
    mounted.push(directory);
    return directory;
  }

  function withFileSystem(): { device: string; image: string } {
    const image = file('image');
    const device = loop.attach(image, 16);
    run('mkfs.ext4', '-q', '-F', device);
    return { device, image };
  }

  it('is not opened for storing while it is mounted, with a lock or shared; the error names the mount point', () => {
    const { device } = withFileSystem();
    const message = new RegExp(`'${device}' is in use: it is mounted at '${mount(device)}'`);
    throwsCode(() => Region.open(device), 'EBUSY', { message });
    throwsCode(() => Region.open(device, { shared: true }), 'EBUSY', { message });
    throwsCode(() => Region.open(device, { offset: '8MiB', length: '1MiB' }), 'EBUSY', { message });
  });

  it('can be read while it is mounted', () => {
    const { device } = withFileSystem();
    mount(device);
    using region = Region.open(device, { readOnly: true });
    assert.equal(region.view(1080, 2).toString('hex'), '53ef');
    using shared = Region.open(device, { readOnly: true, shared: true });
    assert.equal(shared.size, 16 * MIB);
  });

  it('is opened with allowInUse while it is mounted', () => {
    const { device } = withFileSystem();
    mount(device);
    using region = Region.open(device, { allowInUse: true });
    assert.equal(region.readOnly, false);
    using shared = Region.open(device, { allowInUse: true, shared: true });
    assert.equal(shared.readOnly, false);
  });

  it('is not stored to by DaxDevice, DaxRegion and copyDevice while it is mounted', async () => {
    const { device } = withFileSystem();
    const message = new RegExp(`mounted at '${mount(device)}'`);
    throwsCode(() => DaxDevice.open(device, { align: 4096, emulate: true }), 'EBUSY', { message });
    using region = DaxRegion.open(device);
    throwsCode(() => region.create({ size: '2MiB' }), 'EBUSY', { message });
    const source = file('source');
    newRegion(source, MIB).close();
    const copy = copyDevice({ input: source, emulate: 'input', output: device, length: 4096 });
    await rejectsCode(copy, 'EBUSY', { message });
  });

  it('is not mapped by a DaxDevice that was opened before it was mounted', () => {
    const { device } = withFileSystem();
    using dax = DaxDevice.open(device, { align: 4096, emulate: true });
    const message = new RegExp(`mounted at '${mount(device)}'`);
    throwsCode(() => dax.map(), 'EBUSY', { message });
    using reader = DaxDevice.open(device, { align: 4096, emulate: true, readOnly: true });
    using region = reader.map();
    assert.equal(region.readOnly, true);
  });

  it('is refused by each of its nodes', () => {
    const { device } = withFileSystem();
    const node = file('node');
    run('mknod', node, 'b', '7', basename(device).slice(4));
    mount(device);
    throwsCode(() => Region.open(node), 'EBUSY', { message: /is mounted at/ });
  });

  it('is refused while it is mounted in another mount namespace', async () => {
    const { device } = withFileSystem();
    const directory = file('elsewhere');
    mkdirSync(directory);
    const child = startChild(
      async (target: string, place: string) => {
        const { spawn } = await import('node:child_process');
        const shell = spawn('unshare', ['-m', 'sh', '-c', `mount ${target} ${place} && echo mounted && read line`], {
          stdio: ['inherit', 'inherit', 'inherit'],
        });
        await new Promise((resolve) => shell.once('close', resolve));
      },
      [device, directory],
    );
    assert.equal(await child.line(), 'mounted');
    const message = new RegExp(`mounted at '${directory}' in the mount namespace of process \\d+`);
    throwsCode(() => Region.open(device), 'EBUSY', { message });
    throwsCode(() => Region.open(device, { shared: true }), 'EBUSY', { message });
    child.tell('end');
    await child.ended;
    Region.open(device).close();
  });

  it('is refused while another program has claimed it, but not with shared: true', async () => {
    const device = loop.attach(file('image'), 1);
    const child = startChild(
      async (target: string) => {
        const { constants, openSync } = await import('node:fs');
        openSync(target, constants.O_RDONLY | constants.O_EXCL);
        process.stdout.write('claimed\n');
        process.stdin.on('data', () => process.exit());
      },
      [device],
    );
    assert.equal(await child.line(), 'claimed');
    throwsCode(() => Region.open(device), 'EBUSY', { message: new RegExp(`open in process ${child.pid} `) });
    Region.open(device, { shared: true }).close();
    Region.open(device, { readOnly: true }).close();
    child.tell('end');
    await child.ended;
    Region.open(device).close();
  });

  it('is refused while it is swap space', function () {
    const device = loop.attach(file('image'), 1);
    run('mkswap', device);
    try {
      run('swapon', device);
    } catch (error) {
      if (process.env['CI'] === 'true') throw error;
      console.log(`      skipped: ${String(error)}`);
      this.skip();
    }
    try {
      for (const shared of [false, true]) {
        throwsCode(() => Region.open(device, { shared }), 'EBUSY', { message: /it is swap space/ });
      }
    } finally {
      run('swapoff', device);
    }
  });

  it('is refused when one of its partitions is mounted, and the partition when the disk is', () => {
    const device = loop.attach(file('image'), 40);
    run('addpart', device, '1', '2048', '32768');
    run('addpart', device, '2', '34816', '32768');
    run('mkfs.ext4', '-q', `${device}p1`);
    const message = new RegExp(`: (it|${basename(device)}p1) is mounted at '${mount(`${device}p1`)}'`);
    for (const shared of [false, true]) {
      throwsCode(() => Region.open(device, { shared }), 'EBUSY', { message });
      throwsCode(() => Region.open(`${device}p1`, { shared }), 'EBUSY', { message });
      Region.open(`${device}p2`, { shared }).close();
    }
    run('umount', mounted.pop() ?? '');
    run('mkfs.ext4', '-q', '-F', device);
    const whole = new RegExp(`${basename(device)} is mounted at '${mount(device)}'`);
    for (const shared of [false, true]) {
      throwsCode(() => Region.open(`${device}p2`, { shared }), 'EBUSY', { message: whole });
    }
  });

  it('is ERR_PMEM_BUSY when this process stores to one of its partitions, which the error names', () => {
    const device = loop.attach(file('image'), 4);
    run('addpart', device, '1', '2048', '4096');
    using part = Region.open(`${device}p1`);
    assert.equal(part.size, 2 * MIB);
    throwsCode(() => Region.open(device), 'ERR_PMEM_BUSY', {
      message: new RegExp(`this process stores to ${basename(device)}p1`),
    });
    Region.open(device, { shared: true }).close();
  });

  it('is refused when a loop device over it is mounted', () => {
    const { device } = withFileSystem();
    const above = loop.attachTo(device);
    Region.open(device).close();
    const message = new RegExp(`${basename(above)} is mounted at '${mount(above)}'`);
    throwsCode(() => Region.open(device), 'EBUSY', { message });
    throwsCode(() => Region.open(device, { shared: true }), 'EBUSY', { message });
    throwsCode(() => DaxRegion.open(device).create({ size: '2MiB' }), 'EBUSY', { message });
  });

  it('is refused as the file below a mounted loop device, by each of its paths', () => {
    const { device, image } = withFileSystem();
    const other = file('other');
    linkSync(image, other);
    Region.open(image).close();
    const message = new RegExp(`${basename(device)} is mounted at '${mount(device)}'`);
    rmSync(image);
    throwsCode(() => Region.open(other), 'EBUSY', { message });
    throwsCode(() => Region.open(other, { shared: true }), 'EBUSY', { message });
    throwsCode(() => DaxDevice.open(other, { align: 4096, emulate: true }), 'EBUSY', { message });
    Region.open(other, { readOnly: true }).close();
    Region.open(other, { allowInUse: true }).close();
  });

  it('is found above a file without opening another file that has the loop device’s name here', function () {
    needsPlainBuild(this);
    const { device, image } = withFileSystem();
    const fifo = file('fifo');
    run('mkfifo', fifo);
    mount(device);
    const script = `
      import { Region } from 'pmem';
      try { Region.open(${JSON.stringify(image)}).close(); console.log('opened'); } catch (error) { console.log(error.code); }`;
    // In a mount namespace of its own the device's node is a FIFO, whose reader waits for a writer.
    const hidden = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
    const node = [process.execPath, '--input-type=module', '-e', script];
    const found = run('timeout', '30', 'unshare', '-m', 'sh', '-c', hidden, 'sh', fifo, device, ...node);
    assert.equal(found.trim(), 'EBUSY');
  });

  it('gets no BTT and no partition table after it was mounted, not even with force', () => {
    const { device, image } = withFileSystem();
    const path = file('large');
    writeFileSync(path, '');
    truncateSync(path, 20 * MIB);
    const other = loop.attachTo(path);
    const shared = Region.open(device, { shared: true });
    const below = Region.open(path, { assumePersistent: true });
    const part = openPartition(PmemDisk.open(below), { firstSector: 0, sectorCount: 4096 });
    run('mkfs.ext4', '-q', '-F', other);
    const message = new RegExp(`mounted at '(${mount(device)}|${mount(other)})'`);
    throwsCode(() => Btt.format(below, { force: true }), 'EBUSY', { message });
    for (const disk of [PmemDisk.open(shared), PmemDisk.open(below), part]) {
      throwsCode(() => writePartitionTable(disk, { label: 'gpt', partitions: [] }, { force: true }), 'EBUSY', {
        message,
      });
    }
    using reader = Region.open(image, { readOnly: true });
    throwsCode(() => Btt.open(reader), 'ERR_PMEM_BTT_NOT_FOUND');
    shared.close();
    below.close();
  });

  it('is refused as an active swap file, as mmap(2) refuses it', function () {
    const path = onRealDisk('swap'); // tmpfs has no swap files
    newRegion(path, MIB).close();
    run('chmod', '600', path);
    run('mkswap', path);
    try {
      run('swapon', path);
    } catch (error) {
      console.log(`      skipped: this file system has no swap files: ${String(error)}`);
      this.skip();
    }
    try {
      throwsCode(() => Region.open(path), 'ETXTBSY', { message: /an active swap file/ });
    } finally {
      run('swapoff', path);
    }
  });
});

describe('a block device that this process stores to', () => {
  const file = onTmpfs();
  const loop = loopDevices();

  it('is claimed until the last region that stores is closed, and by no reader', () => {
    const device = loop.attach(file('image'), 1);
    const reader = Region.open(device, { readOnly: true });
    assert.equal(isClaimed(device), false, 'a reader');
    const first = Region.open(device, { offset: 0, length: 4096 });
    const second = Region.open(device);
    assert.equal(isClaimed(device), true, 'two writers');
    first.close();
    assert.equal(isClaimed(device), true, 'one writer');
    second.close();
    assert.equal(isClaimed(device), false, 'the reader again');
    const third = Region.open(device);
    reader.close();
    assert.equal(isClaimed(device), true, 'a writer alone');
    third.close();
    assert.equal(isClaimed(device), false, 'nobody');
  });

  it('is not claimed by a region with shared: true or allowInUse: true', () => {
    const device = loop.attach(file('image'), 1);
    using shared = Region.open(device, { shared: true });
    using allowed = Region.open(device, { allowInUse: true });
    assert.equal(isClaimed(device), false);
    assert.equal(shared.size, allowed.size);
    const plain = Region.open(device);
    assert.equal(isClaimed(device), true);
    plain.close();
    assert.equal(isClaimed(device), false);
  });

  it('cannot be mounted', () => {
    const device = loop.attach(file('image'), 16);
    run('mkfs.ext4', '-q', '-F', device);
    const directory = file('mnt');
    mkdirSync(directory);
    const region = Region.open(device);
    assert.throws(() => run('mount', device, directory), /busy|already mounted/);
    region.close();
    run('mount', device, directory);
    run('umount', directory);
  });

  it('is claimed once by all nodes and threads, until the last thread closes it', async () => {
    const device = loop.attach(file('image'), 1);
    const node = file('node');
    run('mknod', node, 'b', '7', basename(device).slice(4));
    const region = Region.open(device);
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
      import('pmem').then(({ Region }) => {
        const open = [Region.open(workerData.node), Region.attach(workerData.token)];
        parentPort.once('message', () => { for (const one of open) one.close(); });
        parentPort.postMessage('open');
      });`,
      { eval: true, workerData: { node, token: region.share() } },
    );
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    region.close();
    assert.equal(isClaimed(device), true, 'the worker has it');
    worker.postMessage('close');
    await new Promise((resolve) => worker.once('exit', resolve));
    assert.equal(isClaimed(device), false);
  });

  it('is no longer claimed after the termination of the worker that stored to it', async () => {
    const device = loop.attach(file('image'), 1);
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
      import('pmem').then(({ Region }) => {
        globalThis.kept = Region.open(workerData);
        parentPort.on('message', () => {}); // keeps the thread alive
        parentPort.postMessage('open');
      });`,
      { eval: true, workerData: device },
    );
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    assert.equal(isClaimed(device), true);
    await worker.terminate();
    assert.equal(isClaimed(device), false);
  });

  it('is claimed by an instance of a DaxRegion', () => {
    const device = loop.attach(file('image'), 4);
    const region = DaxRegion.open(device);
    assert.equal(isClaimed(device), false);
    const instance = region.create({ size: '2MiB' });
    assert.equal(isClaimed(device), true);
    instance.destroy();
    assert.equal(isClaimed(device), false);
    region.close();
  });

  it('is not claimed after a failed open', () => {
    const device = loop.attach(file('image'), 1);
    assert.equal(
      codeOf(() => Region.open(device, { align: 2 ** 48 })),
      'ENOMEM',
    );
    assert.equal(
      codeOf(() => Region.open(device, { granularity: 'byte' })),
      'ERR_PMEM_GRANULARITY',
    );
    assert.equal(isClaimed(device), false);
  });

  it('is not open in a program that this process starts', async () => {
    const device = loop.attach(file('image'), 1);
    const region = Region.open(device);
    const child = startChild(() => {
      process.stdout.write('started\n');
      process.stdin.on('data', () => process.exit());
    }, []);
    assert.equal(await child.line(), 'started');
    const { rdev } = statSync(device);
    const descriptors = join('/proc', String(child.pid), 'fd');
    const open = readdirSync(descriptors).filter((fd) => {
      const target = readlinkSync(join(descriptors, fd));
      return target.startsWith('/dev/') && statSync(target, { throwIfNoEntry: false })?.rdev === rdev;
    });
    assert.deepEqual(open, []);
    region.close();
    assert.equal(isClaimed(device), false);
    child.tell('end');
    await child.ended;
  });
});

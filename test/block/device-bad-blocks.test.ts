import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PmemDisk } from 'pmem/block';
import { deviceBadBlocks } from '#dist/block/bad-blocks/device.js';
import { throwsCode } from '../support/errors.js';
import { LossyMemory } from '../support/lossy-memory.js';
import { Machine, nvdimms } from '../support/machine.js';

const MIB = 2 ** 20;

describe('deviceBadBlocks', () => {
  let root = '';
  let machine: Machine;
  let region = '';

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
    machine = new Machine(root);
    region = nvdimms(machine);
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('reads the list of a block device for the part that is mapped', () => {
    const device = machine.device(`${region}/namespace0.0/block/pmem0`, { badblocks: '8 1\n2048 16\n9000 1' });
    const whole = deviceBadBlocks({ kind: 'block', device, fileOffset: 0, size: 16 * MIB });
    assert.equal(String(whole), '8 1\n2048 16\n9000 1\n');
    const part = deviceBadBlocks({ kind: 'block', device, fileOffset: MIB + 4096, size: MIB });
    assert.equal(String(part), '0 8\n');
    assert.deepEqual(part?.firstLasting(0, 1), { start: 0, count: 1 });
  });

  it('names each sector with a bad byte where the mapped part begins or ends within a unit', () => {
    const device = machine.device(`${region}/namespace0.0/block/pmem0`, { badblocks: '2 1\n15 1' });
    for (const [fileOffset, size, expected] of [
      [100, 8192, '1 2\n14 2\n'],
      [1024 + 511, 7000, '0 1\n12 2\n'],
      [1536, 6144 + 8, '12 1\n'],
      [1536, 6144, ''],
    ] as const) {
      assert.equal(String(deviceBadBlocks({ kind: 'block', device, fileOffset, size })), expected);
    }
    const mapped = Object.assign(new LossyMemory(8192), { kind: 'block', device, fileOffset: 100 });
    throwsCode(() => PmemDisk.open(mapped).read(2, Buffer.alloc(512)), 'EIO', {
      message: /sector 2 of the disk is bad/,
    });
  });

  it('reads the part of the list that belongs to a partition', () => {
    machine.device(`${region}/namespace0.0/block/pmem0`, { badblocks: '2060 2' });
    const device = machine.device(`${region}/namespace0.0/block/pmem0/pmem0p1`, { start: 2048 });
    assert.equal(String(deviceBadBlocks({ kind: 'block', device, fileOffset: 0, size: MIB })), '12 2\n');
  });

  it('reads the list of the region of a DAX device, from where the device begins', () => {
    machine.device(region, { badblocks: '4100 1', resource: '0x100000000' });
    const device = machine.device(`${region}/dax0.0/dax0.0`, { resource: '0x100200000' });
    assert.equal(String(deviceBadBlocks({ kind: 'devdax', device, fileOffset: 0, size: MIB })), '4 1\n');
  });

  it('knows of a DAX device without root only that an empty list is empty', () => {
    machine.device(region, { badblocks: '' });
    const device = machine.device(`${region}/dax0.0/dax0.0`);
    const asked = { kind: 'devdax', device, fileOffset: 0, size: MIB } as const;
    assert.equal(deviceBadBlocks(asked)?.isEmpty, true);
    machine.device(region, { badblocks: '5 1' });
    assert.equal(deviceBadBlocks(asked), undefined);
  });

  it('knows no list of other kinds of memory', () => {
    const device = machine.device(`${region}/namespace0.0/block/pmem0`, { badblocks: '8 1' });
    for (const kind of ['file', 'devmem', 'pci'] as const) {
      assert.equal(deviceBadBlocks({ kind, device, fileOffset: 0, size: MIB }), undefined);
    }
    assert.equal(deviceBadBlocks({ kind: 'block', device: undefined, fileOffset: 0, size: MIB }), undefined);
    const bare = machine.device('virtual/block/loop0');
    assert.equal(deviceBadBlocks({ kind: 'block', device: bare, fileOffset: 0, size: MIB }), undefined);
  });

  it('is the default list of a PmemDisk on the device', () => {
    const device = machine.device(`${region}/namespace0.0/block/pmem0`, { badblocks: '20 1' });
    const mapped = Object.assign(new LossyMemory(MIB), { kind: 'block', device, fileOffset: 4096 });
    const disk = PmemDisk.open(mapped, { start: 4096 });
    assert.equal(String(disk.badBlocks), '4 1\n');
    throwsCode(() => disk.read(4, Buffer.alloc(512)), 'EIO');
    throwsCode(() => disk.write(4, Buffer.alloc(512)), 'EIO');
    assert.equal(PmemDisk.open(mapped, { badBlocks: [] }).badBlocks.isEmpty, true);
  });

  it('lets a PmemDisk write bad sectors through the driver of that device, and of no other', () => {
    const device = machine.device(`${region}/namespace0.0/block/pmem0`, { badblocks: '20 1' });
    const other = join(root, 'other');
    writeFileSync(other, Buffer.alloc(MIB, 'x'));
    for (const [path, reason] of [
      [join(root, 'gone'), /ENOENT/],
      [other, /ENODEV.*another device/],
    ] as const) {
      const memory = new LossyMemory(MIB);
      const disk = PmemDisk.open(Object.assign(memory, { kind: 'block', device, fileOffset: 0, path }));
      for (const write of [() => disk.write(20, Buffer.alloc(512)), () => disk.writeZeroes(16, 8)]) {
        throwsCode(write, 'EIO', { message: reason });
      }
      assert.equal(String(disk.badBlocks), '20 1\n');
      assert(memory.view(0, MIB).every((byte) => byte === 0));
      throwsCode(() => disk.read(20, Buffer.alloc(512)), 'EIO');
    }
    assert(readFileSync(other).every((byte) => byte === 0x78));
  });
});

import assert from 'node:assert/strict';
import { type Memory, Region } from 'pmem';
import { BadBlocks, PmemDisk } from 'pmem/block';
import { throwsCode } from '../support/errors.js';
import { LossyMemory } from '../support/lossy-memory.js';
import { newRegion } from '../support/regions.js';
import { onDisk, onTmpfs } from '../support/temp.js';

const KIB = 2 ** 10;

describe('PmemDisk.open', () => {
  const memory = new LossyMemory(64 * KIB);

  it('uses all whole sectors of the memory by default', () => {
    const disk = PmemDisk.open(new LossyMemory(10_000));
    assert.deepEqual([disk.sectorSize, disk.sectorCount, disk.size, disk.start], [512, 19, 9728, 0]);
    const large = PmemDisk.open(new LossyMemory(10_000), { sectorSize: 4096 });
    assert.deepEqual([large.sectorSize, large.sectorCount, large.size], [4096, 2, 8192]);
  });

  it('uses a part of the memory when asked', () => {
    const disk = PmemDisk.open(memory, { start: '4KiB', size: '1KiB' });
    assert.deepEqual([disk.sectorCount, disk.size, disk.start], [2, 1024, 4096]);
    disk.write(1, Buffer.alloc(512, 7));
    assert.deepEqual(memory.view(4096 + 511, 3), Buffer.from([0, 7, 7]));
    assert.equal(memory.view(4096 + 1024, 1)[0], 0);
  });

  it('refuses a value that is no memory', () => {
    for (const wrong of [undefined, null, 4096, 'memory', {}, { size: 4096 }, Buffer.alloc(4096)]) {
      throwsCode(() => PmemDisk.open(wrong as unknown as Memory), 'ERR_INVALID_ARG_TYPE', { name: 'TypeError' });
    }
  });

  const refused: [options: unknown, code: string][] = [
    [null, 'ERR_INVALID_ARG_TYPE'],
    ['512', 'ERR_INVALID_ARG_TYPE'],
    [{ sectorsize: 512 }, 'ERR_INVALID_ARG_VALUE'],
    [{ sectorSize: '512' }, 'ERR_INVALID_ARG_TYPE'],
    [{ sectorSize: 520 }, 'ERR_INVALID_ARG_VALUE'],
    [{ sectorSize: 0 }, 'ERR_INVALID_ARG_VALUE'],
    [{ sectorSize: Number.NaN }, 'ERR_INVALID_ARG_VALUE'],
    [{ start: -512 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 100 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 512, sectorSize: 4096 }, 'ERR_OUT_OF_RANGE'],
    [{ start: '64KiB' }, 'ERR_OUT_OF_RANGE'],
    [{ start: '1GiB' }, 'ERR_OUT_OF_RANGE'],
    [{ start: 'here' }, 'ERR_INVALID_ARG_VALUE'],
    [{ size: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ size: 513 }, 'ERR_OUT_OF_RANGE'],
    [{ size: '65KiB' }, 'ERR_OUT_OF_RANGE'],
    [{ start: 512, size: '64KiB' }, 'ERR_OUT_OF_RANGE'],
    [{ readOnly: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ badBlocks: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ badBlocks: [7] }, 'ERR_INVALID_ARG_TYPE'],
    [{ badBlocks: [{ start: -1, count: 1 }] }, 'ERR_OUT_OF_RANGE'],
  ];
  for (const [options, code] of refused) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      throwsCode(() => PmemDisk.open(memory, options as object), code);
    });
  }

  it('refuses a memory smaller than a sector', () => {
    throwsCode(() => PmemDisk.open(new LossyMemory(504)), 'ERR_OUT_OF_RANGE');
    throwsCode(() => PmemDisk.open(new LossyMemory(4088), { sectorSize: 4096 }), 'ERR_OUT_OF_RANGE');
  });

  it('is the only way to make a disk: the constructor refuses', () => {
    throwsCode(() => Reflect.construct(PmemDisk, []), 'ERR_INVALID_ARG_VALUE');
  });
});

describe('PmemDisk', () => {
  const file = onDisk();

  it('makes one call of the memory for each copy', () => {
    const memory = new LossyMemory(64 * KIB);
    const disk = PmemDisk.open(memory);
    const sector = Buffer.alloc(512);
    const made = (run: () => void): string[] => {
      memory.calls.length = 0;
      run();
      return [...memory.calls];
    };
    assert.deepEqual(
      made(() => disk.read(3, sector)),
      ['read'],
    );
    assert.deepEqual(
      made(() => disk.write(3, sector)),
      ['write flush'],
    );
    assert.deepEqual(
      made(() => disk.write(3, sector, { fua: true })),
      ['write persist'],
    );
    assert.deepEqual(
      made(() => disk.write(3, sector, { fua: false })),
      ['write flush'],
    );
    assert.deepEqual(
      made(() => disk.writev(3, [sector, sector, sector], { fua: true })),
      ['write flush', 'write flush', 'write flush', 'drain'],
    );
    assert.deepEqual(
      made(() => disk.flush()),
      ['drain'],
    );
    assert.deepEqual(
      made(() => disk.writeZeroes(3, 9)),
      ['fill flush'],
    );
    assert.deepEqual(
      made(() => disk.writeZeroes(3, 9, { fua: true })),
      ['fill persist'],
    );
    assert.deepEqual(
      made(() => disk.discard(3, 9)),
      [],
    );
    assert.deepEqual(
      made(() => disk.persist(3, 9)),
      ['persist'],
    );
    assert.deepEqual(
      made(() => disk.directAccess(3, 9)),
      ['view'],
    );
  });

  it('has the geometry of a PC disk', () => {
    const disk = PmemDisk.open(new LossyMemory(512 * 255 * 63 * 2 + 512));
    assert.deepEqual(disk.geometry, { heads: 255, sectors: 63, cylinders: 2 });
    assert.deepEqual(PmemDisk.open(new LossyMemory(512)).geometry, { heads: 255, sectors: 63, cylinders: 0 });
  });

  it('gives a view of the memory by direct access, not a copy', () => {
    const region = newRegion(file('direct'), '64KiB');
    const disk = PmemDisk.open(region, { start: '8KiB' });
    const view = region.view();
    disk.directAccess(2, 3)[5] = 99;
    assert.equal(view[8192 + 1024 + 5], 99);
    region.close();
  });

  it('ignores a length property that an array has of its own', () => {
    const memory = new LossyMemory(4096);
    const disk = PmemDisk.open(memory, { size: 1024 });
    const liar = Buffer.alloc(2048, 1);
    Object.defineProperty(liar, 'length', { value: 512 });
    throwsCode(() => disk.write(0, liar), 'ERR_OUT_OF_RANGE');
    throwsCode(() => disk.write(1, liar), 'ERR_OUT_OF_RANGE');
    const other = Buffer.alloc(512, 1);
    Object.defineProperty(other, 'length', { value: 513 });
    disk.write(0, other);
  });

  it('treats a detached array as an empty one', () => {
    const region = newRegion(file('detached'), '64KiB');
    const disk = PmemDisk.open(region);
    const bytes = new Uint8Array(512);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    disk.write(0, bytes);
    disk.read(0, bytes);
    region.close();
  });

  it('is read-only if the region is', () => {
    const path = file('read-only');
    newRegion(path, '64KiB').close();
    const region = Region.open(path, { readOnly: true, assumePersistent: true });
    const disk = PmemDisk.open(region);
    assert.equal(disk.readOnly, true);
    throwsCode(() => disk.write(0, Buffer.alloc(512)), 'ERR_PMEM_READ_ONLY', { message: /read-only/ });
    assert.equal(PmemDisk.open(region, { readOnly: false }).readOnly, true);
    region.close();
  });

  it('ends with the region', () => {
    const region = newRegion(file('closed'), '64KiB');
    const disk = PmemDisk.open(region);
    region.close();
    const sector = Buffer.alloc(512);
    const calls = [
      () => disk.read(0, sector),
      () => disk.write(0, sector),
      () => disk.flush(),
      () => disk.writeZeroes(0, 1),
      () => disk.directAccess(0, 1),
      () => disk.persist(0, 1),
      () => disk.discard(0, 1),
      () => disk.readv(0, []),
      () => disk.readv(0, [sector]),
      () => disk.writev(0, []),
      () => disk.writev(0, [sector.subarray(0, 0)]),
      () => disk.writeZeroes(0, 0),
      () => disk.directAccess(0, 0),
    ];
    for (const call of calls) throwsCode(call, 'ERR_PMEM_CLOSED');
  });

  it('says that the region is closed rather than that a sector is bad', () => {
    const region = newRegion(file('closed-bad'), '64KiB');
    const badBlocks = new BadBlocks([{ start: 0, count: 1 }]);
    const disk = PmemDisk.open(region, { badBlocks });
    region.close();
    throwsCode(() => disk.read(0, Buffer.alloc(512)), 'ERR_PMEM_CLOSED');
    throwsCode(() => disk.write(0, Buffer.alloc(512)), 'ERR_PMEM_CLOSED');
  });

  it('closes without closing the region or its Buffers', () => {
    const region = newRegion(file('open'), '64KiB');
    const disk = PmemDisk.open(region);
    const view = disk.directAccess(0, 1);
    disk.close();
    assert.equal(view.length, 512);
    region.read(0, Buffer.alloc(512));
    region.close();
    assert.equal(view.length, 0);
  });

  it('gives an errno with what the media say, for callers that pass it on', () => {
    const disk = PmemDisk.open(new LossyMemory(4096), { badBlocks: [{ start: 3, count: 1 }] });
    assert.throws(
      () => disk.read(0, Buffer.alloc(4096)),
      (error: NodeJS.ErrnoException) => error.code === 'EIO' && error.errno === 5,
    );
  });
});

describe('PmemDisk on volatile memory', () => {
  const file = onTmpfs();

  it('refuses to make anything durable', () => {
    const region = Region.open(file('volatile'), { create: true, size: '64KiB', assumePersistent: false });
    const disk = PmemDisk.open(region);
    throwsCode(() => {
      disk.write(0, Buffer.alloc(512));
      disk.flush();
    }, 'ERR_PMEM_VOLATILE');
    throwsCode(() => disk.write(0, Buffer.alloc(512), { fua: true }), 'ERR_PMEM_VOLATILE');
    region.close();
  });
});

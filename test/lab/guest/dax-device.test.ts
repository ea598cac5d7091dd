/** DaxDevice on real devices and on DAX files: what sysfs tells, and the guarantee of faults, counted. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Region } from 'pmem';
import { DaxDevice, DaxRegion } from 'pmem/devdax';
import { throwsCode } from '../../support/errors.js';
import { mapsOf } from '../../support/maps.js';
import { loadKernel } from '../../support/native.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SMALL = 4096;
const ALIGNMENTS = { 'dax-4k': 4096, 'dax-2m': 2 * MIB, 'dax-1g': GIB } as const;

/** What daxctl says of the device. */
interface Listed {
  readonly chardev: string;
  readonly size: number;
  readonly target_node: number;
  readonly align: number;
  readonly mode: string;
}

for (const [name, align] of Object.entries(ALIGNMENTS)) {
  describe(`DaxDevice on /dev/dax, aligned to ${align}`, () => {
    const path = () => place(name).path;

    it('tells the same as daxctl and sysfs', () => {
      using device = DaxDevice.open(path());
      const listed = JSON.parse(execFileSync('daxctl', ['list', '-D'], { encoding: 'utf8' })) as Listed[];
      const found = listed.find(({ chardev }) => chardev === basename(path()));
      const { name: chardev, size, align: alignment, targetNode, mode, emulated } = device;
      assert.deepEqual(
        { chardev, size, align: alignment, target_node: targetNode, mode },
        { ...found, align: found?.align ?? align },
      );
      assert.equal(emulated, false);
      const directory = realpathSync(`/sys/bus/dax/devices/${basename(path())}`);
      const attribute = (one: string) => Number(readFileSync(join(directory, one), 'utf8'));
      assert.equal(alignment, attribute('align'));
      assert.equal(device.resource, attribute('resource'));
      assert.equal(device.numaNode ?? -1, attribute('numa_node'));
      assert(directory.includes(`/${device.region}/`), `${device.region} in ${directory}`);
    });

    it('accepts only the alignment that the device was configured for', () => {
      for (const other of [4096, 2 * MIB, GIB].filter((one) => one !== align)) {
        throwsCode(() => DaxDevice.open(path(), { align: other }), 'EINVAL', {
          message: new RegExp(`configured with an alignment of ${align} .*${other} was asked for`),
        });
      }
      DaxDevice.open(path(), { align }).close();
      throwsCode(() => DaxDevice.open(path(), { size: align, emulate: true }), 'EINVAL', { message: /as a whole/ });
    });

    it('guarantees its page size for each fault, as smaps says', () => {
      using device = DaxDevice.open(path());
      const { reason, ...guarantee } = device.guarantee;
      assert.deepEqual(guarantee, { given: true, pageSize: align, verifiedBy: 'smaps', missing: [] });
      assert.match(reason, /device-DAX/);
      using region = device.map({ length: align });
      assert.equal(region.durability.pageSize, align);
      assert.equal(region.durability.granularity, 'cache-line');
      assert.equal(device.pageSize(), align);
      const [mapped] = mapsOf(path());
      assert(mapped?.flags.includes('dc'), 'a child would have the mapping');
    });

    if (align === SMALL) {
      it('as a region of a larger alignment is mapped by that', () => {
        const unit = 2 * MIB;
        using whole = DaxDevice.open(path());
        const { resource = Number.NaN } = whole;
        using region = DaxRegion.open(path(), { align: unit, emulate: true });
        const instance = region.create({ ranges: [{ offset: unit, length: unit }] });
        using device = instance.open();
        assert.equal(device.resource, resource + unit);
        assert.equal(device.guarantee.given, false);
        using mapped = device.map();
        assert.equal(mapped.size, unit);
        assert.equal(mapped.fileOffset, unit);
      });
    }

    for (const store of [0, 1] as const) {
      it(`takes exactly one fault for each page, ${store === 1 ? 'storing' : 'reading'}`, () => {
        const kernel = loadKernel();
        using device = DaxDevice.open(path());
        const length = align === SMALL ? 8 * MIB : align === GIB ? device.size : 64 * MIB;
        using region = device.map({ length });
        const view = region.view();
        assert.equal(kernel.touch(view, SMALL, store), length / align);
        assert.equal(kernel.touch(view, SMALL, store), 0);
      });
    }

    it('takes no fault after populate', async () => {
      const kernel = loadKernel();
      using device = DaxDevice.open(path());
      const length = Math.max(align, 4 * MIB);
      using region = device.map({ length, populate: true });
      assert.equal(kernel.touch(region.view(), SMALL, 1), 0);
      using again = await device.mapAsync({ length, populate: true });
      assert.equal(kernel.touch(again.view(), SMALL, 1), 0);
    });
  });
}

/** Where the file's first bytes are on its device, in bytes. */
function physicalOffset(path: string): number {
  const text = execFileSync('filefrag', ['-v', '-b1', path], { encoding: 'utf8' });
  return Number(/^ *0: +0\.\. *\d+: +(\d+)\.\./m.exec(text)?.[1]);
}

/** Makes a file that begins at a multiple of 2 MiB: ext4 fills gaps with the first ones, which are put aside. */
function makeAligned(path: string, size: number): void {
  const aside: string[] = [];
  for (let i = 0; i < 10; i++) {
    Region.open(path, { create: true, size }).close();
    if (physicalOffset(path) % (2 * MIB) === 0) break;
    aside.push(`${path}-${i}`);
    renameSync(path, `${path}-${i}`);
  }
  for (const one of aside) rmSync(one);
}

for (const type of ['ext4', 'xfs']) {
  describe(`DaxDevice on a DAX file on ${type}`, () => {
    const SIZE = 16 * MIB;
    const file = (name: string) => join(place(type).path, name);

    for (const [align, length] of [
      [2 * MIB, SIZE],
      [SMALL, 4 * MIB],
    ] as const) {
      it(`guarantees pages of ${align}, verified by single touches, and counts them exactly`, () => {
        const kernel = loadKernel();
        const path = file(`dax-${align}`);
        makeAligned(path, SIZE);
        using device = DaxDevice.open(path, { create: true, size: SIZE, align });
        const { given, pageSize, verifiedBy, missing } = device.guarantee;
        assert.deepEqual({ given, pageSize, verifiedBy }, { given: true, pageSize: align, verifiedBy: 'pagemap' });
        assert(missing.every((one) => !one.startsWith('fault granularity')));
        const told: number[] = [];
        using region = device.map({ length, onProgress: ({ done }) => told.push(done) });
        assert.equal(told.at(-1), length);
        assert.equal(region.durability.mapSync, true);
        assert.equal(region.durability.pageSize, align);
        assert.equal(kernel.touch(region.view(), SMALL, 1), length / align);
        assert.equal(kernel.touch(region.view(), SMALL, 1), 0);
        assert.equal(device.pageSize(), align);
        region.close();
        using reading = device.map({ length, readOnly: true });
        assert.equal(kernel.touch(reading.view(), SMALL, 0), length / align);
        reading.close();
        using populated = device.map({ length, populate: true });
        assert.equal(kernel.touch(populated.view(), SMALL, 1), 0);
        rmSync(path);
      });
    }

    it('changes nothing in the file by verifying', () => {
      const path = file('contents');
      const contents = Buffer.alloc(4 * MIB, 'what was there');
      writeFileSync(path, contents);
      Region.open(path).close();
      using device = DaxDevice.open(path, { emulate: true });
      using region = device.map();
      assert(region.view().equals(contents));
      rmSync(path);
    });

    it('refuses extents off the alignment of 2 MiB, unless emulated, and takes them at 4 KiB', () => {
      const path = file('shifted');
      makeAligned(path, SIZE + SMALL);
      // Everything moves by 4 KiB, away from the alignment.
      execFileSync('fallocate', ['--collapse-range', '--offset', '0', '--length', String(SMALL), path]);
      throwsCode(() => DaxDevice.open(path), 'ERR_PMEM_FAULT_GRANULARITY', {
        message: /at offset 0 a fault brings in 4 KiB; its extents there are not aligned to 2 MiB/,
      });
      using emulated = DaxDevice.open(path, { emulate: true });
      assert.equal(emulated.guarantee.given, false);
      assert.match(emulated.guarantee.missing[0] ?? '', /^fault granularity: .*not aligned/);
      using region = emulated.map();
      region.fill(0, SIZE, 1, 'persist');
      assert.equal(region.durability.pageSize, SMALL);
      using small = DaxDevice.open(path, { align: SMALL });
      assert.equal(small.guarantee.given, true);
      rmSync(path);
    });

    it('finds later extents off the alignment when it maps them', () => {
      const path = file('later');
      makeAligned(path, SIZE + SMALL);
      const at = String(4 * MIB);
      execFileSync('fallocate', ['--collapse-range', '--offset', at, '--length', String(SMALL), path]);
      using device = DaxDevice.open(path);
      assert.equal(device.guarantee.given, true);
      device.map({ length: '4MiB' }).close();
      throwsCode(() => device.map({ offset: '2MiB' }), 'ERR_PMEM_FAULT_GRANULARITY', { message: /at offset 4194304 / });
      assert.equal(mapsOf(path).length, 0);
      using emulated = DaxDevice.open(path, { emulate: true });
      assert.equal(emulated.guarantee.given, true);
      using region = emulated.map();
      assert.equal(emulated.guarantee.given, false);
      assert.equal(region.durability.pageSize, SMALL);
      rmSync(path);
    });

    it('refuses an alignment of 1 GiB, as files are mapped by at most 2 MiB', () => {
      const path = file('giant');
      throwsCode(() => DaxDevice.open(path, { create: true, size: GIB, align: GIB }), 'ERR_PMEM_FAULT_GRANULARITY', {
        message: /at most 2 MiB/,
      });
    });
  });
}

describe('DaxDevice where no fault can be guaranteed', () => {
  const { reserved } = everything;

  it('opens reserved physical memory emulated only', () => {
    assert(reserved !== undefined);
    const { start: offset, size } = reserved;
    throwsCode(() => DaxDevice.open('/dev/mem', { offset, size }), 'ERR_PMEM_FAULT_GRANULARITY', {
      message: /mmap itself maps all of its pages/,
    });
    throwsCode(() => DaxDevice.open('/dev/mem', { offset, emulate: true }), 'EINVAL', { message: /no end/ });
    using device = DaxDevice.open('/dev/mem', { offset, size, emulate: true });
    assert.equal(device.name, `mem@0x${offset.toString(16)}`);
    using region = device.map({ offset: '2MiB' });
    region.write(0, Buffer.from('reserved'), 'persist');
    using plain = Region.open('/dev/mem', { offset: offset + 2 * MIB, length: 4096, shared: true });
    assert.equal(plain.view(0, 8).toString(), 'reserved');
  });

  for (const name of ['disk', 'tmpfs']) {
    it(`opens a file on ${name} emulated only`, () => {
      const path = join(place(name).path, 'emulated');
      throwsCode(() => DaxDevice.open(path, { create: true, size: 4 * MIB }), 'ERR_PMEM_FAULT_GRANULARITY');
      using device = DaxDevice.open(path, { create: true, size: 4 * MIB, emulate: true });
      assert.equal(device.map().size, 4 * MIB);
      rmSync(path);
    });
  }

  for (const name of ['raw', 'bar']) {
    it(`opens a file on ${name} emulated only`, () => {
      const { path } = place(name);
      throwsCode(() => DaxDevice.open(path), 'ERR_PMEM_FAULT_GRANULARITY');
      using device = DaxDevice.open(path, { emulate: true, assumePersistent: true });
      using region = device.map({ length: '2MiB' });
      region.write(0, Buffer.from('emulated'), 'persist');
    });
  }
});

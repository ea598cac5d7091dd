/** What a region says of each kind of device is what the kernel does with it. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { explain, Region, type RegionOptions } from 'pmem';
import { mapsOf } from '../../support/maps.js';
import { loadKernel } from '../../support/native.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const KIB = 1024;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const FILE = 4 * MIB;
const PATTERN = Buffer.from(Array.from({ length: 4 * KIB }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

/** One kind of device, and what is true of it. */
interface Case {
  readonly name: string;
  readonly kind: Region['kind'];
  /** Of a region to be opened for the test, beside the path. */
  readonly options: RegionOptions;
  readonly granularity: 'cache-line' | 'page';
  readonly mapSync: boolean;
  readonly pageSize: number;
  readonly assumed?: boolean;
  readonly volatile?: boolean;
  readonly below?: 'persistent' | 'volatile' | 'unknown';
  readonly reason: RegExp;
  /** Why not finer, by the codes of the obstacles. */
  readonly obstacles?: readonly string[];
}

const file = { create: true, size: FILE } as const;
const dax = { granularity: 'cache-line', mapSync: true } as const;
const paged = { granularity: 'page', mapSync: false, pageSize: 4096 } as const;
const { reserved } = everything;
assert(reserved !== undefined);

const CASES: readonly Case[] = [
  {
    name: 'ext4',
    kind: 'file',
    options: file,
    ...dax,
    pageSize: 4096,
    reason: /ext4 with DAX, mapped with MAP_SYNC.*ADR/,
  },
  {
    name: 'xfs',
    kind: 'file',
    options: file,
    ...dax,
    pageSize: 4096,
    reason: /xfs with DAX, mapped with MAP_SYNC.*ADR/,
  },
  {
    name: 'legacy',
    kind: 'file',
    options: file,
    ...dax,
    pageSize: 4096,
    below: 'unknown',
    reason: /ext4 with DAX, mapped with MAP_SYNC.*legacy memory \(e820\).*memmap=0x4000000!0x60000000/,
  },
  { name: 'dax-4k', kind: 'devdax', options: {}, ...dax, pageSize: 4096, reason: /is device-DAX.*ADR/ },
  { name: 'dax-2m', kind: 'devdax', options: {}, ...dax, pageSize: 2 * MIB, reason: /is device-DAX.*ADR/ },
  { name: 'dax-1g', kind: 'devdax', options: {}, ...dax, pageSize: GIB, reason: /is device-DAX.*ADR/ },
  {
    name: 'devmem',
    kind: 'devmem',
    options: { offset: reserved.start, length: reserved.size },
    granularity: 'cache-line',
    mapSync: false,
    pageSize: 4096,
    assumed: true,
    below: 'unknown',
    reason: /physical memory: opening it asserts/,
  },
  {
    name: 'bar',
    kind: 'pci',
    options: {},
    granularity: 'cache-line',
    mapSync: false,
    pageSize: 4096,
    assumed: true,
    below: 'unknown',
    reason: /memory of a PCI device: opening it asserts/,
  },
  { name: 'raw', kind: 'block', options: {}, ...paged, reason: /page cache/, obstacles: ['block-device'] },
  { name: 'sector', kind: 'block', options: {}, ...paged, reason: /page cache/, obstacles: ['block-device'] },
  {
    name: 'disk',
    kind: 'file',
    options: file,
    ...paged,
    reason: /not byte-addressable/,
    obstacles: ['device-without-dax'],
  },
  {
    name: 'tmpfs',
    kind: 'file',
    options: file,
    ...paged,
    volatile: true,
    below: 'volatile',
    reason: /survives power-off/,
    obstacles: ['volatile-file-system'],
  },
];

/** The file or device that the test maps. */
function pathOf({ name, options }: Case): string {
  const { path } = place(name);
  return options.create === true ? join(path, 'region') : path;
}

function open(one: Case): Region {
  return Region.open(pathOf(one), one.options);
}

/** What smaps says in a line of the mapping's. */
function smaps(path: string, field: string): string | undefined {
  const entries = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const entry = entries.find((text) => text.split('\n', 1)[0]?.endsWith(` ${realpathSync(path)}`));
  return new RegExp(`^${field}: *(.*)$`, 'm').exec(entry ?? '')?.[1];
}

/** The size in bytes by somebody else's account. */
function sizeByKernel(one: Case): number {
  const path = pathOf(one);
  switch (one.kind) {
    case 'devdax':
      return Number(readFileSync(`/sys/bus/dax/devices/${basename(path)}/size`, 'utf8'));
    case 'block':
      return Number(execFileSync('blockdev', ['--getsize64', path], { encoding: 'utf8' }));
    case 'devmem':
      return reserved?.size ?? 0;
    case 'pci':
      return everything.bar ?? 0;
    default:
      return FILE;
  }
}

describe("A region of a real kernel's device", () => {
  for (const one of CASES) {
    const {
      name,
      kind,
      granularity,
      mapSync,
      pageSize,
      assumed = false,
      volatile = false,
      below = 'persistent',
      reason,
    } = one;
    describe(name, () => {
      it('has the durability that the kernel tells', () => {
        using region = open(one);
        assert.equal(region.kind, kind);
        const { reason: given, ...durability } = region.durability;
        assert.deepEqual(durability, { granularity, mapSync, pageSize, assumed, volatile, below });
        assert.match(given, reason);
        const [mapped] = mapsOf(realpathSync(region.path));
        assert(mapped !== undefined);
        // sf: VM_SYNC. Of device-DAX the kernel accepts the flag without noting it; there is no metadata to keep.
        if (kind !== 'devdax') assert.equal(mapped.flags.includes('sf'), mapSync);
        assert(mapped.flags.includes('sh'), 'the mapping is not shared');
        assert(mapped.flags.includes('dc'), 'a child would have the mapping');
        assert.equal(smaps(region.path, 'MMUPageSize'), `${pageSize / KIB} kB`);
        assert.equal(Number(mapped.begin % BigInt(pageSize)), 0);
      });

      it('is explained as it is opened', () => {
        using region = open(one);
        const found = explain(region.path);
        assert.deepEqual(found.durability, region.durability);
        assert.equal(found.kind, kind);
        assert.equal(found.alignment, pageSize);
        assert.deepEqual(
          found.obstacles.map(({ code }) => code),
          one.obstacles ?? [],
        );
      });

      it('has the size that the kernel says', () => {
        using region = open(one);
        assert.equal(region.size, sizeByKernel(one));
      });

      it('keeps at both ends what was stored, durably if that is possible', () => {
        using region = open(one);
        const last = region.size - PATTERN.length;
        for (const offset of [0, last]) {
          region.write(offset, PATTERN);
          if (!volatile) region.persist(offset, PATTERN.length);
        }
        using second = Region.open(region.path, { ...one.options, readOnly: true, shared: true, create: false });
        for (const offset of [0, last]) {
          const found = Buffer.alloc(PATTERN.length);
          second.read(offset, found);
          assert(found.equals(PATTERN), `a second mapping differs at ${offset}`);
        }
        // A store seen at once: it is the same memory.
        region.view(0, 8).writeBigUInt64LE(0x1122334455667788n);
        assert.equal(second.load64(0), 0x1122334455667788n);
      });
    });
  }
});

/** Where the file's first bytes are on its device, in bytes, as the file system tells. */
function physicalOffset(path: string): number {
  const text = execFileSync('filefrag', ['-v', '-b1', path], { encoding: 'utf8' });
  const [, start] = /^ *0: +0\.\. *\d+: +(\d+)\.\./m.exec(text) ?? [];
  assert(start !== undefined, text);
  return Number(start);
}

/** Reads past the page cache. */
function readDirect(device: string, offset: number): Buffer {
  const args = [`if=${device}`, 'bs=4096', `skip=${offset / 4096}`, 'count=1', 'iflag=direct', 'status=none'];
  return execFileSync('dd', args);
}

describe('What a region made durable is on the device itself:', () => {
  for (const name of ['ext4', 'xfs', 'legacy', 'disk']) {
    it(`a file on ${name}, below the file system`, () => {
      const { path, device } = place(name);
      using region = Region.open(join(path, 'below'), { create: true, size: FILE });
      region.write(0, PATTERN, 'persist');
      assert(readDirect(device ?? '', physicalOffset(region.path)).equals(PATTERN));
    });
  }

  for (const name of ['raw', 'sector']) {
    it(`the block device ${name}, past the page cache`, () => {
      const { path } = place(name);
      using region = Region.open(path);
      region.write(8192, PATTERN, 'persist');
      assert(readDirect(path, 8192).equals(PATTERN));
    });
  }

  for (const name of ['dax-4k', 'dax-2m', 'dax-1g']) {
    it(`${name}, through a mapping that is not ours`, () => {
      const { path } = place(name);
      using region = Region.open(path);
      region.write(8192, PATTERN, 'persist');
      const found = Buffer.alloc(PATTERN.length);
      assert.equal(loadKernel().copyOut(path, 0, Math.max(16384, region.durability.pageSize), 8192, found), 0);
      assert(found.equals(PATTERN));
    });
  }

  it('reserved memory, by read(2) on /dev/mem', () => {
    using region = Region.open('/dev/mem', { offset: reserved.start, length: reserved.size });
    region.write(8192, PATTERN, 'persist');
    const found = Buffer.alloc(PATTERN.length);
    const fd = openSync('/dev/mem', 'r');
    assert.equal(readSync(fd, found, 0, found.length, reserved.start + 8192), found.length);
    closeSync(fd);
    assert(found.equals(PATTERN));
  });

  it("a PCI device's memory, at its physical address in /dev/mem", () => {
    const { path } = place('bar');
    using region = Region.open(path);
    region.write(8192, PATTERN, 'persist');
    const lines = readFileSync(join(path, '..', 'resource'), 'utf8').split('\n');
    const start = Number(lines[2]?.split(' ')[0]);
    using physical = Region.open('/dev/mem', { offset: start, length: region.size, readOnly: true });
    const found = Buffer.alloc(PATTERN.length);
    physical.read(8192, found);
    assert(found.equals(PATTERN));
  });
});

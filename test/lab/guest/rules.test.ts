/** What the kernel refuses on each device, we refuse alike; what it lets pass and punishes later, we refuse before. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { explain, Region } from 'pmem';
import { inChild } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { buildNative, loadKernel, MAP } from '../../support/native.js';
import { ROOT } from '../../support/paths.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const { EINVAL, EOPNOTSUPP, EPERM } = constants.errno;
/** madvise(2). */
const MADV_DOFORK = 11;
const MIB = 2 ** 20;
const ALIGNMENTS = { 'dax-4k': 4096, 'dax-2m': 2 * MIB, 'dax-1g': 1024 * MIB } as const;
const { reserved } = everything;
assert(reserved !== undefined);

const kernel = () => loadKernel();

/** A range that the kernel uses as ordinary memory. */
function systemRam(): { offset: number; length: number } {
  const ranges = [...readFileSync('/proc/iomem', 'utf8').matchAll(/^([0-9a-f]+)-[0-9a-f]+ : System RAM$/gm)];
  // Of the first MiB the kernel lets anybody have some.
  const start = ranges.map(([, first]) => parseInt(first ?? '', 16)).find((first) => first >= MIB);
  assert(start !== undefined);
  return { offset: start, length: 4096 };
}

/** Touches with a plain mapping what lies at the end; the signal that the process died by, if any. */
async function touchByKernel(path: string, offset: number, length: number, at: number): Promise<NodeJS.Signals | null> {
  const touch = async (addon: string, ...[file, from, count, where]: [string, number, number, number]) => {
    const { createRequire } = await import('node:module');
    const load = createRequire(`${process.cwd()}/`);
    return load(addon).copyOut(file, from, count, where, Buffer.alloc(8)) as number;
  };
  const { signal, value, stderr } = await inChild(touch, [buildNative('kernel'), path, offset, length, at]);
  assert(signal !== null || value === 0, stderr);
  return signal;
}

for (const [name, align] of Object.entries(ALIGNMENTS)) {
  describe(`Device-DAX aligned to ${align}`, () => {
    const small = align > 4096 ? 4096 : 512;
    const path = () => place(name).path;

    it('refuses MAP_PRIVATE, and takes MAP_SYNC without a file system', () => {
      assert.equal(kernel().map(path(), MAP.PRIVATE, 0, align), EINVAL);
      assert.equal(kernel().map(path(), MAP.SHARED, 0, align), 0);
      assert.equal(kernel().map(path(), MAP.SHARED_VALIDATE | MAP.SYNC, 0, align), 0);
    });

    it('refuses unaligned offsets', () => {
      // mmap itself takes none that is not a multiple of 4 KiB.
      assert.equal(kernel().map(path(), MAP.SHARED, small, align), EINVAL);
      throwsCode(() => Region.open(path(), { offset: small, length: align }), 'EINVAL', {
        message: new RegExp(`offset ${small} .* nearest: 0 and ${align}`),
      });
    });

    it('refuses unaligned lengths', () => {
      // mmap rounds lengths up to 4 KiB before the device sees them.
      const kernelRefuses = kernel().map(path(), MAP.SHARED, 0, small);
      assert.equal(kernelRefuses, align > 4096 ? EINVAL : 0);
      throwsCode(() => Region.open(path(), { length: small }), 'EINVAL', {
        message: new RegExp(`length ${small} .*multiple of its alignment, ${align}`),
      });
    });

    it('is refused past its end, where the kernel would kill', async () => {
      const size = Number(readFileSync(`/sys/bus/dax/devices/${path().slice(5)}/size`, 'utf8'));
      assert.equal(kernel().map(path(), MAP.SHARED, size - align, 2 * align), 0);
      assert.equal(await touchByKernel(path(), size - align, 2 * align, align - 8), null);
      assert.equal(await touchByKernel(path(), size - align, 2 * align, align), 'SIGBUS');
      throwsCode(() => Region.open(path(), { offset: size - align, length: 2 * align }), 'ERR_OUT_OF_RANGE');
      throwsCode(() => Region.open(path(), { offset: size, length: align }), 'ERR_OUT_OF_RANGE');
      throwsCode(() => Region.open(path(), { offset: size }), 'ERR_OUT_OF_RANGE');
    });

    it('refuses read, write and fsync, and needs none of them for durability', () => {
      const fd = openSync(path(), 'r+');
      try {
        throwsCode(() => readSync(fd, Buffer.alloc(8)), 'EINVAL');
        throwsCode(() => writeSync(fd, Buffer.alloc(8)), 'EINVAL');
        throwsCode(() => fsyncSync(fd), 'EINVAL');
      } finally {
        closeSync(fd);
      }
      using region = Region.open(path());
      assert.equal(kernel().msync(region.view(0, align)), EINVAL);
      region.persist(0, align);
    });

    it('cannot be extended or truncated', () => {
      throwsCode(() => Region.open(path(), { create: true, size: align }), 'ERR_PMEM_SIZE_MISMATCH');
    });
  });
}

describe('/dev/mem', () => {
  it('refuses memory that the kernel uses, with EPERM', () => {
    const { offset, length } = systemRam();
    assert.equal(kernel().map('/dev/mem', MAP.SHARED, offset, length), EPERM);
    throwsCode(() => Region.open('/dev/mem', { offset, length }), 'EPERM', { message: /System RAM.*memmap=/s });
  });

  it('refuses with EPERM a process without CAP_SYS_RAWIO', () => {
    const script = `import('pmem').then(({ Region }) => {
      try { Region.open('/dev/mem', { offset: ${reserved.start}, length: 4096 }); }
      catch ({ code, message }) { console.log(code, message); }
    })`;
    const args = ['--bounding-set', '-sys_rawio', '--inh-caps', '-sys_rawio', process.execPath, '-e', script];
    const printed = execFileSync('setpriv', args, { cwd: ROOT, encoding: 'utf8' });
    assert.match(printed, /^EPERM EPERM: .*CAP_SYS_RAWIO/);
  });

  it('is refused without a length, as it has no end', () => {
    throwsCode(() => Region.open('/dev/mem', { offset: reserved.start }), 'EINVAL', { message: /offset and length/ });
  });

  /** How the CPU caches what is mapped of the range, as the kernel's list of such (PAT) has it. */
  function caching(): string | undefined {
    execFileSync('mount', ['-t', 'debugfs', 'debugfs', '/sys/kernel/debug']);
    try {
      const list = readFileSync('/sys/kernel/debug/x86/pat_memtype_list', 'utf8');
      const start = reserved?.start.toString(16);
      return new RegExp(`PAT: \\[mem 0x0*${start}-0x[0-9a-f]+\\] (\\S+)`).exec(list)?.[1];
    } finally {
      execFileSync('umount', ['/sys/kernel/debug']);
    }
  }

  it('is mapped write-back, through the CPU caches', () => {
    assert.equal(caching(), undefined);
    using region = Region.open('/dev/mem', { offset: reserved.start, length: reserved.size });
    region.load64(0);
    assert.equal(caching(), 'write-back');
  });

  it('refuses msync and MADV_DOFORK with EINVAL', () => {
    using region = Region.open('/dev/mem', { offset: reserved.start, length: reserved.size });
    assert.equal(kernel().msync(region.view()), EINVAL);
    assert.equal(kernel().madvise(region.view(), MADV_DOFORK), EINVAL);
    region.persist(0, region.size);
  });
});

describe('A PCI device', () => {
  it('has a prefetchable BAR that maps write-combining too, the same memory', () => {
    using region = Region.open(place('bar').path);
    using combining = Region.open(`${place('bar').path}_wc`);
    assert.equal(combining.kind, 'pci');
    combining.write(4096, Buffer.from('combined'), 'persist');
    assert.equal(region.view(4096, 8).toString(), 'combined');
  });
});

describe('A file', () => {
  it('on ext4 has DAX only with blocks as large as pages, as explain says', () => {
    const { path: device } = place('blank');
    const directory = mkdtempSync(join(tmpdir(), 'blocks-'));
    const mount = (...options: string[]) => execFileSync('mount', [...options, device, directory], { stdio: 'pipe' });
    const obstacles = () => {
      const file = join(directory, 'file');
      writeFileSync(file, Buffer.alloc(8192));
      const found = explain(file).obstacles.map(({ code }) => code);
      execFileSync('umount', [directory]);
      return found;
    };
    execFileSync('mkfs.ext4', ['-q', '-F', '-b', '1024', device]);
    assert.throws(() => mount('-o', 'dax'), 'mounted with small blocks and DAX');
    mount();
    assert(obstacles().includes('block-size'));
    execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', device]);
    mount('-o', 'dax=never');
    assert.deepEqual(obstacles(), ['not-mounted-with-dax']);
    mount('-o', 'dax');
    assert.deepEqual(obstacles(), []);
  });

  it('is granted MAP_SYNC with DAX, and refused it without', () => {
    for (const name of ['ext4', 'xfs', 'legacy', 'disk', 'tmpfs']) {
      const file = join(place(name).path, 'sync');
      writeFileSync(file, Buffer.alloc(4096));
      const errno = kernel().map(file, MAP.SHARED_VALIDATE | MAP.SYNC, 0, 4096);
      assert.equal(errno, ['disk', 'tmpfs'].includes(name) ? EOPNOTSUPP : 0, name);
      rmSync(file);
    }
  });

  it('on DAX that is truncated makes calls throw, and does not end the process', () => {
    for (const name of ['ext4', 'xfs']) {
      const file = join(place(name).path, 'shorter');
      using region = Region.open(file, { create: true, size: MIB });
      truncateSync(file, 4096);
      throwsCode(() => region.read(8192, Buffer.alloc(8)), 'ERR_PMEM_TRUNCATED');
      region.write(0, Buffer.from('still here'), 'persist');
    }
  });

  it('on a full file system is refused when the region is made', () => {
    for (const name of ['ext4', 'xfs']) {
      const file = join(place(name).path, 'large');
      throwsCode(() => Region.open(file, { create: true, size: '8GiB' }), 'ENOSPC');
      throwsCode(() => closeSync(openSync(file, 'r')), 'ENOENT');
    }
  });

  it('with a hole, on a full DAX file system, makes the store throw, and does not end the process', () => {
    const file = join(place('ext4').path, 'hole');
    using region = Region.open(file, { create: true, sparse: true, size: '8GiB' });
    region.write(0, Buffer.from('the first block'), 'persist');
    const piece = Buffer.alloc(4 * MIB, 1);
    let offset = 0;
    const fill = () => {
      for (; offset < region.size; offset += piece.length) region.write(offset, piece, 'persist');
    };
    try {
      throwsCode(fill, 'ERR_PMEM_FAULT', { message: /the disk is full/ });
      assert(offset > 0);
    } finally {
      rmSync(file);
    }
  });
});

/** A DAX device emulated on a file: its options, its rules and its life. The table of rules against the kernel's is the lab's. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, readdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { Region } from 'pmem';
import { PmemDisk } from 'pmem/block';
import { DaxDevice, type DaxMapOptions, type DaxOpenOptions, DaxRegion, MapFlags } from 'pmem/devdax';
import { native } from '#dist/binding.js';
import type { Progress } from '#dist/options.js';
import { inChild } from '../support/child.js';
import { TAKEN, table } from '../support/dax-table.js';
import { codeOf, rejectsCode, throwsCode } from '../support/errors.js';
import { collected, descriptorsOf, mapsOf } from '../support/maps.js';
import { loadKernel } from '../support/native.js';
import { needsRoot } from '../support/root.js';
import { onDisk, onTmpfs } from '../support/temp.js';

const KIB = 1024;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SIZE = 8 * MIB;

function sparse(path: string, size: number): string {
  writeFileSync(path, '');
  truncateSync(path, size);
  return path;
}

describe('DaxDevice on a file', () => {
  const file = onDisk();
  const emulate = true;
  const open = (options: DaxOpenOptions = {}, size = SIZE) =>
    DaxDevice.open(sparse(file('dax'), size), { emulate, ...options });

  describe('open', () => {
    it('tells the geometry of the device', () => {
      using device = open();
      const { size, align, emulated, mode, readOnly, closed, resource, targetNode, region } = device;
      assert.deepEqual(
        { size, align, emulated, mode, readOnly, closed, resource, targetNode, region },
        {
          ...{ size: SIZE, align: 2 * MIB, emulated: true, mode: 'devdax', readOnly: false, closed: false },
          ...{ resource: undefined, targetNode: undefined, region: undefined },
        },
      );
      assert(device.path.endsWith(device.name));
    });

    it('refuses a file in the page cache, which cannot guarantee the size of faults, with the way out', () => {
      const path = sparse(file('dax'), SIZE);
      for (const align of [4096, '2MiB']) {
        throwsCode(() => DaxDevice.open(path, { align }), 'ERR_PMEM_FAULT_GRANULARITY', {
          message: /page cache.*(memfd|device).*emulate: true/,
        });
      }
      assert.equal(descriptorsOf(path), 0);
      assert.equal(mapsOf(path).length, 0);
    });

    it('with emulate tells what is not guaranteed', () => {
      using device = open();
      const { given, pageSize, verifiedBy, reason, missing } = device.guarantee;
      assert.deepEqual({ given, pageSize, verifiedBy }, { given: false, pageSize: 4096, verifiedBy: undefined });
      assert.match(reason, /page cache/);
      assert.deepEqual(
        missing.map((one) => one.split(':')[0]),
        ['fault granularity', 'private mappings', 'size'],
      );
    });

    it('refuses what is off the alignment, and names the nearest values', () => {
      throwsCode(() => open({}, 3 * MIB), 'EINVAL', { message: /nearest: 2097152 and 4194304/ });
      throwsCode(() => open({}, MIB), 'EINVAL', { message: /nearest: 2097152$/ });
      throwsCode(() => open({}, 0), 'EINVAL', { message: /create: true/ });
      throwsCode(() => open({ offset: 4096 }), 'EINVAL', { message: /nearest: 0 and 2097152/ });
      throwsCode(() => open({ size: SIZE + 2 * MIB }), 'ERR_OUT_OF_RANGE');
      throwsCode(() => open({ align: 8192 }), 'ERR_OUT_OF_RANGE', { message: /4096, 2 MiB or 1 GiB/ });
      throwsCode(() => open({ align: GIB }), 'EINVAL', { message: /nearest: 1073741824/ });
    });

    it('takes a part of a file', () => {
      using device = open({ offset: '2MiB', size: '4MiB' });
      assert.equal(device.size, 4 * MIB);
      using region = device.map({ offset: '2MiB' });
      assert.equal(region.fileOffset, 4 * MIB);
      assert.equal(region.size, 2 * MIB);
    });

    it('with create allocates a new file, never resizes an existing one, and leaves no refused one', () => {
      const path = file('new');
      throwsCode(() => DaxDevice.open(path, { create: true, size: SIZE }), 'ERR_PMEM_FAULT_GRANULARITY');
      throwsCode(() => DaxDevice.open(path, { create: true, size: SIZE + 1, emulate }), 'EINVAL');
      assert(!existsSync(path));
      using device = DaxDevice.open(path, { create: true, size: SIZE, emulate });
      assert.equal(device.size, SIZE);
      const other = { create: true, size: 2 * SIZE, emulate };
      throwsCode(() => DaxDevice.open(path, other), 'ERR_PMEM_SIZE_MISMATCH');
    });

    describe('with create, refused,', () => {
      const refused: [name: string, options: DaxOpenOptions, code: string][] = [
        ['an offset off the alignment', { offset: 4096, size: 4 * MIB, emulate }, 'EINVAL'],
        ['an alignment of 8 KiB', { align: 8192, size: 4 * MIB, emulate }, 'ERR_OUT_OF_RANGE'],
        ['an alignment of 16 MiB', { align: 16 * MIB, size: 16 * MIB, emulate }, 'ERR_OUT_OF_RANGE'],
        ['a size off the alignment', { size: 3 * MIB, emulate }, 'EINVAL'],
        ['a size off the alignment of 1 GiB', { align: GIB, size: 4 * MIB, emulate }, 'EINVAL'],
        ['a guarantee that the page cache cannot give', { align: 4096, size: 4 * MIB }, 'ERR_PMEM_FAULT_GRANULARITY'],
        ['more than the disk has', { size: 2 ** 43, emulate }, 'ENOSPC'],
        ['more than a file can have', { size: 2 ** 53 - 2 * MIB, emulate }, 'EFBIG'],
      ];
      for (const [name, options, code] of refused) {
        it(`leaves no file, and an empty file empty: ${name}`, () => {
          const path = file('refused');
          const open = () => DaxDevice.open(path, { create: true, ...options });
          const either = (call: () => unknown) => assert(['ENOSPC', 'EFBIG'].includes(codeOf(call) ?? ''));
          const expectCode = (call: () => unknown) =>
            code === 'ENOSPC' || code === 'EFBIG' ? either(call) : throwsCode(call, code);
          expectCode(open);
          assert(!existsSync(path));
          writeFileSync(path, '');
          expectCode(open);
          const { size, blocks } = statSync(path);
          assert.deepEqual({ size, blocks }, { size: 0, blocks: 0 });
          assert.equal(descriptorsOf(path), 0);
        });
      }

      it('by verifying leaves no new file and no lock, and an existing file with its blocks', () => {
        const path = file('unverified');
        const { probeSync } = native;
        for (const there of [false, true]) {
          if (there) writeFileSync(path, '');
          // A file system that says it could, and then does not.
          native.probeSync = () => 0;
          try {
            throwsCode(
              () => DaxDevice.open(path, { create: true, size: 4 * MIB, align: '2MiB' }),
              'ERR_PMEM_FAULT_GRANULARITY',
            );
          } finally {
            native.probeSync = probeSync;
          }
          assert.equal(existsSync(path), there);
          // Others may have it open by then.
          if (there) assert.equal(statSync(path).size, 4 * MIB);
        }
        DaxDevice.open(path, { create: true, size: 4 * MIB, emulate }).close();
        assert.equal(descriptorsOf(path), 0);
      });

      it("by another's lock leaves the file as it was", () => {
        const path = sparse(file('locked'), 4 * MIB);
        using region = Region.open(path);
        throwsCode(() => DaxDevice.open(path, { create: true, size: 2 * MIB, emulate }), 'ERR_PMEM_SIZE_MISMATCH');
        // Threads and handles of one process share a lock.
        DaxDevice.open(path, { create: true, size: 4 * MIB, emulate }).close();
        assert.equal(region.size, statSync(path).size);
      });
    });

    for (const [name, options, code] of [
      ['an option that there is not', { alignment: 4096 }, 'ERR_INVALID_ARG_VALUE'],
      ['an align of the wrong type', { align: {} }, 'ERR_INVALID_ARG_TYPE'],
      ['an align that is no size', { align: 'two' }, 'ERR_INVALID_ARG_VALUE'],
      ['an align of NaN', { align: Number.NaN }, 'ERR_OUT_OF_RANGE'],
      ['a negative align', { align: -4096 }, 'ERR_OUT_OF_RANGE'],
      ['an align of 0', { align: 0 }, 'ERR_OUT_OF_RANGE'],
      ['emulate of the wrong type', { emulate: 1 }, 'ERR_INVALID_ARG_TYPE'],
      ['readOnly of the wrong type', { readOnly: 'no' }, 'ERR_INVALID_ARG_TYPE'],
      ['shared of the wrong type', { shared: null }, 'ERR_INVALID_ARG_TYPE'],
      ['create without a size', { create: true }, 'ERR_INVALID_ARG_TYPE'],
      ['create and readOnly', { create: true, size: SIZE, readOnly: true }, 'ERR_INVALID_ARG_VALUE'],
      ['a size of 0', { size: 0 }, 'ERR_OUT_OF_RANGE'],
      ['a size of 2^53', { size: 2 ** 53 }, 'ERR_OUT_OF_RANGE'],
      ['no object', 7, 'ERR_INVALID_ARG_TYPE'],
      ['null', null, 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      it(`refuses ${name}`, () => {
        const path = sparse(file('dax'), SIZE);
        throwsCode(() => DaxDevice.open(path, options as unknown as DaxOpenOptions), code);
        assert.equal(descriptorsOf(path), 0);
      });
    }

    it('does not speak of modes for a node without a device', function () {
      needsRoot(this);
      const path = file('node');
      execFileSync('mknod', [path, 'c', '510', '77']);
      throwsCode(() => DaxDevice.open(path), 'ENXIO', { message: /no device has the number/ });
    });

    it('refuses paths that cannot be mapped', () => {
      throwsCode(() => DaxDevice.open(file('missing')), 'ENOENT', { message: /create: true/ });
      throwsCode(() => DaxDevice.open('/'), 'EISDIR');
      throwsCode(() => DaxDevice.open('/dev/null'), 'ENODEV');
      throwsCode(() => DaxDevice.open(7 as unknown as string), 'ERR_INVALID_ARG_TYPE');
    });
  });

  for (const align of [4096, 2 * MIB, GIB]) {
    describe(`maps by the kernel's rules, aligned to ${align}:`, () => {
      let device: DaxDevice;
      let reader: DaxDevice;
      const size = 4 * align;
      before(() => {
        const path = sparse(file('rules'), size);
        device = DaxDevice.open(path, { align, emulate });
        reader = DaxDevice.open(path, { align, emulate, readOnly: true });
        assert.equal(loadKernel().occupy(TAKEN, align), 0);
      });
      after(() => {
        device.close();
        reader.close();
      });

      for (const { name, ours, ...row } of table(align, size)) {
        it(`${name}: ${ours}`, () => {
          const { offset, length, flags, address, readOnly = false, readOnlyDescriptor } = row;
          const options: DaxMapOptions = { offset, length, readOnly };
          if (flags !== undefined) options.flags = flags;
          if (address !== undefined) options.address = address;
          const on = readOnlyDescriptor === true ? reader : device;
          if (ours !== 'ok') return throwsCode(() => on.map(options), ours);
          using region = on.map(options);
          assert.equal(BigInt(region.size), length);
          assert.equal(BigInt(region.fileOffset), offset);
          const [mapped] = mapsOf(region.path).filter((line) => address === undefined || line.begin === address);
          assert(mapped?.begin !== undefined && mapped.begin % BigInt(align) === 0n);
        });
      }
    });
  }

  describe('map', () => {
    for (const [name, options, code] of [
      ['an option that there is not', { size: 4096 }, 'ERR_INVALID_ARG_VALUE'],
      ['an offset of the wrong type', { offset: {} }, 'ERR_INVALID_ARG_TYPE'],
      ['an offset of NaN', { offset: Number.NaN }, 'ERR_OUT_OF_RANGE'],
      ['half a byte', { length: 0.5 }, 'ERR_OUT_OF_RANGE'],
      ['an infinite length', { length: Number.POSITIVE_INFINITY }, 'ERR_OUT_OF_RANGE'],
      ['a length of more than 64 bits', { length: 2n ** 64n }, 'ERR_OUT_OF_RANGE'],
      ['a length that is no size', { length: 'all' }, 'ERR_INVALID_ARG_VALUE'],
      ['flags of the wrong type', { flags: '1' }, 'ERR_INVALID_ARG_TYPE'],
      ['negative flags', { flags: -1 }, 'ERR_OUT_OF_RANGE'],
      ['flags of more than 31 bits', { flags: 2 ** 31 }, 'ERR_OUT_OF_RANGE'],
      ['an address that is no bigint', { address: 4096 }, 'ERR_INVALID_ARG_TYPE'],
      ['a negative address', { address: -4096n }, 'ERR_OUT_OF_RANGE'],
      ['MAP_FIXED without an address', { flags: MapFlags.SHARED | MapFlags.FIXED }, 'ERR_INVALID_ARG_TYPE'],
      ['the null page', { address: 0n }, 'EPERM'],
      ['ordinary memory', { flags: MapFlags.SHARED | MapFlags.ANONYMOUS }, 'EINVAL'],
      ['readOnly of the wrong type', { readOnly: 0 }, 'ERR_INVALID_ARG_TYPE'],
      ['populate of the wrong type', { populate: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
      ['onProgress of the wrong type', { onProgress: 1 }, 'ERR_INVALID_ARG_TYPE'],
      ['no object', 'all', 'ERR_INVALID_ARG_TYPE'],
      ['null', null, 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      it(`refuses ${name}`, async () => {
        using device = open();
        const given = options as unknown as DaxMapOptions;
        throwsCode(() => device.map(given), code);
        await rejectsCode(device.mapAsync(given), code);
        assert.equal(mapsOf(device.path).length, 0);
      });
    }

    it('names the rule and the nearest legal values', () => {
      using device = open();
      const refused = (options: DaxMapOptions, message: RegExp) =>
        throwsCode(() => device.map(options), 'EINVAL', { message });
      refused(
        { offset: 3 * MIB },
        /offset 3145728 is not a multiple of the alignment, 2097152 \(2 MiB\); nearest: 2097152 and 4194304/,
      );
      refused({ offset: SIZE + 4096 }, /nearest: 6291456/);
      refused({ offset: '6MiB', length: '3MiB' }, /nearest: 2097152$/);
      refused({ length: 4096 }, /nearest: 2097152$/);
      refused({ flags: MapFlags.PRIVATE }, /never mapped privately/);
    });

    it('gives a Region that disks work on', () => {
      using device = open({ assumePersistent: true });
      using region = device.map();
      assert(region instanceof Region);
      assert.equal(region.durability.assumed, true);
      const disk = PmemDisk.open(region, { sectorSize: 4096 });
      disk.write(3, Buffer.alloc(4096, 'x'), { fua: true });
      using part = device.map({ length: '2MiB', readOnly: true });
      assert.equal(part.view(3 * 4096, 4).toString(), 'xxxx');
      throwsCode(() => part.fill(0, 8), 'ERR_PMEM_READ_ONLY');
    });

    it('refuses an offset off the alignment also with an address, where the kernel would map other bytes', () => {
      using device = open();
      throwsCode(() => device.map({ offset: 4096, length: '2MiB', address: 0x2100_0000_0000n }), 'EINVAL');
    });

    it('names only addresses that are available', () => {
      using device = open({ align: 4096 });
      const refused = (address: bigint, message: RegExp) =>
        throwsCode(() => device.map({ address, length: 4096 }), 'EINVAL', { message });
      refused(1n, /nearest: 0x10000$/);
      refused(2n ** 40n + 1n, /nearest: 0x10000000000 and 0x10000001000$/);
      using large = open({ align: '2MiB' });
      throwsCode(() => large.map({ address: 4096n, length: '2MiB' }), 'EINVAL', { message: /nearest: 0x200000$/ });
    });

    it('maps at an address, and never over another mapping', () => {
      using device = open();
      const address = 0x2100_0000_0000n;
      using region = device.map({ address });
      assert.equal(mapsOf(region.path)[0]?.begin, address);
      for (const flags of [MapFlags.SHARED, MapFlags.SHARED | MapFlags.FIXED]) {
        throwsCode(() => device.map({ address: address + BigInt(2 * MIB), length: '2MiB', flags }), 'EEXIST');
      }
      region.fill(0, SIZE, 1);
      region.close();
      // The addresses are free again when nobody knows them any more.
      using again = device.map({ address: address + BigInt(SIZE) });
      assert.equal(again.size, SIZE);
    });

    it('populates step by step, reports progress, and stops on a signal', async () => {
      using device = open({}, 256 * MIB);
      const told: Progress[] = [];
      const onProgress = (progress: Progress) => told.push(progress);
      using region = device.map({ length: '128MiB', populate: true, readOnly: true, onProgress });
      const total = 128 * MIB;
      assert.deepEqual(
        told,
        [64 * MIB, total].map((done) => ({ done, total, phase: 'populate' })),
      );
      assert.equal(device.pageSize(), 4096);
      const abort = new AbortController();
      const reason = new Error('enough');
      const mapping = device.mapAsync({
        populate: true,
        readOnly: true,
        signal: abort.signal,
        onProgress: () => abort.abort(reason),
      });
      await assert.rejects(mapping, reason);
      await assert.rejects(device.mapAsync({ signal: AbortSignal.abort(reason) }), reason);
      assert.equal(device.mappings, 1);
      region.close();
      assert.equal(device.mappings, 0);
      assert.equal(mapsOf(device.path).length, 0);
    });

    it('takes a signal in its asynchronous form only', async () => {
      using device = open();
      const signal = AbortSignal.abort();
      throwsCode(() => device.map({ signal } as DaxMapOptions), 'ERR_INVALID_ARG_VALUE', { message: /signal/ });
      await assert.rejects(device.mapAsync({ signal }), { name: 'AbortError' });
      await assert.rejects(device.mapAsync({ signal, populate: true }), { name: 'AbortError' });
      assert.equal(mapsOf(device.path).length, 0);
    });

    it('passes on an error of onProgress, and leaves nothing mapped', () => {
      using device = open();
      const onProgress = () => {
        throw new Error('not now');
      };
      assert.throws(() => device.map({ populate: true, onProgress }), /not now/);
      assert.equal(mapsOf(device.path).length, 0);
    });

    it('locks the mapped bytes, and no others', async () => {
      using device = open();
      using region = device.map({ length: '2MiB' });
      const other = async (path: string, offset: number) => {
        const { DaxDevice: Device } = await import('pmem/devdax');
        try {
          Device.open(path, { emulate: true }).map({ offset, length: '2MiB' });
          return 'mapped';
        } catch (error) {
          return (error as { code: string }).code;
        }
      };
      assert.equal((await inChild(other, [region.path, 0])).value, 'ERR_PMEM_LOCKED');
      assert.equal((await inChild(other, [region.path, 2 * MIB])).value, 'mapped');
    });
  });

  describe('life cycle', () => {
    it('throws ERR_PMEM_CLOSED with EBADF after close, and its regions live on', () => {
      const device = open();
      const region = device.map();
      device.close();
      device.close();
      assert.equal(device.closed, true);
      for (const call of [() => device.map(), () => device.pageSize(), () => device.faults(() => 1)]) {
        throwsCode(call, 'ERR_PMEM_CLOSED');
      }
      assert.throws(() => device.map(), { errno: 9 });
      assert.equal(device.size, SIZE);
      region.write(0, Buffer.from('alive'), 'persist');
      region.close();
    });

    it('goes on when its path is replaced or deleted', () => {
      using device = open();
      using first = device.map({ length: '2MiB' });
      first.write(0, Buffer.from('the same'));
      renameSync(device.path, `${device.path}-moved`);
      sparse(device.path, SIZE);
      using second = device.map({ length: '2MiB' });
      assert.equal(second.view(0, 8).toString(), 'the same');
      rmSync(`${device.path}-moved`);
      using third = device.map({ length: '2MiB' });
      assert.equal(third.view(0, 8).toString(), 'the same');
    });

    it('refuses to map a file that was truncated (ENXIO)', () => {
      using device = open();
      using region = device.map({ length: '2MiB' });
      truncateSync(device.path, 4 * MIB);
      throwsCode(() => device.map({ length: '2MiB' }), 'ENXIO', { message: /reconfigured/ });
      region.write(0, Buffer.from('still here'));
      truncateSync(device.path, SIZE);
      using again = device.map();
      assert.equal(again.view(0, 10).toString(), 'still here');
    });

    it('refuses to map a file that grew, unless it is a part of it', () => {
      using device = open();
      using part = DaxDevice.open(device.path, { emulate, size: 4 * MIB });
      using region = DaxRegion.open(device.path, { emulate });
      using last = region.create({ ranges: [{ offset: 6 * MIB, length: 2 * MIB }] }).open();
      truncateSync(device.path, SIZE + 2 * MIB);
      throwsCode(() => device.map(), 'ENXIO', { message: /reconfigured.*has 10485760 bytes/ });
      part.map().close();
      last.map().close();
      truncateSync(device.path, SIZE);
      device.map({ length: '2MiB' }).close();
    });

    it("reports a reconfigured device where the kernel does: after the checks of mmap, before the device's own", () => {
      using device = open();
      using reader = DaxDevice.open(device.path, { emulate, readOnly: true });
      truncateSync(device.path, 2 * MIB);
      const { SHARED, SHARED_VALIDATE, PRIVATE, HUGETLB, GROWSDOWN } = MapFlags;
      for (const [options, code] of [
        [{ length: '2MiB' }, 'ENXIO'],
        [{ length: '2MiB', flags: PRIVATE }, 'ENXIO'],
        [{ length: '3MiB' }, 'ENXIO'],
        [{ offset: 4096, length: '2MiB' }, 'ENXIO'],
        [{ offset: SIZE }, 'ENXIO'],
        [{ offset: 1, length: '2MiB' }, 'EINVAL'],
        [{ length: 0 }, 'EINVAL'],
        [{ length: 2n ** 63n }, 'ENOMEM'],
        [{ flags: SHARED | HUGETLB }, 'EINVAL'],
        [{ flags: SHARED | GROWSDOWN }, 'EINVAL'],
        [{ flags: SHARED_VALIDATE | 0x400 }, 'ENOTSUP'],
        [{ flags: 0 }, 'EINVAL'],
      ] as const) {
        throwsCode(() => device.map(options), code);
      }
      throwsCode(() => reader.map({ readOnly: false }), 'EACCES');
    });

    it('throws when the file is truncated while it is mapped', () => {
      using device = open();
      using region = device.map();
      truncateSync(device.path, 2 * MIB);
      throwsCode(() => region.read(4 * MIB, Buffer.alloc(8)), 'ERR_PMEM_TRUNCATED');
    });

    it('loses only the page that is gone, and nothing beside it', async () => {
      const path = sparse(file('gone'), 4 * MIB);
      const touch = async (name: string, megabyte: number) => {
        const { DaxDevice: Device } = await import('pmem/devdax');
        const { readFileSync: read, truncateSync: cut } = await import('node:fs');
        const region = Device.open(name, { emulate: true, align: '2MiB' }).map();
        const view = region.view();
        view[3 * megabyte] = 7;
        cut(name, 4 * megabyte - 4096);
        view[4 * megabyte - 1] = 1;
        const seen = view[3 * megabyte] as number;
        view[3 * megabyte + 1] = 8;
        let code: string | undefined;
        try {
          region.persist(0, 8);
        } catch (error) {
          code = (error as { code?: string }).code;
        }
        const stored = read(name);
        return [seen, stored[3 * megabyte], stored[3 * megabyte + 1], code] as (number | string)[];
      };
      const { value, stderr } = await inChild(touch, [path, MIB]);
      assert.deepEqual(value, [7, 7, 8, 'ERR_PMEM_TRUNCATED'], stderr);
      assert.match(stderr, /touched a page that is gone/);
    });

    it('closes its descriptor when it is collected', async () => {
      const path = sparse(file('forgotten'), SIZE);
      DaxDevice.open(path, { emulate });
      assert(await collected(() => descriptorsOf(path) === 0));
    });

    it('refuses new', () => {
      // @ts-expect-error: the constructor is private
      throwsCode(() => new DaxDevice('open'), 'ERR_INVALID_ARG_VALUE');
    });

    it('prints itself in one line', () => {
      const device = DaxDevice.open(sparse(file('shown'), SIZE), { emulate });
      assert.match(inspect(device), /^DaxDevice .*shown.* \(emulated, 8 MiB\)$/);
      device.close();
      assert.match(inspect(device), /\(emulated, closed\)$/);
    });

    it('waits for mappings under way in Symbol.asyncDispose', async () => {
      const device = DaxDevice.open(sparse(file('disposed'), SIZE), { emulate });
      let region: Region | undefined;
      const mapping = device.mapAsync({ populate: true, readOnly: true }).then((mapped) => {
        region = mapped;
      });
      await device[Symbol.asyncDispose]();
      assert.equal(device.closed, true);
      await mapping;
      assert.equal(region?.size, SIZE);
      region?.close();
    });

    it('leaves no descriptor open after many failures', () => {
      const path = sparse(file('many'), SIZE);
      linkSync(path, file('link'));
      const before = readdirSync('/proc/self/fd').length;
      for (let i = 0; i < 50; i++) {
        throwsCode(() => DaxDevice.open(path), 'ERR_PMEM_FAULT_GRANULARITY');
        throwsCode(() => DaxDevice.open(path, { emulate, align: '1GiB' }), 'EINVAL');
      }
      // Fewer where something of another test was collected meanwhile.
      const after = readdirSync('/proc/self/fd').length;
      assert(after <= before, `${after} descriptors, ${before} before`);
    });
  });

  describe('faults', () => {
    it('counts the faults of this thread while the function runs', () => {
      const path = file('dax');
      writeFileSync(path, Buffer.alloc(SIZE, 1));
      using device = DaxDevice.open(path, { emulate, align: 4096 });
      using region = device.map();
      assert.equal(device.pageSize(), undefined);
      device.faults(() => region.crc32c(0, 4096));
      // By loads: a page that was stored into faults again once the kernel wrote it to the disk, whenever that is.
      const load = () => region.crc32c(MIB, 4 * MIB);
      const { faults, result } = device.faults(load);
      assert.equal(result, load());
      assert(faults >= (4 * MIB) / (64 * KIB), `${faults} faults`);
      assert(device.faults(load).faults < faults);
      assert.equal(device.pageSize(), 4096);
    });

    it('refuses functions that have not finished when they return', async () => {
      using device = open();
      let ran = false;
      const asynchronous = async () => {
        ran = true;
      };
      throwsCode(() => device.faults(asynchronous), 'ERR_INVALID_ARG_VALUE', {
        message: /has finished when it returns/,
      });
      assert(!ran);
      // Neither is its failure left for nobody to handle.
      throwsCode(() => device.faults(() => Promise.reject(new Error('later'))), 'ERR_INVALID_ARG_VALUE');
      const foreign = () => runInNewContext('Promise.reject(new Error("later"))');
      throwsCode(() => device.faults(foreign), 'ERR_INVALID_ARG_VALUE');
      // biome-ignore lint/suspicious/noThenProperty: what is refused
      throwsCode(() => device.faults(() => ({ then() {} })), 'ERR_INVALID_ARG_VALUE');
      await new Promise((resolve) => setImmediate(resolve));
    });

    it('passes on what the function throws, and refuses what is no function', () => {
      using device = open();
      assert.throws(
        () =>
          device.faults(() => {
            throw new Error('mine');
          }),
        /mine/,
      );
      throwsCode(() => device.faults(7 as unknown as () => void), 'ERR_INVALID_ARG_TYPE');
    });
  });
});

describe('DaxDevice on a file on tmpfs', () => {
  const file = onTmpfs();

  it('says that it is volatile', () => {
    using device = DaxDevice.open(sparse(file('dax'), SIZE), { emulate: true, align: 4096 });
    assert.match(device.guarantee.reason, /tmpfs.*page cache/);
    using region = device.map();
    throwsCode(() => region.persist(0, 8), 'ERR_PMEM_VOLATILE');
  });
});

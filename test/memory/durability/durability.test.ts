/** What is decided about a backing, and why, on machines that are directories. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Durability, Granularity, Obstacle } from 'pmem';
import type { Backing, BackingKind, FileSystem } from '#dist/memory/backing.js';
import { numaNode } from '#dist/memory/backing.js';
import { deepFlush } from '#dist/memory/durability/deep-flush.js';
import { decideDurability, nativeGranularity, satisfies } from '#dist/memory/durability/durability.js';
import { tooCoarse } from '#dist/memory/durability/granularity-error.js';
import { isVolatile, obstacles } from '#dist/memory/durability/obstacles.js';
import { throwsCode } from '../../support/errors.js';
import { Machine, nvdimms } from '../../support/machine.js';
import { onDisk } from '../../support/temp.js';

const { EOPNOTSUPP, EINVAL } = constants.errno;

describe('durability', () => {
  const file = onDisk();
  let machine: Machine;
  let region: string;
  beforeEach(() => {
    const root = file('machine');
    mkdirSync(root);
    machine = new Machine(root);
    region = nvdimms(machine);
    kernel('6.1.0-13-amd64');
  });

  function kernel(release: string): void {
    const directory = join(machine.host.proc, 'sys', 'kernel');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'osrelease'), `${release}\n`);
  }

  /** A block device of the machine, with or without DAX. */
  function disk(path: string, dax: 0 | 1 | undefined): string {
    const device = machine.device(path);
    machine.device(`${path}/queue`, dax === undefined ? {} : { dax });
    return device;
  }

  function on(fileSystem: Partial<FileSystem>, kind: BackingKind = 'file'): Backing {
    return {
      kind,
      path: '/mnt/pmem/file',
      size: 4096,
      pageSize: 4096,
      fileSystem: {
        type: 'ext4',
        mountPoint: '/mnt/pmem',
        options: ['rw', 'dax'],
        blockSize: 4096,
        device: undefined,
        ...fileSystem,
      },
      device: undefined,
      identity: { dev: 0n, ino: 0n },
    };
  }

  function device(kind: BackingKind, directory: string | undefined): Backing {
    return {
      ...on({}, kind),
      path: `/dev/${kind}`,
      fileSystem: undefined,
      device: directory,
      pageSize: kind === 'devdax' ? 2 ** 21 : 4096,
    };
  }

  const codes = (backing: Backing, errno = EOPNOTSUPP): Obstacle['code'][] =>
    obstacles(backing, errno, machine.host).map((obstacle) => obstacle.code);

  function decide(backing: Backing, syncErrno: number, assumePersistent = false): Durability {
    return decideDurability({ backing, syncErrno, assumePersistent });
  }

  describe('obstacles:', () => {
    const pmem = () => disk(`${region}/namespace0.0/block/pmem0`, 1);

    it('volatile-file-system', () => {
      for (const type of ['tmpfs', 'ramfs', 'hugetlbfs', 'devtmpfs']) {
        assert.deepEqual(codes(on({ type })), ['volatile-file-system']);
        assert.equal(isVolatile(on({ type })), true);
      }
      assert.equal(isVolatile(on({})), false);
      assert.equal(isVolatile({ ...on({}), below: { state: 'volatile', why: 'x', devices: [] } }), true);
    });

    it('file-system-without-dax', () => {
      for (const type of ['btrfs', 'overlay', 'nfs4', 'zfs', 'f2fs', '9p']) {
        assert.deepEqual(codes(on({ type, device: pmem() })), ['file-system-without-dax']);
      }
    });

    it('device-without-dax', () => {
      for (const dax of [0, undefined] as const) {
        assert.deepEqual(codes(on({ device: disk(`pci0000:00/ata${dax}/block/sda`, dax) })), ['device-without-dax']);
      }
      assert.deepEqual(codes(on({ device: undefined })), ['device-without-dax']);
    });

    it('virtio-pmem', () => {
      const virtio = disk('pci0000:00/0000:00:04.0/virtio1/ndbus0/region0/namespace0.0/block/pmem0', 1);
      assert.deepEqual(codes(on({ device: virtio })), ['virtio-pmem']);
    });

    it('block-size', () => {
      for (const blockSize of [1024, 2048]) assert.deepEqual(codes(on({ device: pmem(), blockSize })), ['block-size']);
    });

    it('not-mounted-with-dax', () => {
      for (const options of [['rw'], ['rw', 'dax=inode'], ['rw', 'dax=never']]) {
        assert.deepEqual(codes(on({ device: pmem(), options })), ['not-mounted-with-dax']);
      }
      for (const options of [['dax'], ['dax=always']])
        assert.deepEqual(codes(on({ device: pmem(), options })), ['refused']);
    });

    it('xfs-reflink: before Linux 6.0, and on partitions since', () => {
      const xfs = { type: 'xfs', reflink: true, options: ['rw'] };
      const partition = machine.device(`${region}/namespace0.0/block/pmem0/pmem0p1`, { partition: 1 });
      for (const [release, whole, part] of [
        ['5.15.0', 'xfs-reflink', 'xfs-reflink'],
        ['6.1.0', 'not-mounted-with-dax', 'xfs-reflink'],
      ] as const) {
        kernel(release);
        assert.deepEqual(codes(on({ ...xfs, device: pmem() })), [whole], release);
        assert.deepEqual(codes(on({ ...xfs, device: partition })), [part], release);
        assert.deepEqual(codes(on({ ...xfs, reflink: false, device: partition })), ['not-mounted-with-dax'], release);
      }
    });

    it('old-kernel', () => {
      for (const release of ['4.14.0', '4.14.336-rc1+', '3.10.0-1160.el7.x86_64', '2.6.32']) {
        kernel(release);
        assert.deepEqual(codes(on({ device: pmem() })), ['old-kernel'], release);
      }
      for (const release of ['4.15.0', '4.15-rc2', '4.19', '5.0.0', '10.1', '6.1.0-13-amd64']) {
        kernel(release);
        assert.deepEqual(codes(on({ device: pmem() })), ['refused'], release);
      }
    });

    it('block-device', () => assert.deepEqual(codes(device('block', pmem())), ['block-device']));

    it('refused, with the errno', () => {
      const backing = on({ device: pmem() });
      assert.deepEqual(codes(backing, EINVAL), ['refused']);
      assert.match(obstacles(backing, EINVAL, machine.host)[0]?.cause ?? '', /errno 22/);
    });

    it('lists several at once', () =>
      assert.deepEqual(codes(on({ device: pmem(), blockSize: 1024, options: [] })), [
        'block-size',
        'not-mounted-with-dax',
      ]));

    it('reads the queue of the disk for a partition', () => {
      const whole = disk(`${region}/namespace0.0/block/pmem0`, 1);
      machine.device(`${region}/namespace0.0/block/pmem0/pmem0p1`, { partition: 1 });
      assert.deepEqual(codes(on({ device: join(whole, 'pmem0p1') })), ['refused']);
    });

    it('has a cause and a way out for each', () => {
      const all = [
        on({ type: 'tmpfs' }),
        on({ type: 'btrfs' }),
        on({}),
        on({ device: pmem(), blockSize: 1024, options: [] }),
        device('block', undefined),
        on({ device: pmem() }),
      ].flatMap((backing) => obstacles(backing, EOPNOTSUPP, machine.host));
      for (const { cause, remedy } of all) {
        assert(cause.length > 10 && remedy.length > 10);
        assert(!/undefined|null|NaN/.test(cause + remedy), cause + remedy);
      }
    });
  });

  describe('decideDurability', () => {
    const shown = ({ granularity, mapSync, assumed, volatile }: Durability) => ({
      granularity,
      mapSync,
      assumed,
      volatile,
    });
    const plain = { mapSync: false, assumed: false, volatile: false };

    it('gives a DAX file with MAP_SYNC cache lines, and bytes with eADR', () => {
      for (const [domain, granularity] of [
        ['memory_controller', 'cache-line'],
        ['cpu_cache', 'byte'],
        ['', 'cache-line'],
        [undefined, 'cache-line'],
      ] as const) {
        const name = `${region}-${domain}`.replace(/region0-.*/, `region${domain?.length ?? 99}`);
        const directory = machine.device(name, domain === undefined ? {} : { persistence_domain: domain });
        const backing = on({ device: join(directory, 'namespace0.0/block/pmem0') });
        assert.deepEqual(shown(decide(backing, 0)), { ...plain, granularity, mapSync: true }, domain);
        assert.deepEqual(shown(decide(backing, 0, true)), { ...plain, granularity, mapSync: true });
        assert.match(decide(backing, 0).reason, /MAP_SYNC/);
      }
    });

    it('gives device-DAX on NVDIMMs cache lines, with the page size of the device', () => {
      const dax = machine.device(`${region}/dax0.1/dax/dax0.0`);
      const durability = decide(device('devdax', dax), 0);
      assert.deepEqual(shown(durability), { ...plain, granularity: 'cache-line', mapSync: true });
      assert.equal(durability.pageSize, 2 ** 21);
    });

    it('calls device-DAX over hmem and CXL volatile, unless persistence is assumed', () => {
      const dax = machine.device('platform/hmem.0/dax0.0');
      assert.deepEqual(shown(decide(device('devdax', dax), 0)), { ...plain, granularity: 'page', volatile: true });
      assert.deepEqual(shown(decide(device('devdax', dax), 0, true)), {
        ...plain,
        granularity: 'cache-line',
        mapSync: true,
        assumed: true,
      });
    });

    it('takes physical memory and PCI BARs as asserted to be persistent', () => {
      for (const kind of ['devmem', 'pci'] as const) {
        assert.deepEqual(shown(decide(device(kind, undefined), EOPNOTSUPP)), {
          ...plain,
          granularity: 'cache-line',
          assumed: true,
        });
      }
    });

    it('gives a plain file pages, with the cause, and cache lines where persistence is assumed', () => {
      const backing = on({ device: disk('pci0000:00/block/sda', 0) });
      assert.deepEqual(shown(decide(backing, EOPNOTSUPP)), { ...plain, granularity: 'page' });
      assert.match(decide(backing, EOPNOTSUPP).reason, /msync.*sda is not byte-addressable/);
      assert.deepEqual(shown(decide(backing, EOPNOTSUPP, true)), {
        ...plain,
        granularity: 'cache-line',
        assumed: true,
      });
      assert.match(decide(backing, EOPNOTSUPP, true).reason, /assumed, not confirmed/);
    });

    it('calls tmpfs volatile', () => {
      const durability = decide(on({ type: 'tmpfs' }), EOPNOTSUPP);
      assert.deepEqual(shown(durability), { ...plain, granularity: 'page', volatile: true });
      assert.match(durability.reason, /no store here survives/);
    });

    it('gives a block device pages', () =>
      assert.deepEqual(shown(decide(device('block', undefined), EOPNOTSUPP)), { ...plain, granularity: 'page' }));

    it('finds a stronger granularity enough for a weaker one, and volatile memory for none', () => {
      const of = (granularity: Granularity, volatile = false): Durability => ({
        ...plain,
        granularity,
        volatile,
        below: 'persistent',
        pageSize: 4096,
        reason: '',
      });
      const order = ['page', 'cache-line', 'byte'] as const;
      for (const [i, actual] of order.entries()) {
        for (const [j, wanted] of order.entries()) {
          assert.equal(satisfies(of(actual), wanted), i >= j);
          assert.equal(satisfies(of(actual, true), wanted), false);
        }
      }
      assert.deepEqual(
        [of('byte'), of('cache-line'), of('page'), of('page', true)].map(nativeGranularity),
        [0, 1, 2, 3],
      );
    });

    it('refuses a granularity with every cause and way out', () => {
      const backing = on({ device: disk(`${region}/namespace0.0/block/pmem0`, 1), blockSize: 1024, options: [] });
      const { code, message } = tooCoarse(backing, EOPNOTSUPP, decide(backing, EOPNOTSUPP), 'cache-line');
      assert.equal(code, 'ERR_PMEM_GRANULARITY');
      assert.match(message, /blocks of 1 KiB.*Way out:.*mkfs.*without the option dax.*Way out: mount/s);
      const file = on({ device: disk('pci0000:00/block/sda', 0) });
      assert.match(
        tooCoarse(file, EOPNOTSUPP, decide(file, EOPNOTSUPP), 'byte').message,
        /not byte-addressable.*Way out/,
      );
      const dax = device('devdax', machine.device(`${region}/dax0.1/dax/dax0.0`));
      assert.match(
        tooCoarse(dax, 0, decide(dax, 0), 'byte').message,
        /flushes CPU caches on power failure cannot be changed/,
      );
    });
  });

  describe('numaNode', () => {
    it('is the node of the device, of its parent or of its region', () => {
      assert.equal(numaNode(device('devdax', machine.device('a/dax0.0', { numa_node: 0 }))), 0);
      assert.equal(numaNode(device('block', machine.device(`${region}/namespace0.0/block/pmem0`))), 1);
      assert.equal(numaNode(device('devdax', machine.device('b/dax0.0', { numa_node: -1 }))), undefined);
      assert.equal(numaNode(device('devdax', undefined)), undefined);
    });
  });

  describe('deepFlush', () => {
    const base: Durability = {
      granularity: 'cache-line',
      mapSync: true,
      pageSize: 4096,
      assumed: false,
      volatile: false,
      below: 'persistent',
      reason: '',
    };
    const target = (durability: Durability, directory: string | undefined) => ({
      path: '/dev/dax0.0',
      kind: 'devdax' as const,
      durability,
      device: directory,
      handle: -1,
    });

    it('writes the attribute of a region that has it, and is done', () => {
      const home = machine.device(region, { deep_flush: 1 });
      writeFileSync(join(home, 'deep_flush'), '1\n');
      assert.equal(deepFlush(target(base, join(home, 'dax0.1/dax/dax0.0'))), 'done');
      assert.equal(readFileSync(join(home, 'deep_flush'), 'utf8'), '1');
    });

    it('is unavailable where the region has none, and on assumed or volatile memory; not needed with pages', () => {
      const home = machine.device(region, { deep_flush: 0 });
      assert.equal(deepFlush(target(base, join(home, 'dax0.1'))), 'unavailable');
      assert.equal(deepFlush(target(base, undefined)), 'unavailable');
      assert.equal(deepFlush(target(base, machine.device('platform/hmem.0/dax0.0'))), 'unavailable');
      assert.equal(deepFlush(target({ ...base, assumed: true }, home)), 'unavailable');
      assert.equal(deepFlush(target({ ...base, volatile: true, granularity: 'page' }, home)), 'unavailable');
      assert.equal(deepFlush(target({ ...base, granularity: 'page' }, home)), 'not-needed');
    });

    it('throws when writing the attribute fails', () => {
      const home = machine.device(region, { deep_flush: 1 });
      throwsCode(() => deepFlush({ ...target(base, join(home, 'x')), kind: 'file' }), 'EBADF');
    });
  });
});

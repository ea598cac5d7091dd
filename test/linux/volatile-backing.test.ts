/** What is below a device or a file system, on machines that are directories. */

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mount } from '#dist/linux/mounts.js';
import { legacyCaveat } from '#dist/linux/nvdimm/legacy-memory.js';
import { nvdimmRegionOf } from '#dist/linux/nvdimm/regions.js';
import { belowDescriptor, belowDevice } from '#dist/linux/volatile-backing/below.js';
import { belowDax } from '#dist/linux/volatile-backing/device.js';
import type { Media } from '#dist/linux/volatile-backing/media.js';
import { decideDurability } from '#dist/memory/durability/durability.js';
import { Machine, nvdimms } from '../support/machine.js';
import { onDisk } from '../support/temp.js';

describe('the media below a file or device', () => {
  const file = onDisk();
  let machine: Machine;
  beforeEach(() => {
    const root = file('machine');
    mkdirSync(root);
    machine = new Machine(root);
  });

  /** A block device made of others. */
  function made(path: string, ...parts: string[]): string {
    const device = machine.device(path);
    mkdirSync(join(device, 'slaves'), { recursive: true });
    for (const [i, part] of parts.entries()) symlinkSync(part, join(device, 'slaves', `part${i}`));
    return device;
  }

  const disk = () => machine.device('pci0000:00/ata1/block/sda');
  const stateOf = (device: string) => belowDevice(machine.host, device).state;

  describe('of a block device', () => {
    it('are persistent for a disk, its partitions and devices made of these', () => {
      const [whole, other] = [disk(), machine.device('pci0000:00/nvme0/nvme0n1')];
      const partition = machine.device('pci0000:00/ata1/block/sda/sda1', { partition: 1 });
      const mapped = made('virtual/block/dm-0', partition);
      const raid = made('virtual/block/md0', mapped, other);
      for (const device of [whole, partition, mapped, raid]) assert.equal(stateOf(device), 'persistent', device);
      assert.deepEqual(belowDevice(machine.host, raid).devices, [whole, other]);
    });

    it('are volatile if one part is, and else unknown if one part is', () => {
      const [ram, nbd] = [machine.device('virtual/block/ram0'), machine.device('virtual/block/nbd0')];
      assert.equal(stateOf(made('virtual/block/md0', disk(), ram)), 'volatile');
      assert.equal(stateOf(made('virtual/block/md1', disk(), nbd)), 'unknown');
      assert.equal(stateOf(made('virtual/block/md2', nbd, ram)), 'volatile');
    });

    it('are volatile for RAM disks of every driver', () => {
      for (const path of ['virtual/block/ram12', 'virtual/block/zram0', 'virtual/block/nullb0']) {
        assert.equal(stateOf(machine.device(path)), 'volatile', path);
        assert.equal(stateOf(machine.device(`${path}/p1`, { partition: 1 })), 'volatile', path);
      }
      assert.equal(stateOf(machine.device('pseudo_0/adapter0/host2/target2:0:0/2:0:0:0/block/sdb')), 'volatile');
    });

    it('are unknown for devices that another machine or program serves', () => {
      const paths = [
        'virtual/block/nbd3',
        'virtual/block/ublkb0',
        'virtual/block/zd0',
        'virtual/block/drbd1',
        'platform/host5/session1/target5:0:0/5:0:0:1/block/sdc',
      ];
      for (const path of paths) {
        const { state, why } = belowDevice(machine.host, machine.device(path));
        assert.equal(state, 'unknown', path);
        assert.match(why ?? '', /served by another machine or program/);
      }
    });

    it('are persistent for NVMe by PCI, and unknown for NVMe over fabrics, with one path or several', () => {
      machine.device('pci0000:00/nvme/nvme0', { transport: 'pcie' });
      assert.equal(stateOf(machine.device('pci0000:00/nvme/nvme0/nvme0n1')), 'persistent');
      machine.device('virtual/nvme-fabrics/ctl/nvme1', { transport: 'tcp' });
      assert.equal(stateOf(machine.device('virtual/nvme-fabrics/ctl/nvme1/nvme1n1')), 'unknown');
      for (const [i, transport] of ['pcie', 'rdma'].entries()) {
        const subsystem = `virtual/nvme-subsystem/nvme-subsys${i + 2}`;
        const controller = machine.device(`pci0000:00/nvme/nvme${i + 2}`, { transport });
        const head = machine.device(`${subsystem}/nvme${i + 2}n1`);
        symlinkSync(controller, join(head, '..', `nvme${i + 2}`));
        assert.equal(stateOf(head), transport === 'pcie' ? 'persistent' : 'unknown');
      }
    });

    it('are unknown for a virtual device without parts, and for a device made of itself', () => {
      const device = made('virtual/block/dm-7');
      assert.match(belowDevice(machine.host, device).why ?? '', /does not tell what is below dm-7/);
      symlinkSync(device, join(device, 'slaves', 'dm-7'));
      assert.equal(stateOf(device), 'unknown');
    });

    it('are unknown for a loop device whose file cannot be seen, and volatile for one on a memfd', () => {
      const loop = (n: number, backing: string) => {
        machine.device(`virtual/block/loop${n}/loop`, { backing_file: backing });
        return machine.device(`virtual/block/loop${n}`, { size: 8, dev: `7:${n}` });
      };
      assert.match(
        belowDevice(machine.host, loop(901, '/nowhere/image')).why ?? '',
        /\/nowhere\/image, cannot be seen/,
      );
      assert.equal(stateOf(loop(902, '/nowhere/image (deleted)')), 'unknown');
      assert.equal(stateOf(loop(903, '/memfd:image (deleted)')), 'volatile');
      const path = file('image');
      writeFileSync(path, Buffer.alloc(1024));
      // By name only: a file of another size is another file.
      assert.equal(stateOf(loop(904, path)), 'unknown');
    });
  });

  describe('of libnvdimm', () => {
    it('are persistent for NVDIMMs, volatile for volatile regions and for device-DAX outside of libnvdimm', () => {
      const region = nvdimms(machine);
      assert.equal(stateOf(machine.device(`${region}/namespace0.0/block/pmem0`)), 'persistent');
      assert.equal(belowDax(machine.host, machine.device(`${region}/dax0.1/dax/dax0.0`)).state, 'persistent');
      const forgetful = region.replace('region0', 'region1');
      machine.device(forgetful, { devtype: 'nd_volatile' });
      assert.equal(stateOf(machine.device(`${forgetful}/namespace1.0/block/pmem1`)), 'volatile');
      assert.equal(belowDax(machine.host, machine.device(`${forgetful}/dax1.1/dax/dax1.0`)).state, 'volatile');
      assert.equal(belowDax(machine.host, machine.device('platform/hmem.0/dax2.0')).state, 'volatile');
    });

    it('are volatile for a volatile region, even with MAP_SYNC', () => {
      const region = nvdimms(machine);
      machine.device(region, { devtype: 'nd_volatile' });
      const device = machine.device(`${region}/dax0.1/dax/dax0.0`);
      const backing = {
        kind: 'devdax',
        path: '/dev/dax0.0',
        size: 4096,
        pageSize: 4096,
        fileSystem: undefined,
      } as const;
      const found = { ...backing, device, below: belowDax(machine.host, device), identity: { dev: 0n, ino: 0n } };
      const decided = decideDurability({ backing: found, syncErrno: 0, assumePersistent: false });
      assert.deepEqual([decided.volatile, decided.below], [true, 'volatile']);
    });

    it('are unknown for device mapper on legacy memory, with the memmap= of the command line', () => {
      machine.device('platform/e820_pmem/ndbus1', { provider: 'e820' });
      const directory = machine.device('platform/e820_pmem/ndbus1/region4', { resource: '0x100000000' });
      const pmem = machine.device('platform/e820_pmem/ndbus1/region4/namespace4.0/block/pmem4');
      const below = belowDevice(machine.host, made('virtual/block/dm-1', pmem));
      assert.equal(below.state, 'unknown');
      assert.deepEqual(below.devices, [pmem]);
      const told = (line: string) => {
        writeFileSync(join(machine.host.proc, 'cmdline'), line);
        const region = nvdimmRegionOf(directory);
        return (region && legacyCaveat(machine.host, region)) ?? '';
      };
      assert.match(below.why ?? '', /\/proc\/cmdline, which may show that it is RAM, cannot be read/);
      for (const own of ['4G!4G', '0x100000000!0x100000000', '4194304K!4096m', '1G!3G,2G!4G']) {
        const shown = own.split(',').at(-1);
        assert(told(`quiet memmap=${own} x`).includes(`(memmap=${shown})`), told(`quiet memmap=${own} x`));
      }
      for (const other of ['', 'memmap=4G$4G', 'memmap=1G!1G', 'xmemmap=4G!4G', 'memmap=nonsense!4G']) {
        assert.match(told(other), /reports it as type 12, and the kernel's command line does not make it/, other);
      }
    });
  });

  describe('of a file system', () => {
    const EXT4 = 0xef53;

    function on(mount: Partial<Mount> | undefined, device = 0n, magic = EXT4): Media {
      const whole = { device: '0:99', root: '/', mountPoint: '/mnt', type: 'x', source: 'none', options: [], ...mount };
      return belowDescriptor(machine.host, -1, mount === undefined ? undefined : whole, device, magic);
    }

    it('are unknown where another machine or program serves the files, which the reason names', () => {
      for (const type of ['nfs4', 'cifs', 'ceph', '9p', 'virtiofs', 'fuse.sshfs', 'fuse', 'fuseblk']) {
        const { state, why } = on({ type });
        assert.equal(state, 'unknown');
        assert.match(why ?? '', new RegExp(`^/mnt is ${type}: .*(machine|program).* serves it`));
      }
    });

    it('are unknown where it does not tell its devices, and where no mount shows it', () => {
      assert.match(on({ type: 'zfs', source: 'tank/data' }).why ?? '', /is zfs, which does not tell its devices/);
      assert.match(on({ type: 'btrfs', source: '/dev/nowhere' }).why ?? '', /sysfs does not show its devices/);
      assert.match(on(undefined).why ?? '', /the mount table does not show/);
      assert.match(on({ type: 'ext4' }, 0x7fff00n).why ?? '', /sysfs does not show the block device/);
    });

    it('are volatile for file systems in memory, known by type or by statfs(2)', () => {
      for (const type of ['tmpfs', 'ramfs', 'hugetlbfs', 'rootfs', 'devtmpfs'])
        assert.equal(on({ type }).state, 'volatile');
      for (const magic of [0x01021994, 0x858458f6, 0x958458f6])
        assert.equal(on(undefined, 0n, magic).state, 'volatile');
    });

    it('may lose bytes in a disk’s cache without barriers, unless the disk writes through', () => {
      const device = disk();
      machine.device('pci0000:00/ata1/block/sda/queue', { write_cache: 'write back' });
      mkdirSync(join(machine.host.sys, 'dev', 'block'), { recursive: true });
      symlinkSync(device, join(machine.host.sys, 'dev', 'block', '8:0'));
      for (const option of ['nobarrier', 'barrier=0', 'barrier=none']) {
        assert.match(on({ type: 'ext4', options: ['rw', option] }, 0x800n).withoutBarrier ?? '', /disk's own cache/);
      }
      assert.equal(on({ type: 'ext4', options: ['rw', 'barrier=1'] }, 0x800n).withoutBarrier, undefined);
      writeFileSync(join(device, 'queue', 'write_cache'), 'write through\n');
      assert.equal(on({ type: 'ext4', options: ['rw', 'nobarrier'] }, 0x800n).withoutBarrier, undefined);
    });
  });

  it('can be asserted to be persistent, by msync or by CPU flushes', () => {
    const backing = {
      kind: 'file',
      path: '/data/file',
      size: 4096,
      pageSize: 4096,
      fileSystem: { type: 'overlay', mountPoint: '/', options: [], blockSize: 4096, device: undefined },
      below: { state: 'unknown', why: 'the reason', devices: [] },
      device: undefined,
      identity: { dev: 0n, ino: 0n },
    } as const;
    const decide = (assumePersistent: boolean | 'msync') => {
      const { granularity, assumed, volatile, below, reason } = decideDurability({
        backing,
        syncErrno: 95,
        assumePersistent,
      });
      return { granularity, assumed, volatile, below, reason };
    };
    const { reason, ...plain } = decide(false);
    assert.deepEqual(plain, { granularity: 'page', assumed: false, volatile: false, below: 'unknown' });
    assert.match(
      reason,
      /whether that survives power-off is unknown: the reason; if you know .*assumePersistent: 'msync'/,
    );
    assert.deepEqual({ ...decide('msync'), reason: '' }, { ...plain, assumed: true, reason: '' });
    assert.deepEqual(
      { ...decide(true), reason: '' },
      { ...plain, granularity: 'cache-line', assumed: true, reason: '' },
    );
  });
});

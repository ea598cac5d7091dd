import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { listDevices, type PmemDevice } from 'pmem';
import { devicesOf } from '#dist/memory/devices.js';
import { labelled, Machine, nvdimms } from '../support/machine.js';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

const E820 = 'platform/e820_pmem/ndbus1';

const EXPECTED: PmemDevice = {
  name: 'namespace0.0',
  mode: undefined,
  path: undefined,
  size: 128 * GIB,
  alignment: undefined,
  sectorSize: 512,
  blockDevice: undefined,
  charDevice: undefined,
  region: 'region0',
  provider: 'ACPI.NFIT',
  persistenceDomain: 'memory_controller',
  volatile: false,
  caveat: undefined,
  assumed: false,
  numaNode: 1,
  targetNode: 3,
  resource: 4 * GIB,
  mountPoints: [],
  enabled: true,
};

describe('listDevices', () => {
  let root = '';
  let machine: Machine;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
    machine = new Machine(root);
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('finds nothing on a machine without persistent memory', () => {
    assert.deepEqual(machine.list(), []);
  });

  it('finds nothing without the bus and without /proc', () => {
    assert.deepEqual(devicesOf({ sys: join(root, 'none'), proc: join(root, 'none') }), []);
  });

  it('lists the devices of this machine', () => {
    assert.ok(Array.isArray(listDevices()));
  });

  it('knows a raw namespace', () => {
    const region = nvdimms(machine);
    machine.onBus('nd', `${region}/namespace0.0`, 'nd_pmem', labelled('raw', ''));
    machine.device(`${region}/namespace0.0/block/pmem0`, { dev: '259:0' });
    assert.deepEqual(machine.list(), [{ ...EXPECTED, mode: 'raw', path: '/dev/pmem0', blockDevice: 'pmem0' }]);
  });

  it('knows an fsdax namespace: its usable size, alignment and mount points', () => {
    const region = nvdimms(machine);
    machine.onBus('nd', `${region}/namespace0.0`, '', labelled('memory', 'pfn0.0'));
    machine.onBus('nd', `${region}/pfn0.0`, 'nd_pmem', {
      mode: 'pmem',
      namespace: 'namespace0.0',
      align: 2097152,
      size: 126 * GIB,
      resource: '0x180000000',
    });
    machine.device(`${region}/pfn0.0/block/pmem0`, { dev: '259:0' });
    machine.mount('259:0', '/mnt/pmem\\040disk', 'ext4', '/dev/pmem0');
    machine.mount('259:0', '/srv', 'ext4', '/dev/pmem0');
    assert.deepEqual(machine.list(), [
      {
        ...EXPECTED,
        mode: 'fsdax',
        path: '/dev/pmem0',
        blockDevice: 'pmem0',
        size: 126 * GIB,
        alignment: 2 * MIB,
        resource: 6 * GIB,
        mountPoints: ['/mnt/pmem disk', '/srv'],
      },
    ]);
  });

  it('knows a sector namespace and its sector size', () => {
    const region = nvdimms(machine, 'region0', 'cpu_cache');
    machine.onBus('nd', `${region}/namespace0.1`, '', labelled('safe', 'btt0.1'));
    machine.onBus('nd', `${region}/btt0.1`, 'nd_pmem', {
      namespace: 'namespace0.1',
      sector_size: '512 520 528 [4096] 4104 4160 4224 ',
      size: 127 * GIB,
    });
    machine.device(`${region}/btt0.1/block/pmem0.1s`, { dev: '259:1' });
    assert.deepEqual(machine.list(), [
      {
        ...EXPECTED,
        name: 'namespace0.1',
        mode: 'sector',
        path: '/dev/pmem0.1s',
        blockDevice: 'pmem0.1s',
        sectorSize: 4096,
        size: 127 * GIB,
        persistenceDomain: 'cpu_cache',
      },
    ]);
  });

  /** A namespace whose memory is behind device-DAX, served by a driver of that bus. */
  function deviceDax(driver: string): void {
    const region = nvdimms(machine, 'region1');
    machine.onBus('nd', `${region}/namespace1.0`, '', labelled('dax', 'dax1.1'));
    // The personality and the device that it makes are numbered apart.
    machine.onBus('nd', `${region}/dax1.1`, 'dax_pmem', {
      mode: 'pmem',
      namespace: 'namespace1.0',
      align: 2097152,
      size: 126 * GIB,
    });
    machine.onBus('dax', `${region}/dax1.1/dax1.0`, driver, {
      size: 126 * GIB,
      align: 2097152,
      numa_node: 1,
      target_node: 3,
      resource: '0x180000000',
    });
  }

  it('knows a devdax namespace, as one device with its character device', () => {
    deviceDax('device_dax');
    const devdax: PmemDevice = {
      ...EXPECTED,
      name: 'namespace1.0',
      region: 'region1',
      mode: 'devdax',
      path: '/dev/dax1.0',
      charDevice: 'dax1.0',
      size: 126 * GIB,
      alignment: 2 * MIB,
      sectorSize: undefined,
      resource: 6 * GIB,
    };
    assert.deepEqual(machine.list(), [devdax]);
  });

  it('calls a devdax namespace in use as ordinary memory volatile', () => {
    deviceDax('kmem');
    const [device, ...others] = machine.list();
    assert.deepEqual(others, []);
    assert.equal(device?.mode, 'system-ram');
    assert.equal(device?.volatile, true);
    assert.equal(device?.path, undefined);
    assert.equal(device?.charDevice, 'dax1.0');
    assert.equal(device?.enabled, true);
  });

  it('knows a devdax namespace without a driver', () => {
    deviceDax('');
    const [device] = machine.list();
    assert.equal(device?.mode, 'devdax');
    assert.equal(device?.path, undefined);
    assert.equal(device?.enabled, false);
  });

  it('knows legacy memory: no label, no personality, no persistence domain', () => {
    machine.device(E820, { provider: 'e820' });
    machine.device(`${E820}/region0`, { persistence_domain: '' });
    machine.onBus('nd', `${E820}/region0/namespace0.0`, 'nd_pmem', {
      devtype: 'nd_namespace_io',
      nstype: 4,
      mode: 'memory',
      holder: '',
      size: 256 * MIB,
      force_raw: 0,
      numa_node: -1,
    });
    machine.device(`${E820}/region0/namespace0.0/block/pmem0`, { dev: '259:0' });
    writeFileSync(join(machine.host.proc, 'cmdline'), 'quiet memmap=256M!4G\n');
    assert.deepEqual(machine.list(), [
      {
        ...EXPECTED,
        mode: 'fsdax',
        path: '/dev/pmem0',
        blockDevice: 'pmem0',
        size: 256 * MIB,
        provider: 'e820',
        caveat:
          "region0 is legacy memory (e820), and nothing tells whether it survives power-off: the kernel's command line makes it (memmap=256M!4G), of ordinary RAM unless an NVDIMM is at that address",
        persistenceDomain: undefined,
        numaNode: undefined,
        targetNode: undefined,
        resource: undefined,
      },
    ]);
  });

  it('calls device-DAX of hmem and CXL volatile', () => {
    const attributes = { size: 16 * GIB, align: 2097152, numa_node: 0, target_node: 2 };
    machine.onBus('dax', 'platform/hmem.0/dax0.0', 'device_dax', attributes);
    machine.onBus('dax', 'platform/ACPI0017:00/root0/decoder0.0/region4/dax_region4/dax4.0', 'kmem', attributes);
    const hmem: PmemDevice = {
      ...EXPECTED,
      name: 'dax0.0',
      mode: 'devdax',
      path: '/dev/dax0.0',
      charDevice: 'dax0.0',
      size: 16 * GIB,
      alignment: 2 * MIB,
      sectorSize: undefined,
      region: undefined,
      provider: 'hmem',
      persistenceDomain: undefined,
      volatile: true,
      numaNode: 0,
      targetNode: 2,
      resource: undefined,
    };
    const cxl = { ...hmem, name: 'dax4.0', charDevice: 'dax4.0', mode: 'system-ram', path: undefined, provider: 'CXL' };
    assert.deepEqual(machine.list(), [hmem, cxl]);
  });

  it('leaves out devices without memory, and those that cannot be mapped', () => {
    const region = nvdimms(machine);
    machine.onBus('nd', `${region}/namespace0.0`, '', { ...labelled('raw', ''), size: 0 });
    machine.onBus('nd', `${region}/namespace0.1`, 'nd_blk', { devtype: 'nd_namespace_blk', size: GIB, mode: 'raw' });
    machine.onBus('nd', `${region}/btt0.0`, '');
    machine.onBus('nd', `${region}/pfn0.0`, '', { mode: 'none' });
    machine.onBus('nd', `${region}/dax0.0`, '', { mode: 'none' });
    machine.onBus('dax', 'platform/hmem.0/dax1.0', '', { size: 0, align: 2097152 });
    assert.deepEqual(machine.list(), []);
  });

  it('leaves undefined what the kernel does not tell', () => {
    const region = nvdimms(machine);
    machine.onBus('nd', `${region}/namespace0.0`, '');
    machine.onBus('nd', `${region}/namespace0.1`, '', { holder: 'btt0.1', size: 'much' });
    machine.onBus('nd', `${region}/btt0.1`, '', {});
    machine.onBus('nd', `${region}/namespace0.2`, '', { holder: 'pfn0.7', mode: 'quantum', size: GIB });
    machine.onBus('dax', 'virtual/dax8.0', '', { size: 'much' });
    machine.onBus('dax', 'virtual/dax9.0', '', { size: GIB });
    symlinkSync(join(root, 'gone'), join(machine.host.sys, 'bus', 'nd', 'devices', 'namespace0.3'));
    const nothing = { ...EXPECTED, size: undefined, resource: undefined, enabled: false };
    assert.deepEqual(machine.list(), [
      {
        ...nothing,
        name: 'dax9.0',
        size: GIB,
        mode: 'devdax',
        charDevice: 'dax9.0',
        sectorSize: undefined,
        region: undefined,
        provider: undefined,
        persistenceDomain: undefined,
        volatile: true,
        numaNode: undefined,
        targetNode: undefined,
      },
      nothing,
      { ...nothing, name: 'namespace0.1', mode: 'sector' },
      { ...nothing, name: 'namespace0.2', mode: 'fsdax', size: GIB },
    ]);
  });

  it('does not call device-DAX of a region volatile for lack of a namespace', () => {
    const region = nvdimms(machine);
    machine.onBus('dax', `${region}/dax0.1/dax0.0`, 'device_dax', { size: GIB, align: 4096 });
    const [device] = machine.list();
    assert.equal(device?.volatile, false);
    assert.equal(device?.region, 'region0');
    assert.equal(device?.persistenceDomain, 'memory_controller');
  });

  it('finds mount points of partitions, of stacked devices, and of file systems with anonymous numbers', () => {
    const region = nvdimms(machine);
    for (const n of [0, 1, 2]) {
      machine.onBus('nd', `${region}/namespace0.${n}`, 'nd_pmem', labelled('raw', ''));
      machine.device(`${region}/namespace0.${n}/block/pmem${n}`, { dev: `259:${n}` });
    }
    machine.device(`${region}/namespace0.0/block/pmem0/pmem0p1`, { dev: '259:10', partition: 1 });
    machine.device(`${region}/namespace0.0/block/pmem0/queue`, { dax: 1 });
    const mapped = machine.device('virtual/block/dm-0', { dev: '252:0' });
    const holders = machine.device(`${region}/namespace0.1/block/pmem1/holders`);
    symlinkSync(mapped, join(holders, 'dm-0'));
    machine.mount('259:10', '/part', 'xfs', '/dev/pmem0p1');
    machine.mount('252:0', '/mapped', 'xfs', '/dev/mapper/one');
    machine.mount('0:42', '/butter', 'btrfs', '/dev/pmem2');
    assert.deepEqual(
      machine.list().map((device) => device.mountPoints),
      [['/part'], ['/mapped'], ['/butter']],
    );
  });

  it('ends with devices that are made of each other', () => {
    const region = nvdimms(machine);
    machine.onBus('nd', `${region}/namespace0.0`, 'nd_pmem', labelled('raw', ''));
    const block = machine.device(`${region}/namespace0.0/block/pmem0`, { dev: '259:0' });
    const holders = machine.device(`${region}/namespace0.0/block/pmem0/holders`);
    symlinkSync(dirname(holders), join(holders, 'pmem0'));
    machine.mount('259:0', '/mnt', 'ext4', block);
    assert.deepEqual(machine.list()[0]?.mountPoints, ['/mnt']);
  });

  it('orders devices by number', () => {
    const region = nvdimms(machine);
    for (const n of [10, 2, 0]) machine.onBus('nd', `${region}/namespace0.${n}`, '', labelled('raw', ''));
    machine.onBus('dax', 'platform/hmem.0/dax2.0', '', { size: GIB });
    assert.deepEqual(
      machine.list().map((device) => device.name),
      ['dax2.0', 'namespace0.0', 'namespace0.2', 'namespace0.10'],
    );
  });
});

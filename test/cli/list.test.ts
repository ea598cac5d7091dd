import assert from 'node:assert/strict';
import { listDevices, type PmemDevice } from 'pmem';
import { deviceJson, deviceRemarks, deviceTable } from '#dist/cli/list.js';
import { pmem } from './run.js';

const NOTHING: PmemDevice = {
  name: 'namespace0.0',
  mode: undefined,
  path: undefined,
  size: undefined,
  alignment: undefined,
  sectorSize: undefined,
  blockDevice: undefined,
  charDevice: undefined,
  region: undefined,
  provider: undefined,
  persistenceDomain: undefined,
  volatile: false,
  caveat: undefined,
  assumed: false,
  numaNode: undefined,
  targetNode: undefined,
  resource: undefined,
  mountPoints: [],
  enabled: false,
};

const FSDAX: PmemDevice = {
  ...NOTHING,
  mode: 'fsdax',
  path: '/dev/pmem0',
  size: 126 * 2 ** 30,
  alignment: 2 ** 21,
  sectorSize: 512,
  blockDevice: 'pmem0',
  region: 'region0',
  provider: 'ACPI.NFIT',
  persistenceDomain: 'memory_controller',
  numaNode: 0,
  targetNode: 2,
  resource: 2 ** 32,
  mountPoints: ['/mnt/pmem', '/srv'],
  enabled: true,
};

const MEMORY: PmemDevice = {
  ...NOTHING,
  name: 'dax1.0',
  mode: 'system-ram',
  size: 2 ** 30,
  alignment: 2 ** 21,
  charDevice: 'dax1.0',
  provider: 'hmem',
  volatile: true,
  numaNode: 0,
  targetNode: 1,
  enabled: true,
};

describe('pmem list', () => {
  it('prints the devices of the library as JSON', async () => {
    const { code, stdout, stderr } = await pmem(['list', '--json']);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    assert.equal(stdout, `${deviceJson(listDevices())}\n`);
    assert.ok(Array.isArray(JSON.parse(stdout)));
  });

  it('prints a table, or ways to get a device where there is none', async () => {
    const { code, stdout, stderr } = await pmem(['list']);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    const devices = listDevices();
    if (devices.length > 0) {
      assert.equal(stdout, `${deviceTable(devices).join('\n')}\n`);
      return;
    }
    assert.match(stdout, /^The kernel knows of no persistent memory on this machine\./);
    for (const way of ['Region.open', 'ndctl', 'memmap=']) assert.ok(stdout.includes(way), way);
  });

  it('lines the columns of the table up', () => {
    assert.deepEqual(deviceTable([FSDAX, MEMORY, NOTHING]), [
      'NAME          PATH        MODE           SIZE  ALIGN  REGION   PERSISTENCE        NODE  MOUNTED ON',
      'namespace0.0  /dev/pmem0  fsdax       126 GiB  2 MiB  region0  memory_controller     0  /mnt/pmem, /srv',
      'dax1.0        -           system-ram    1 GiB  2 MiB  hmem     volatile              1  -',
      'namespace0.0  -           disabled          -      -  -        -                     -  -',
    ]);
  });

  it('says below the table what is unknown or assumed', () => {
    const legacy: PmemDevice = { ...FSDAX, provider: 'e820', persistenceDomain: undefined, caveat: 'nobody knows' };
    const assumed: PmemDevice = { ...MEMORY, mode: 'devdax', path: '/dev/dax1.0', assumed: true };
    const [, first = '', second = ''] = deviceTable([legacy, assumed]);
    assert.match(first, / region0 +unknown +0 /);
    assert.match(second, / hmem +volatile, assumed +0 /);
    assert.deepEqual(deviceRemarks([FSDAX, MEMORY]), []);
    const remarks = deviceRemarks([legacy, assumed]);
    assert.equal(remarks[0], 'namespace0.0: nobody knows.');
    assert.match(remarks[1] ?? '', /^assumed: PMEM_ASSUME_PERSISTENT=1 /);
    const [told, asserted] = JSON.parse(deviceJson([legacy, assumed])) as Record<string, unknown>[];
    assert.equal(told?.['caveat'], 'nobody knows');
    assert.equal(asserted?.['assumed'], true);
  });

  it("has ndctl's and daxctl's names in JSON, and leaves out what does not apply", () => {
    assert.deepEqual(JSON.parse(deviceJson([FSDAX, MEMORY, NOTHING])), [
      {
        dev: 'namespace0.0',
        mode: 'fsdax',
        path: '/dev/pmem0',
        size: 126 * 2 ** 30,
        align: 2 ** 21,
        sector_size: 512,
        blockdev: 'pmem0',
        region: 'region0',
        provider: 'ACPI.NFIT',
        persistence_domain: 'memory_controller',
        volatile: false,
        numa_node: 0,
        target_node: 2,
        resource: 2 ** 32,
        mountpoints: ['/mnt/pmem', '/srv'],
      },
      {
        dev: 'dax1.0',
        mode: 'system-ram',
        size: 2 ** 30,
        align: 2 ** 21,
        chardev: 'dax1.0',
        provider: 'hmem',
        volatile: true,
        numa_node: 0,
        target_node: 1,
        mountpoints: [],
      },
      { dev: 'namespace0.0', volatile: false, mountpoints: [], state: 'disabled' },
    ]);
  });
});

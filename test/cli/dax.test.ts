import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Arguments } from '#dist/cli/arguments.js';
import { findInstance, instanceNamed } from '#dist/cli/dax/instance.js';
import { listed } from '#dist/cli/dax/list.js';
import type { Host } from '#dist/linux/host.js';
import { throwsCode } from '../support/errors.js';
import { Machine, nvdimms } from '../support/machine.js';
import { onDisk } from '../support/temp.js';
import { pmem } from './run.js';

describe('pmem dax', () => {
  const name = onDisk();

  describe('list', () => {
    const GIB = 2 ** 30;

    /** A region that devices are created in, and one of NVDIMMs. */
    function played(): Host {
      const machine = new Machine(name('played'));
      machine.device('platform/hmem.0/dax_region', { id: 4, size: 8 * GIB, align: 2 ** 21, available_size: 5 * GIB });
      const near = { numa_node: 0, target_node: 2, align: 2 ** 21 };
      machine.onBus('dax', 'platform/hmem.0/dax4.0', 'kmem', { ...near, size: GIB });
      machine.onBus('dax', 'platform/hmem.0/dax4.1', 'device_dax', { ...near, size: 2 * GIB });
      const nvdimm = { numa_node: 1, target_node: 3, align: 4096, size: GIB, resource: '0x100000000' };
      machine.onBus('dax', `${nvdimms(machine)}/dax0.0`, 'device_dax', nvdimm);
      return machine.host;
    }
    const asked = (flags: string[], values: Record<string, string> = {}, host = played()) =>
      listed(new Arguments([], flags, Object.entries(values)), host);

    it('shows the devices of the bus under the names that daxctl gives them', () => {
      const { json, rows } = asked([]);
      const names = json.map(({ chardev, path, mode, size, align }) => [chardev, path, mode, size, align]);
      assert.deepEqual(names, [
        ['dax0.0', '/dev/dax0.0', 'devdax', GIB, 4096],
        ['dax4.0', undefined, 'system-ram', GIB, 2 ** 21],
        ['dax4.1', '/dev/dax4.1', 'devdax', 2 * GIB, 2 ** 21],
      ]);
      assert.deepEqual(rows[0], ['dax0.0', '/dev/dax0.0', 'devdax', '1 GiB', '4 KiB', 'region0', '1', '3']);
      assert.deepEqual(rows[1], ['dax4.0', '-', 'system-ram', '1 GiB', '2 MiB', 'hmem', '0', '2']);
    });

    it('shows only the devices near a NUMA node, or of a target node', () => {
      const chardevs = (values: Record<string, string>) => asked([], values).json.map(({ chardev }) => chardev);
      assert.deepEqual(chardevs({ 'numa-node': '1' }), ['dax0.0']);
      assert.deepEqual(chardevs({ 'target-node': '2' }), ['dax4.0', 'dax4.1']);
      assert.deepEqual(chardevs({ 'numa-node': '1', 'target-node': '2' }), []);
    });

    it('shows the regions, with the memory available in them', () => {
      const { json, rows } = asked(['regions']);
      const [region] = json;
      assert.deepEqual([json.length, region?.['id'], region?.['available_size']], [1, 4, 5 * GIB]);
      assert.deepEqual(rows, [['4', '8 GiB', '5 GiB', '2 MiB', '0', '2', 'dax4.0, dax4.1']]);
      assert.deepEqual(asked(['regions'], { 'target-node': '3' }).rows, []);
    });

    it('prints the devices as JSON, and a sentence for none', async () => {
      const there = await pmem(['dax', 'list', '--json']);
      assert.equal(there.code, 0);
      assert.deepEqual(
        JSON.parse(there.stdout),
        JSON.parse(JSON.stringify(listed(new Arguments([], [], [])).json, (_, value: unknown) => value ?? null)),
      );
      assert.equal((await pmem(['dax', 'list', '-n', '4711', '--json'])).stdout, '[]\n');
      assert.match((await pmem(['dax', 'list', '-n', '4711'])).stdout, /no such DAX device; 'pmem list'/);
      assert.match((await pmem(['dax', 'list', '-R', '-n', '4711'])).stdout, /no such DAX region/);
    });
  });

  describe('an operand', () => {
    function played(): Host {
      const machine = new Machine(name('played'));
      machine.device('platform/hmem.0/dax_region', { id: 0, size: 2 ** 30, align: 2 ** 21, available_size: 2 ** 29 });
      machine.onBus('dax', 'platform/hmem.0/dax0.0', '', { size: 2 ** 28 });
      machine.onBus('dax', 'platform/hmem.0/dax0.1', 'device_dax', { size: 2 ** 28, dev: '1:3' });
      return machine.host;
    }

    it('names the device of its name, or the device at its path', () => {
      const host = played();
      const link = name('link');
      symlinkSync('/dev/null', link); // as the kernel numbers dax0.1 here
      for (const operand of ['dax0.1', '/dev/dax0.1', '/dev/null', link]) {
        assert.equal(instanceNamed(operand, host).name, 'dax0.1', operand);
      }
    });

    it('never names a device by a file of the same name', () => {
      const host = played();
      const directory = name('backup');
      mkdirSync(directory);
      writeFileSync(join(directory, 'dax0.1'), 'what it held');
      for (const operand of [join(directory, 'dax0.1'), join(directory, 'dax0.0'), './dax0.1', '/dev/../dax0.1', '']) {
        throwsCode(() => instanceNamed(operand, host), 'ENODEV');
        assert.equal(findInstance(operand, host), undefined);
      }
    });
  });

  it('info shows what a file would be as a device', async () => {
    const path = name('file');
    writeFileSync(path, '');
    truncateSync(path, 10 * 2 ** 20);
    const { code, stdout } = await pmem(['dax', 'info', path, '--align', '4KiB', '--json']);
    assert.equal(code, 0);
    const { emulated, align, size, guarantee } = JSON.parse(stdout);
    assert.deepEqual([emulated, align, size, guarantee.given], [true, 4096, 10 * 2 ** 20, false]);
    const text = await pmem(['dax', 'info', path]);
    assert.match(text.stdout, /kind +emulated/);
    assert.match(text.stdout, /page faults +not guaranteed: .*page cache/);
    const wrong = await pmem(['dax', 'info', path, '--align', '1GiB']);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /EINVAL: .*not a multiple of the alignment, 1073741824/);
  });

  for (const [words, code, message] of [
    [['info'], 2, /PATH is missing/],
    [['info', 'dax4711.0'], 1, /ENOENT: there is no 'dax4711\.0'/],
    [['create', '--size', 'much'], 2, /--size must be/],
    [['create', '--region', '-1'], 2, /--region/],
    [['create', '--region', '4711'], 1, /ENODEV/],
    [['destroy'], 2, /PATH is missing/],
    [['destroy', 'dax4711.0', '--yes'], 1, /ENODEV: the kernel has no DAX device 'dax4711\.0'/],
    [['list', '--numa-node', 'x'], 2, /--numa-node must be a whole number/],
    [['reconfigure', 'dax4711.0'], 2, /--mode is missing.*help dax reconfigure/s],
    [['reconfigure', 'dax4711.0', '--mode', 'devdax'], 1, /ENODEV/],
  ] as const) {
    it(`exits with ${code}: pmem dax ${words.join(' ')}`, async () => {
      const ended = await pmem(['dax', ...words]);
      assert.match(ended.stderr, message);
      assert.equal(ended.code, code);
    });
  }
});

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DaxRegion, type Host, listDevices } from 'pmem';
import { findInstance, instanceNamed } from '#dist/cli/dax/instance.js';
import { throwsCode } from '../support/errors.js';
import { Machine } from '../support/machine.js';
import { onDisk } from '../support/temp.js';
import { pmem } from './run.js';

describe('pmem dax', () => {
  const name = onDisk();

  it('lists what the library lists', async () => {
    const devices = listDevices().filter(({ charDevice }) => charDevice !== undefined);
    const { code, stdout } = await pmem(['dax', 'list', '--json']);
    assert.equal(code, 0);
    assert.deepEqual(
      JSON.parse(stdout).map(({ chardev }: { chardev: string }) => chardev),
      devices.map(({ charDevice }) => charDevice),
    );
    const regions = await pmem(['dax', 'list', '-R', '--json']);
    assert.equal(JSON.parse(regions.stdout).length, DaxRegion.list().length);
    assert.equal((await pmem(['dax', 'list', '-n', '4711', '--json'])).stdout, '[]\n');
  });

  describe('the device that an operand names', () => {
    function played(): Host {
      const machine = new Machine(name('played'));
      machine.device('platform/hmem.0/dax_region', { id: 0, size: 2 ** 30, align: 2 ** 21, available_size: 2 ** 29 });
      machine.onBus('dax', 'platform/hmem.0/dax0.0', '', { size: 2 ** 28 });
      machine.onBus('dax', 'platform/hmem.0/dax0.1', 'device_dax', { size: 2 ** 28, dev: '1:3' });
      return machine.host;
    }

    it('is that of its name, or of the device at the path', () => {
      const host = played();
      const link = name('link');
      symlinkSync('/dev/null', link); // as the kernel numbers dax0.1 here
      for (const operand of ['dax0.1', '/dev/dax0.1', '/dev/null', link]) {
        assert.equal(instanceNamed(operand, host).name, 'dax0.1', operand);
      }
    });

    it('is never that of a file of the same name', () => {
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

  it('tells what a file would be as a device', async () => {
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

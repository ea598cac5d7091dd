/** Between the modes of a DAX device on a kernel that is played: the order of writes, and what is left when one fails. */

import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DaxMode, type ReconfigureOptions, reconfigure } from 'pmem/devdax';
import { KERNEL, type Kernel, modprobe, needDriver } from '#dist/devdax/drivers.js';
import { reconfigureBy } from '#dist/devdax/reconfigure/reconfigure.js';
import { childValue } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
import { nvdimms } from '../support/machine.js';
import { ROOT } from '../support/paths.js';
import { BLOCK, DEVICE_SIZE, NODE, PlayedKernel } from './played-kernel.js';

/** Of the device's node, not of the device. */
const OTHERS = { 31: 'online Normal', 32: 'online Normal', 36: 'online Normal', 40: 'online Normal' };
const MOVABLE = { ...OTHERS, 33: 'online Movable', 34: 'online Movable', 35: 'online Movable' };
const DEVICES = { 'dax0.0': 'device_dax', 'dax0.1': 'device_dax' };
const MEMORY = { 'dax0.0': 'kmem', 'dax0.1': 'device_dax' };

describe('reconfigure', () => {
  let root = '';
  let kernel: PlayedKernel;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
    kernel = new PlayedKernel(join(root, 'played'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const toMemory = (options: ReconfigureOptions = {}) =>
    reconfigureBy(kernel, 'dax0.0', 'system-ram', { destroyData: true, ...options });
  const toDevice = (options: ReconfigureOptions = { force: true }) =>
    reconfigureBy(kernel, '/dev/dax0.0', 'devdax', options);

  describe('to system-ram', () => {
    it('writes what daxctl writes, in the same order', () => {
      const report = toMemory();
      assert.deepEqual(kernel.log, [
        'device_dax/remove_id=dax0.0',
        'device_dax/unbind=dax0.0',
        'kmem/bind=dax0.0', // which does not know it
        'kmem/new_id=dax0.0',
        'memory33/state=online_movable',
        'memory34/state=online_movable',
        'memory35/state=online_movable',
      ]);
      assert.deepEqual(kernel.drivers(), MEMORY);
      assert.deepEqual(kernel.blocks(), MOVABLE);
      assert.deepEqual(report, {
        device: 'dax0.0',
        mode: 'system-ram',
        changed: true,
        path: undefined,
        size: DEVICE_SIZE,
        targetNode: NODE,
        memory: {
          blockSize: BLOCK,
          blocks: 3,
          online: 3,
          onlineBytes: 3 * BLOCK,
          movable: true,
          autoOnline: 'offline',
        },
        offlined: 0,
      });
    });

    it('refuses without destroyData, and writes nothing', () => {
      const message = /dax0\.0, 520 MiB of it.*destroyData: true/;
      throwsCode(() => toMemory({ destroyData: false }), 'ERR_PMEM_NOT_CONFIRMED', { message });
      assert.deepEqual(kernel.log, []);
    });

    it('with online: false leaves the memory offline, and goes on later without destroyData', () => {
      const { memory } = toMemory({ online: false });
      assert.deepEqual(memory, {
        blockSize: BLOCK,
        blocks: 3,
        online: 0,
        onlineBytes: 0,
        movable: undefined,
        autoOnline: 'offline',
      });
      kernel.log.length = 0;
      const again = toMemory({ destroyData: false, movable: false });
      assert.equal(again.changed, false);
      assert.equal(again.memory?.movable, false);
      assert.deepEqual(
        kernel.log,
        [33, 34, 35].map((number) => `memory${number}/state=online_kernel`),
      );
    });

    it('loads a missing driver', () => {
      kernel = new PlayedKernel(join(root, 'bare'), { kmem: false });
      toMemory();
      assert.equal(kernel.log[0], 'modprobe kmem');
      assert.deepEqual(kernel.drivers(), MEMORY);
    });

    it('refuses a missing driver before it changes anything', () => {
      kernel = new PlayedKernel(join(root, 'bare'), { kmem: false });
      kernel.refuse.set('modprobe kmem', 'ENOENT');
      throwsCode(() => toMemory(), 'ERR_PMEM_NO_DRIVER', {
        message: /CONFIG_DEV_DAX_KMEM.*played refusal.*Nothing was/,
      });
      assert.deepEqual(kernel.drivers(), DEVICES);
    });

    it('binds the device where its name was not enough', () => {
      kernel.declining.add('kmem');
      kernel.onWrite = (entry) => {
        if (entry.startsWith('kmem/bind') && kernel.ids().length > 0) kernel.declining.clear();
      };
      toMemory();
      assert.deepEqual(kernel.drivers(), MEMORY);
    });

    it('gives the device back when kmem does not take it', () => {
      kernel.declining.add('kmem');
      kernel.refuse.set('kmem/bind=dax0.0', 'EINVAL');
      throwsCode(() => toMemory(), 'EINVAL', { message: /giving it to kmem; dax0\.0 is in mode devdax/ });
      assert.deepEqual(kernel.drivers(), DEVICES);
      assert.deepEqual(kernel.ids(), []);
      assert.deepEqual(kernel.blocks(), OTHERS);
    });

    it('gives the device back when kmem does not take it, without a reason', () => {
      kernel.declining.add('kmem');
      throwsCode(() => toMemory(), 'ENODEV', { message: /kmem does not take dax0\.0.*is in mode devdax/ });
      assert.deepEqual(kernel.drivers(), DEVICES);
    });

    it('says so when the device cannot be given back', () => {
      kernel.declining.add('kmem');
      kernel.onWrite = (entry) => {
        if (entry.includes('unbind')) kernel.declining.add('device_dax');
      };
      throwsCode(() => toMemory(), 'ENODEV', {
        message: /dax0\.0 has no driver now.*pmem dax reconfigure dax0\.0 --mode devdax/,
      });
      kernel.declining.clear();
      const report = toDevice();
      assert.equal(report.changed, true);
      assert.deepEqual(kernel.drivers(), DEVICES);
    });

    it('tells how much is online when a block cannot be brought online', () => {
      kernel.refuse.set('memory34/state=online_movable', 'EINVAL');
      throwsCode(() => toMemory(), 'EINVAL', {
        message:
          /bringing memory34 online; dax0\.0 is in mode system-ram, with 1 of 3 blocks online.*goes on from there/,
      });
      // Nothing is undone, as its contract says.
      assert.deepEqual(kernel.drivers(), MEMORY);
      assert.equal(kernel.blocks()[33], 'online Movable');
      assert.equal(toMemory().memory?.online, 3);
    });

    it('accepts blocks that another program has brought online', () => {
      kernel.onWrite = (entry) => {
        if (!entry.startsWith('memory33')) return;
        kernel.setBlock(34, 'online', 'Normal');
      };
      kernel.refuse.set('memory34/state=online_movable', 'EINVAL');
      const { memory } = toMemory();
      assert.equal(memory?.online, 3);
      assert.equal(memory.movable, false);
    });

    it('changes nothing without the rights', () => {
      kernel.refuse.set('device_dax/unbind=dax0.0', 'EACCES');
      throwsCode(() => toMemory(), 'EACCES', { message: /is in mode devdax/ });
      assert.deepEqual(kernel.drivers(), DEVICES);
    });

    it('refuses at once what the kernel would refuse later', () => {
      kernel = new PlayedKernel(join(root, 'node'), { targetNode: -1 });
      throwsCode(() => toMemory(), 'EINVAL', { message: /no target node.*Nothing was changed/ });
      assert.deepEqual(kernel.log, []);
      kernel = new PlayedKernel(join(root, 'small'), { size: BLOCK });
      throwsCode(() => toMemory(), 'ENOSPC', { message: /blocks of 128 MiB.*has none of its 128 MiB/ });
      kernel = new PlayedKernel(join(root, 'kernel'));
      rmSync(join(kernel.host.sys, 'devices', 'system', 'memory'), { recursive: true });
      throwsCode(() => toMemory(), 'ENOTSUP', { message: /CONFIG_MEMORY_HOTPLUG/ });
      assert.deepEqual(kernel.log, []);
    });

    it('refuses a device that a process has open', () => {
      const process = join(kernel.host.proc, '77');
      mkdirSync(process, { recursive: true });
      writeFileSync(join(process, 'maps'), '7f0000000000-7f0000200000 rw-s 00000000 00:05 12   /dev/dax0.0\n');
      for (const force of [false, true]) {
        throwsCode(() => toMemory({ force }), 'EBUSY', { message: /open in process 77.*Nothing was changed/ });
      }
      assert.deepEqual(kernel.log, []);
      rmSync(process, { recursive: true });
      assert.equal(toMemory().changed, true);
    });

    it('refuses a device with an old descriptor also on the way back', () => {
      toMemory();
      kernel.log.length = 0;
      const process = join(kernel.host.proc, '77');
      mkdirSync(process, { recursive: true });
      writeFileSync(join(process, 'maps'), '7f0000000000-7f0000200000 rw-s 00000000 00:05 12   /dev/dax0.0\n');
      throwsCode(() => toDevice(), 'EBUSY', { message: /open in process 77.*Nothing was changed/ });
      assert.deepEqual(kernel.log, []);
    });

    for (const [policy, options, isRefused] of [
      ['online', {}, true],
      ['online', { movable: false }, false],
      ['online', { online: false }, true],
      ['online_kernel', {}, true],
      ['online_kernel', { movable: false }, false],
      ['online_movable', {}, false],
      ['online_movable', { movable: false }, true],
      ['online_movable', { online: false }, true],
      ['online', { force: true }, false],
      ['online', { force: true, online: false }, false],
    ] as const) {
      const what = Object.entries(options).map(([name, value]) => `${name} ${value}`);
      it(`with the kernel's policy '${policy}' and ${what.join(', ') || 'no options'}`, () => {
        kernel.autoOnline = policy;
        writeFileSync(join(kernel.host.sys, 'devices', 'system', 'memory', 'auto_online_blocks'), `${policy}\n`);
        if (isRefused) {
          throwsCode(() => toMemory(options), 'EBUSY', { message: /auto_online_blocks/ });
          assert.deepEqual(kernel.log, []);
          return;
        }
        const { memory } = toMemory(options);
        assert.equal(memory?.autoOnline, policy);
        assert.equal(memory.online, 3);
        assert.equal(memory.movable, policy === 'online_movable');
      });
    }
  });

  describe('to devdax', () => {
    beforeEach(() => {
      toMemory();
      kernel.log.length = 0;
    });

    it('takes the blocks offline, the last one first, and gives the device back', () => {
      const report = toDevice();
      assert.deepEqual(kernel.log, [
        'memory35/state=offline',
        'memory34/state=offline',
        'memory33/state=offline',
        'kmem/remove_id=dax0.0',
        'kmem/unbind=dax0.0',
        'device_dax/bind=dax0.0',
      ]);
      assert.deepEqual(kernel.drivers(), DEVICES);
      assert.deepEqual(kernel.ids(), []);
      assert.deepEqual(kernel.blocks(), OTHERS);
      assert.deepEqual(report, {
        device: 'dax0.0',
        mode: 'devdax',
        changed: true,
        path: '/dev/dax0.0',
        size: DEVICE_SIZE,
        targetNode: NODE,
        memory: undefined,
        offlined: 3,
      });
    });

    it('does nothing for a device in mode devdax', () => {
      toDevice();
      kernel.log.length = 0;
      const report = toDevice();
      assert.equal(report.changed, false);
      assert.equal(report.offlined, 0);
      assert.deepEqual(kernel.log, []);
    });

    it('refuses online memory without force, and names the blocks', () => {
      throwsCode(() => toDevice({}), 'EBUSY', { message: /memory33, memory34, memory35.*force: true/ });
      assert.deepEqual(kernel.log, []);
      for (const number of [33, 34, 35]) kernel.setBlock(number, 'offline', 'Normal Movable');
      assert.equal(toDevice({}).offlined, 0);
    });

    it('brings blocks online again when one is in use', () => {
      kernel.refuse.set('memory34/state=offline', 'EBUSY');
      throwsCode(() => toDevice(), 'EBUSY', {
        message: /taking memory34 offline; dax0\.0 is in mode system-ram, with 3 of 3 blocks online; end what uses/,
      });
      assert.deepEqual(kernel.drivers(), MEMORY);
      assert.deepEqual(kernel.blocks(), MOVABLE);
    });

    it('brings blocks online in their former zones, and says that only a restart helps', () => {
      kernel.setBlock(34, 'online', 'Normal');
      kernel.setBlock(35, 'online', 'Normal');
      kernel.refuse.set('memory34/state=offline', 'EBUSY');
      throwsCode(() => toDevice(), 'EBUSY', { message: /memory34, memory35 are not movable: only a restart/ });
      assert.deepEqual(kernel.blocks(), { ...MOVABLE, 34: 'online Normal', 35: 'online Normal' });
    });

    it('says so when blocks cannot be brought online again', () => {
      kernel.refuse.set('memory34/state=offline', 'EBUSY');
      kernel.refuse.set('memory35/state=online_movable', 'EINVAL');
      throwsCode(() => toDevice(), 'EBUSY', { message: /with 2 of 3 blocks online/ });
    });

    it('accepts blocks that another program has taken offline', () => {
      kernel.onWrite = (entry) => {
        if (entry.startsWith('memory35')) kernel.setBlock(34, 'offline', 'Normal Movable');
      };
      kernel.refuse.set('memory34/state=offline', 'EBUSY');
      assert.equal(toDevice().offlined, 2);
    });

    it('does not unbind memory that came online again', () => {
      kernel.onWrite = (entry) => {
        if (entry.startsWith('memory33')) kernel.setBlock(35, 'online', 'Movable');
      };
      throwsCode(() => toDevice(), 'EBUSY', { message: /memory35 came online again.*is in mode system-ram/ });
      assert.deepEqual(kernel.drivers(), MEMORY);
    });

    it('gives the device back to kmem when device_dax does not take it, and says so', () => {
      kernel.declining.add('device_dax');
      throwsCode(() => toDevice(), 'ENODEV', { message: /giving it to device_dax; dax0\.0 is in mode system-ram/ });
      assert.deepEqual(kernel.drivers(), MEMORY);
    });

    it('brings the memory online in its former zones then', () => {
      kernel.setBlock(34, 'online', 'Normal');
      kernel.declining.add('device_dax');
      throwsCode(() => toDevice(), 'ENODEV', {
        message: /giving it to device_dax; dax0\.0 is in mode system-ram, with 3 of 3 blocks online/,
      });
      assert.deepEqual(kernel.blocks(), { ...MOVABLE, 34: 'online Normal' });
    });

    it('tells how much memory is not online then', () => {
      kernel.declining.add('device_dax');
      kernel.refuse.set('memory34/state=online_movable', 'EINVAL');
      throwsCode(() => toDevice(), 'ENODEV', { message: /is in mode system-ram, with 2 of 3 blocks online/ });
    });

    it('does not unbind where kmem would keep the name', () => {
      kernel.refuse.set('kmem/remove_id=dax0.0', 'EACCES');
      throwsCode(() => toDevice(), 'EACCES', { message: /is in mode system-ram/ });
      assert.deepEqual(kernel.drivers(), MEMORY);
    });

    it("refuses where the kernel does not tell which memory is the device's", () => {
      writeFileSync(join(kernel.host.sys, 'bus', 'dax', 'devices', 'dax0.0', 'resource'), '');
      throwsCode(() => toDevice(), 'EACCES', { message: /only root/ });
      assert.deepEqual(kernel.log, []);
    });

    it('finds the memory of a device of several pieces', () => {
      const device = join(kernel.host.sys, 'bus', 'dax', 'devices', 'dax0.0');
      for (const [i, start] of [33 * BLOCK, 35 * BLOCK].entries()) {
        mkdirSync(join(device, `mapping${i}`));
        writeFileSync(join(device, `mapping${i}`, 'page_offset'), `0x${((i * BLOCK) / 4096).toString(16)}\n`);
        writeFileSync(join(device, `mapping${i}`, 'start'), `0x${start.toString(16)}\n`);
        writeFileSync(join(device, `mapping${i}`, 'end'), `0x${(start + BLOCK - 1).toString(16)}\n`);
      }
      throwsCode(() => toDevice({}), 'EBUSY', { message: /2 blocks are online \(memory33, memory35\)/ });
    });
  });

  it('refuses wrong arguments', () => {
    const call = (device: unknown, mode: unknown, options?: unknown) => () =>
      reconfigureBy(kernel, device as string, mode as DaxMode, options as ReconfigureOptions);
    for (const device of [undefined, null, 5, {}]) throwsCode(call(device, 'devdax'), 'ERR_INVALID_ARG_TYPE');
    for (const device of ['', 'dax', 'dax0', 'dax0.0.0', 'sda', '/dev/null', 'dax0.0\n']) {
      throwsCode(call(device, 'devdax'), 'ERR_INVALID_ARG_VALUE');
    }
    throwsCode(call('dax9.0', 'devdax'), 'ENODEV', { message: /there are: dax0\.0, dax0\.1/ });
    for (const mode of [undefined, null, 1]) throwsCode(call('dax0.0', mode), 'ERR_INVALID_ARG_TYPE');
    for (const mode of ['ram', 'toString']) throwsCode(call('dax0.0', mode), 'ERR_INVALID_ARG_VALUE');
    throwsCode(call('dax0.0', 'devdax', null), 'ERR_INVALID_ARG_TYPE');
    throwsCode(call('dax0.0', 'devdax', { force: 1 }), 'ERR_INVALID_ARG_TYPE');
    throwsCode(call('dax0.0', 'devdax', { yes: true }), 'ERR_INVALID_ARG_VALUE');
    assert.deepEqual(kernel.log, []);
  });

  describe('beside other devices without a driver', () => {
    const ALONE = { 'dax0.0': 'kmem', 'dax0.1': undefined };

    it('refuses to system-ram where the kernel would take another device, too', () => {
      kernel.unbind('device_dax', 'dax0.1');
      throwsCode(() => toMemory(), 'EBUSY', {
        message: /give it dax0\.1 too.*pmem dax reconfigure dax0\.1 --mode devdax.*Nothing was changed/,
      });
      assert.deepEqual(kernel.log, []);
      reconfigureBy(kernel, 'dax0.1', 'devdax');
      assert.deepEqual(kernel.drivers(), DEVICES);
      toMemory();
      assert.deepEqual(kernel.drivers(), MEMORY);
    });

    it('ignores an empty device, which the kernel does not bind', () => {
      kernel.unbind('device_dax', 'dax0.1');
      writeFileSync(join(kernel.host.sys, 'bus', 'dax', 'devices', 'dax0.1', 'size'), '0\n');
      assert.equal(toMemory().changed, true);
    });

    it('tells no driver a name to devdax', () => {
      toMemory();
      kernel.unbind('device_dax', 'dax0.1');
      toDevice();
      assert.deepEqual(kernel.drivers(), { 'dax0.0': 'device_dax', 'dax0.1': undefined });
      assert(!kernel.log.some((entry) => entry.startsWith('device_dax/new_id')));
    });

    it('tells kmem no name that it matches anyway, from Linux 6.3 on', () => {
      kernel = new PlayedKernel(join(root, 'hmem'), { hmem: true });
      kernel.unbind('device_dax', 'dax0.1');
      toMemory();
      assert.deepEqual(kernel.drivers(), ALONE);
      assert(!kernel.log.some((entry) => entry.includes('new_id')));
    });

    it('tells device_dax the name then, which takes no other device of that kind', () => {
      kernel = new PlayedKernel(join(root, 'hmem'), { hmem: true });
      toMemory();
      kernel.unbind('device_dax', 'dax0.1');
      toDevice();
      assert(kernel.log.includes('device_dax/new_id=dax0.0'));
      assert.deepEqual(kernel.drivers(), { 'dax0.0': 'device_dax', 'dax0.1': undefined });
    });

    it("refuses to devdax where device_dax would take an NVDIMM's device, too", () => {
      kernel = new PlayedKernel(join(root, 'hmem'), { hmem: true });
      toMemory();
      kernel.machine.onBus('dax', `${nvdimms(kernel.machine)}/dax7.0`, '', { size: BLOCK });
      throwsCode(() => toDevice(), 'EBUSY', { message: /give it dax7\.0 too.*dax0\.0 is in mode system-ram/ });
      assert.deepEqual(kernel.drivers(), MEMORY);
    });
  });

  it("does not take a file of a device's name for the device", () => {
    mkdirSync(join(root, 'backup'));
    for (const name of ['backup/dax0.0', 'backup/dax0.1']) {
      const path = join(root, name);
      writeFileSync(path, 'what it held');
      throwsCode(() => reconfigureBy(kernel, path, 'system-ram', { destroyData: true }), 'ERR_INVALID_ARG_VALUE');
    }
    const missing = join(root, 'missing', 'dax0.0');
    for (const path of [missing, 'nowhere/dax0.0', './dax0.0', '/dev/null/../dax0.1', '/dev/dax/dax0.0']) {
      throwsCode(() => reconfigureBy(kernel, path, 'system-ram', { destroyData: true }), 'ERR_INVALID_ARG_VALUE');
    }
    // A link to a character device which is not the one of that name.
    symlinkSync('/dev/null', join(root, 'dax0.0'));
    throwsCode(() => reconfigureBy(kernel, join(root, 'dax0.0'), 'devdax'), 'ERR_INVALID_ARG_VALUE');
    assert.deepEqual(kernel.log, []);
  });

  it('finds a device by its number, under any path', () => {
    writeFileSync(join(kernel.host.sys, 'bus', 'dax', 'devices', 'dax0.1', 'dev'), '1:3\n');
    for (const path of ['/dev/null', join(root, 'dax0.0')]) {
      if (path !== '/dev/null') symlinkSync('/dev/null', path);
      assert.equal(reconfigureBy(kernel, path, 'devdax').device, 'dax0.1');
    }
  });

  it('refuses a device that this machine does not have', () => {
    throwsCode(() => reconfigure('dax99.99', 'devdax'), 'ENODEV');
  });

  describe('loads a driver by modprobe', () => {
    /** The real way to load a module, with a modprobe that is this script. */
    function modprobeOf(text: string): (module: string) => void {
      const programs = join(root, 'programs');
      mkdirSync(programs);
      writeFileSync(join(programs, 'modprobe'), `#!/bin/sh\n${text}\n`);
      chmodSync(join(programs, 'modprobe'), 0o755);
      return (module) => modprobe(module, [join(root, 'missing'), programs]);
    }

    function bare(text: string): Kernel {
      return { ...KERNEL, host: { sys: join(root, 'bare'), proc: join(root, 'bare') }, load: modprobeOf(text) };
    }

    it('which gets the name of the driver', () => {
      needDriver(bare(`mkdir -p ${join(root, 'bare', 'bus', 'dax', 'drivers')}/$1`), 'kmem');
    });

    it('which fails, and whose words are in the error', () => {
      const kernel = bare('echo "FATAL: Module $1 not found" >&2; exit 1');
      throwsCode(() => needDriver(kernel, 'kmem'), 'ERR_PMEM_NO_DRIVER', { message: /FATAL: Module kmem not found/ });
    });

    it('which succeeds without effect', () => {
      const kernel = bare('exit 0');
      throwsCode(() => needDriver(kernel, 'kmem'), 'ERR_PMEM_NO_DRIVER', {
        message: /modprobe succeeded, but the driver is missing/,
      });
    });

    it('which runs with a minimal environment in the directory /', () => {
      const seen = join(root, 'seen');
      process.env['MODPROBE_OPTIONS'] = '--force';
      try {
        modprobeOf(`{ pwd; env; } >${seen}`)('kmem');
      } finally {
        delete process.env['MODPROBE_OPTIONS'];
      }
      const [directory, ...variables] = readFileSync(seen, 'utf8').trim().split('\n');
      assert.equal(directory, '/');
      // What the shell itself adds is not told by anybody.
      const names = variables.map((one) => one.replace(/=.*/, '')).filter((one) => !/^(PWD|OLDPWD|SHLVL|_)$/.test(one));
      assert.deepEqual(names.sort(), ['LC_ALL', 'PATH']);
    });

    it('which is missing, and the error names the paths that were tried', () => {
      throwsCode(() => modprobe('kmem', ['/nowhere/sbin', '/nowhere/bin']), 'ERR_PMEM_NO_PROGRAM', {
        message: /neither \/nowhere\/sbin\/modprobe nor \/nowhere\/bin\/modprobe exists/,
      });
    });

    it('which is never one of the current directory or of PATH', async () => {
      const planted = join(root, 'planted');
      const mark = join(root, 'mark');
      mkdirSync(planted);
      writeFileSync(join(planted, 'modprobe'), `#!/bin/sh\necho ran >>${mark}\n`);
      chmodSync(join(planted, 'modprobe'), 0o755);
      const drivers = join(ROOT, 'dist', 'devdax', 'drivers.js');
      for (const path of [null, '', planted, `:${planted}`, '.']) {
        await childValue<[string, string | null, string], void>(
          async (directory, PATH, module) => {
            process.chdir(directory);
            if (PATH === null) delete process.env['PATH'];
            else process.env['PATH'] = PATH;
            const { KERNEL } = await import(module);
            try {
              KERNEL.load('pmem_no_such_module');
            } catch {
              // The system's own modprobe knows no such module, or there is none.
            }
          },
          [planted, path, drivers],
        );
      }
      assert.equal(existsSync(mark), false);
    });
  });
});

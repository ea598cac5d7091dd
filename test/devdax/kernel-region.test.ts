/** A region of the kernel, played in a directory, and others who want its devices at the same time. */

import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '#dist/binding.js';
import type { Wanted } from '#dist/devdax/region/backend.js';
import { startChild } from '../support/child.js';
import { codeOf, rejectsCode, throwsCode } from '../support/errors.js';
import { onDisk } from '../support/temp.js';
import { PlayedBus, UNIT } from './played-bus.js';

const wanted = (units: number): Wanted => ({ size: units * UNIT, contiguous: false, ranges: undefined });

describe('DaxRegion of the kernel', () => {
  const directory = onDisk();
  let bus: PlayedBus;

  beforeEach(() => {
    bus = new PlayedBus(directory('bus'));
  });

  /** Once, when this is written, before it does anything. */
  function once(entry: string, act: () => void): void {
    bus.onWrite = (one) => {
      if (one !== entry) return;
      bus.onWrite = () => {};
      act();
    };
  }

  it('creates, resizes and destroys devices', () => {
    const region = bus.region();
    const first = region.create(wanted(4));
    const second = region.create(wanted(2));
    assert.deepEqual([first.name, second.name], ['dax0.0', 'dax0.1']);
    first.resize(8 * UNIT);
    assert.deepEqual(bus.pieces('dax0.0'), [
      [0, 4],
      [6, 10],
    ]);
    second.destroy();
    assert.deepEqual(bus.devices(), ['dax0.0 8 +']);
    first.destroy();
    assert.deepEqual(bus.devices(), ['dax0.0 0']);
    const exact = region.create({ ...wanted(4), contiguous: true });
    assert.deepEqual(bus.pieces('dax0.0'), [[0, 4]]);
    assert.equal(exact.name, 'dax0.0');
  });

  describe('while another program without our lock makes a device', () => {
    const size = 2 * UNIT;
    /** What the other one does with sysfs, as daxctl. */
    let other: PlayedBus;
    const home = () => join(bus.host.sys, 'devices/platform/hmem.0');
    const driver = () => join(bus.host.sys, 'bus/dax/drivers/device_dax');

    beforeEach(() => {
      other = new PlayedBus(join(bus.nodes, '..'));
    });

    it('refuses with EBUSY where that took the device first', () => {
      once(`dax0.0/size=${4 * UNIT}`, () => {
        other.write(join(home(), 'dax0.0'), 'size', String(size));
        other.write(driver(), 'bind', 'dax0.0');
      });
      throwsCode(() => bus.region().create(wanted(4)), 'EBUSY');
      assert.deepEqual(bus.devices(), ['dax0.0 2 +']);
    });

    it('refuses with EBUSY where that gave it another size just before', () => {
      once(`dax0.0/size=${4 * UNIT}`, () => other.write(join(home(), 'dax0.0'), 'mapping', '100200000-1003fffff'));
      bus.onWritten = () => other.write(join(home(), 'dax0.0'), 'size', String(size));
      throwsCode(() => bus.region().create(wanted(4)), 'EBUSY', { message: /dax0\.0 .*another program/ });
      assert.deepEqual(bus.devices(), ['dax0.0 2']);
    });

    it('refuses with EBUSY where that gave it a size right after', () => {
      bus.onWritten = (entry) => {
        if (entry === `dax0.0/size=${4 * UNIT}`) other.write(join(home(), 'dax0.0'), 'size', String(6 * UNIT));
      };
      throwsCode(() => bus.region().create(wanted(4)), 'EBUSY', { message: /dax0\.0 .*another program/ });
      assert.deepEqual(bus.devices(), ['dax0.0 6']);
    });

    it('refuses with EBUSY where that gave it a size and a driver right after', () => {
      bus.onWritten = (entry) => {
        if (entry !== `dax0.0/size=${4 * UNIT}`) return;
        other.write(join(home(), 'dax0.0'), 'size', String(6 * UNIT));
        other.write(driver(), 'bind', 'dax0.0');
      };
      throwsCode(() => bus.region().create(wanted(4)), 'EBUSY', { message: /dax0\.0 .*another program/ });
      assert.deepEqual(bus.devices(), ['dax0.0 6 +']);
    });

    it('refuses with EBUSY where that gave it a size just before it is bound', () => {
      once('device_dax/bind=dax0.0', () => other.write(join(home(), 'dax0.0'), 'size', String(6 * UNIT)));
      throwsCode(() => bus.region().create(wanted(4)), 'EBUSY', { message: /dax0\.0 .*another program/ });
      assert.deepEqual(bus.devices(), ['dax0.0 6 +']);
    });

    it('goes on where that had the device bound', () => {
      once('device_dax/bind=dax0.0', () => other.write(driver(), 'new_id', 'dax0.7'));
      assert.equal(bus.region().create(wanted(4)).size, 4 * UNIT);
      assert.deepEqual(bus.devices(), ['dax0.0 4 +']);
    });

    it('leaves the device to that which it had created itself', () => {
      bus.region().create(wanted(1));
      once(`dax0.1/size=${4 * UNIT}`, () => {
        other.write(join(home(), 'dax0.1'), 'size', String(size));
        other.write(driver(), 'bind', 'dax0.1');
      });
      throwsCode(() => bus.region().create(wanted(4)), 'EBUSY');
      assert.deepEqual(bus.devices(), ['dax0.0 1 +', 'dax0.1 2 +']);
    });
  });

  describe('undoes a failed creation:', () => {
    it('takes the bytes from a device that gets no driver', () => {
      for (const file of ['new_id', 'bind']) bus.refuse.set(`device_dax/${file}=dax0.0`, 'ENOMEM');
      throwsCode(() => bus.region().create(wanted(4)), 'ENOMEM');
      assert.deepEqual(bus.devices(), ['dax0.0 0']);
    });

    it('deletes a device that it created', () => {
      const region = bus.region();
      region.create(wanted(1));
      bus.refuse.set(`dax0.1/size=${4 * UNIT}`, 'ENOSPC');
      throwsCode(() => region.create(wanted(4)), 'ENOSPC');
      assert.deepEqual(bus.devices(), ['dax0.0 1 +']);
    });

    it('leaves an empty device that existed before', () => {
      const region = bus.region();
      region.create(wanted(1));
      bus.addDevice();
      bus.refuse.set(`dax0.1/size=${4 * UNIT}`, 'ENOSPC');
      throwsCode(() => region.create(wanted(4)), 'ENOSPC');
      assert.deepEqual(bus.devices(), ['dax0.0 1 +', 'dax0.1 0']);
    });

    it('gives the first of two ranges back where the second is taken', () => {
      const region = bus.region();
      const start = 2 ** 32;
      const ranges = [
        { offset: start + 8 * UNIT, length: UNIT },
        { offset: start, length: UNIT },
      ];
      bus.refuse.set(`dax0.0/mapping=${start.toString(16)}-${(start + UNIT - 1).toString(16)}`, 'ENOMEM');
      throwsCode(() => region.create({ ...wanted(2), ranges }), 'ENOSPC', { message: /not all free/ });
      assert.deepEqual(bus.devices(), ['dax0.0 0']);
    });
  });

  describe('device that is resized', () => {
    for (const [name, from, to] of [
      ['grown', 4, 8],
      ['made smaller', 8, 2],
    ] as const) {
      it(`is as it was when it gets no driver (${name})`, () => {
        const region = bus.region();
        const first = region.create(wanted(1));
        const device = region.create(wanted(from));
        // Lower bytes are free: by its size alone it would get those back.
        first.destroy();
        for (const file of ['new_id', 'bind']) bus.refuse.set(`device_dax/${file}=dax0.1`, 'ENOMEM');
        throwsCode(() => device.resize(to * UNIT), 'ENOMEM');
        assert.deepEqual(bus.devices(), ['dax0.0 0', `dax0.1 ${from} +`]);
        const bytes = bus
          .pieces('dax0.1')
          .flatMap(([begin, end]) => Array.from({ length: end - begin }, (_, i) => begin + i));
        assert.deepEqual(
          bytes,
          Array.from({ length: from }, (_, i) => 1 + i),
        );
      });
    }

    it("gets its driver back when the kernel refuses the size, and the error has the kernel's reason", () => {
      const device = bus.region().create(wanted(4));
      bus.refuse.set(`dax0.0/size=${8 * UNIT}`, 'ENOSPC');
      throwsCode(() => device.resize(8 * UNIT), 'ENOSPC');
      assert.deepEqual(bus.devices(), ['dax0.0 4 +']);
      bus.refuse.set(`dax0.0/size=${8 * UNIT}`, 'ENOSPC');
      for (const file of ['new_id', 'bind']) bus.refuse.set(`device_dax/${file}=dax0.0`, 'ENOMEM');
      throwsCode(() => device.resize(8 * UNIT), 'ENOSPC', { message: /has no driver now.*ENOMEM/ });
      assert.deepEqual(bus.devices(), ['dax0.0 4']);
    });

    it('is refused while a process has it open, and cannot be locked while its driver is taken away', async () => {
      const device = bus.region().create(wanted(4));
      const node = join(bus.nodes, 'dax0.0');
      const fd = openSync(node, 'r');
      throwsCode(() => device.resize(8 * UNIT), 'EBUSY', { message: new RegExp(`open in process ${process.pid}`) });
      throwsCode(() => device.destroy(), 'EBUSY');
      closeSync(fd);
      const other = startChild(
        async (path: string) => {
          const { openSync: open, closeSync: close } = await import('node:fs');
          let held: number | undefined;
          process.stdin.on('data', () => {
            if (held === undefined) held = open(path, 'r');
            else close(held);
            process.stdout.write('done\n');
          });
        },
        [node],
      );
      other.tell('open');
      await other.line();
      throwsCode(() => device.resize(8 * UNIT), 'EBUSY', { message: new RegExp(`open in process ${other.pid}`) });
      other.tell('close');
      await other.line();
      other.kill('SIGKILL');
      await other.ended;
      let told: string | undefined;
      once('device_dax/unbind=dax0.0', () => {
        const rival = bus.region().instances[0];
        // The same thread can play the other process: what is held excludes everybody.
        told = codeOf(() => rival?.resize(2 * UNIT));
      });
      device.resize(8 * UNIT);
      assert.equal(told, 'ERR_PMEM_BUSY');
      assert.deepEqual(bus.devices(), ['dax0.0 8 +']);
    });
  });

  describe('while another program of this package changes a device', () => {
    const signal = undefined;
    const check = () => {};

    it('refuses to create, resize and destroy another one: ERR_PMEM_BUSY', () => {
      const present = bus.region().create(wanted(1));
      const told: (string | undefined)[] = [];
      once(`dax0.1/size=${4 * UNIT}`, () => {
        for (const call of [
          () => bus.region().create(wanted(2)),
          () => present.resize(2 * UNIT),
          () => present.destroy(),
        ]) {
          told.push(codeOf(call));
        }
      });
      assert.equal(bus.region().create(wanted(4)).name, 'dax0.1');
      assert.deepEqual(told, ['ERR_PMEM_BUSY', 'ERR_PMEM_BUSY', 'ERR_PMEM_BUSY']);
      assert.deepEqual(bus.devices(), ['dax0.0 1 +', 'dax0.1 4 +']);
    });

    /** Has the region locked, as another program would, until it is closed. */
    function held(): Disposable {
      const fd = openSync(join(bus.host.sys, 'devices/platform/hmem.0/dax_region/create'), 'r+');
      const lock = native.lockAlone(fd, [0, Number.MAX_SAFE_INTEGER]);
      return {
        [Symbol.dispose]: () => {
          native.unlock(lock);
          closeSync(fd);
        },
      };
    }

    it('waits for it in createAsync, and goes on when it is done', async () => {
      bus.patience = Number.POSITIVE_INFINITY;
      const other = held();
      const { lockAlone } = native;
      let attempts = 0;
      native.lockAlone = (...args) => {
        if (++attempts === 3) other[Symbol.dispose]();
        return lockAlone(...args);
      };
      try {
        assert.equal((await bus.region().createAsync(wanted(2), { signal, check })).size, 2 * UNIT);
      } finally {
        native.lockAlone = lockAlone;
      }
      assert.equal(attempts, 3);
      assert.deepEqual(bus.devices(), ['dax0.0 2 +']);
    });

    it('takes in createAsync, without a size, all that is free after the wait', async () => {
      bus.patience = Number.POSITIVE_INFINITY;
      const all = bus.region().availableSize;
      const present = bus.region().create(wanted(4));
      const other = held();
      const { lockAlone } = native;
      native.lockAlone = (...args) => {
        native.lockAlone = lockAlone;
        try {
          return lockAlone(...args);
        } finally {
          other[Symbol.dispose]();
          present.destroy();
        }
      };
      try {
        const made = await bus.region().createAsync({ ...wanted(1), size: undefined }, { signal, check });
        assert.equal(made.size, all);
      } finally {
        native.lockAlone = lockAlone;
      }
    });

    it('tells who has the region when createAsync has waited long enough', async () => {
      using _ = held();
      await rejectsCode(bus.region().createAsync(wanted(2), { signal, check }), 'ERR_PMEM_BUSY', {
        message: /this process/,
      });
      assert.deepEqual(bus.devices(), ['dax0.0 0']);
    });

    it('ends the wait on a signal, with its reason', async () => {
      bus.patience = Number.POSITIVE_INFINITY;
      using _ = held();
      const controller = new AbortController();
      const reason = new Error('enough');
      const creating = bus.region().createAsync(wanted(2), { signal: controller.signal, check });
      controller.abort(reason);
      await assert.rejects(creating, reason);
      assert.deepEqual(bus.devices(), ['dax0.0 0']);
    });

    it('changes nothing where the change makes no sense any more after the wait', async () => {
      const device = bus.region().create(wanted(2));
      const refuse = () => {
        throw new Error('closed meanwhile');
      };
      await assert.rejects(device.resizeAsync(4 * UNIT, { signal, check: refuse }), /closed meanwhile/);
      await assert.rejects(device.destroyAsync({ signal, check: refuse }), /closed meanwhile/);
      assert.deepEqual(bus.devices(), ['dax0.0 2 +']);
      await device.resizeAsync(4 * UNIT, { signal, check });
      assert.deepEqual(bus.devices(), ['dax0.0 4 +']);
      await device.destroyAsync({ signal, check });
      assert.deepEqual(bus.devices(), ['dax0.0 0']);
    });
  });

  it('serves two processes that create and destroy at the same time', async () => {
    const root = join(bus.nodes, '..');
    const played = import.meta.resolve('./played-bus.js');
    const rounds = 60;
    const contender = async (home: string, module: string, me: number, count: number) => {
      const { PlayedBus: Bus, UNIT: unit } = (await import(module)) as typeof import('./played-bus.js');
      const kernel = new Bus(home);
      // However long the other is at it.
      kernel.patience = Number.POSITIVE_INFINITY;
      process.stdout.write('ready\n');
      process.stdin.once('data', async () => {
        const wrong: string[] = [];
        const waiting = { signal: undefined, check: () => {} };
        const region = kernel.region();
        for (let i = 0; i < count; i++) {
          const size = (1 + ((i * 7 + me * 3) % 16)) * unit;
          try {
            const made = await region.createAsync({ size, contiguous: false, ranges: undefined }, waiting);
            if (made.size !== size) wrong.push(`${i}: ${made.size}, not ${size}`);
            if (i % 2 === 0) await made.resizeAsync(2 * size, waiting);
            if (i % 2 === 0 && made.size !== 2 * size) wrong.push(`${i}: ${made.size}, not ${2 * size}`);
            await made.destroyAsync(waiting);
          } catch (error) {
            wrong.push(`${i}: ${String(error)}`);
          }
        }
        process.stdout.write(`${JSON.stringify(wrong)}\n`);
      });
    };
    const both = [1, 2].map((me) => startChild(contender, [root, played, me, rounds]));
    for (const one of both) assert.equal(await one.line(), 'ready');
    for (const one of both) one.tell('go');
    for (const one of both) assert.deepEqual(JSON.parse(await one.line()), []);
    for (const one of both) {
      one.kill('SIGKILL');
      await one.ended;
    }
    assert.deepEqual(bus.devices(), ['dax0.0 0']);
  });
});

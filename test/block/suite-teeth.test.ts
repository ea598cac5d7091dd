/** The conformance suite is run on devices that are wrong in one thing each, and must notice. */

import assert from 'node:assert/strict';
import type { WriteMode } from 'pmem';
import { type BlockDevice, type BlockDeviceSupport, type BlockWriteOptions, PmemDisk } from 'pmem/block';
import { type BlockDeviceSetup, blockDeviceSuite } from 'pmem/testing';
import { throwsCode } from '../support/errors.js';
import { LossyMemory } from '../support/lossy-memory.js';
import { Random } from '../support/random.js';

const SUPPORTS: BlockDeviceSupport = PmemDisk.open(new LossyMemory(512)).supports;
const ZEROING: BlockDeviceSupport = { ...SUPPORTS, discardZeroes: true };

type Break = (device: BlockDevice, memory: LossyMemory) => Partial<BlockDevice>;

/** A device with some of its methods replaced. */
function broken(device: BlockDevice, changes: Partial<BlockDevice>): BlockDevice {
  return new Proxy(device, {
    get: (target, name) => {
      const value: unknown = Reflect.get(Object.hasOwn(changes, name) ? changes : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Names of the suite's tests that fail. */
async function failures(change: Break, supports = SUPPORTS): Promise<string[]> {
  const tests: [name: string, body: () => void | Promise<void>][] = [];
  const setup: BlockDeviceSetup = {
    supports,
    create: () => {
      const memory = new LossyMemory(2 ** 15);
      const random = new Random(5);
      return {
        open: (options) => {
          const device = PmemDisk.open(memory, options);
          return broken(device, change(device, memory));
        },
        cutPower: () => memory.cutPower(random),
      };
    },
  };
  blockDeviceSuite('broken', setup, {
    describe: (_, body) => body(),
    it: (name, body) => tests.push([name, body]),
  });
  const failed: string[] = [];
  for (const [name, body] of tests) {
    await Promise.resolve()
      .then(body)
      .catch(() => failed.push(name));
  }
  return failed;
}

/** The options, those of the wrong type too, but for `fua: true`. */
function without(options: BlockWriteOptions | undefined): BlockWriteOptions | undefined {
  return options?.fua === true ? {} : options;
}

/** A close that makes durable what the device's own calls did not. */
function makingUp(changes: Break): Break {
  return (device, memory) => ({
    ...changes(device, memory),
    close: () => {
      if (!device.closed) memory.persist(0, memory.size);
      device.close();
    },
  });
}

/** A discard whose sectors read as zeroes, stored in this way. */
function zeroing(mode: WriteMode): Break {
  return (device, memory) => ({
    supports: ZEROING,
    discard: (lba, count) => {
      device.discard(lba, count);
      memory.fill(lba * device.sectorSize, count * device.sectorSize, 0, mode);
    },
  });
}

/** Right in everything but durability: arguments are checked, and a closed device refuses. */
const VOLATILE: Record<string, Break> = {
  'a flush that does nothing': (device) => ({ flush: () => device.read(0, Buffer.alloc(0)) }),
  'fua that is ignored': (device) => ({ write: (lba, source, options) => device.write(lba, source, without(options)) }),
  'fua that is ignored by writev': (device) => ({
    writev: (lba, sources, options) => device.writev(lba, sources, without(options)),
  }),
  'fua that is ignored by writeZeroes': (device) => ({
    writeZeroes: (lba, count, options) => device.writeZeroes(lba, count, without(options)),
  }),
  'zeroes that flush does not make durable': (device, memory) => ({
    writeZeroes: (lba, count, options) => {
      if (options?.fua === true || device.readOnly) return device.writeZeroes(lba, count, options);
      device.writeZeroes(lba, 0, options);
      // Refuses what is no range.
      device.directAccess(lba, count);
      memory.fill(lba * device.sectorSize, count * device.sectorSize, 0);
    },
  }),
  'a persist that does nothing': (device) => ({ persist: (lba, count) => void device.directAccess(lba, count) }),
};

const BROKEN: Record<string, Break> = {
  ...VOLATILE,
  ...Object.fromEntries(
    Object.entries(VOLATILE).map(([name, change]) => [`${name}, which closing makes up for`, makingUp(change)]),
  ),
  'closing that stores something else over what was not flushed': (device, memory) => ({
    close: () => {
      if (!device.closed && !device.readOnly) memory.fill(0, 512, 0x99, 'persist');
      device.close();
    },
  }),
  'a direct access that is a copy': (device) => ({
    directAccess: (lba, count) => Buffer.from(device.directAccess(lba, count)),
  }),
  'writev that stops after the first array': (device) => ({
    writev: (lba, sources, options) => device.writev(lba, sources.slice(0, 1), options),
  }),
  'readv in the wrong order': (device) => ({ readv: (lba, targets) => device.readv(lba, [...targets].reverse()) }),
  'zeroes one sector too many': (device) => ({
    writeZeroes: (lba, count, options) =>
      device.writeZeroes(lba, count + (count > 0 && lba + count < device.sectorCount ? 1 : 0), options),
  }),
  'a write one sector too far': (device) => ({
    write: (lba, source, options) => device.write(lba === 5 ? 6 : lba, source, options),
  }),
  'a size that is not the sectors': (device) => ({ size: device.size + 1 }),
  'a range error without a code': (device) => ({
    read: (lba, target) => {
      if (lba >= device.sectorCount && target.length > 0) throw new RangeError('no');
      device.read(lba, target);
    },
  }),
  'a refused write that is half done': (device) => ({
    writev: (lba, sources, options) => {
      if (sources[0] instanceof Uint8Array && sources[0].length === device.sectorSize) device.write(0, sources[0]);
      device.writev(lba, sources, options);
    },
  }),
  'a read-only device that stores': (device) => ({
    discard: (lba, count) => (device.readOnly ? undefined : device.discard(lba, count)),
  }),
  'closing that can be done once': (device) => ({
    close: () => {
      if (device.closed) throw new Error('closed');
      device.close();
    },
  }),
  'an option that is ignored': (device) => ({
    writeZeroes: (lba, count, options) =>
      device.writeZeroes(lba, count, options && 'FUA' in options ? undefined : options),
  }),
  'a closed device that can be flushed': (device) => ({ flush: () => (device.closed ? undefined : device.flush()) }),
};

describe('blockDeviceSuite', () => {
  it('passes a correct device', async () => {
    assert.deepEqual(await failures(() => ({})), []);
    assert.deepEqual(await failures(zeroing('flush'), ZEROING), []);
  });

  it('notices zeroes of a discard that flush does not make durable', async () => {
    const names = await failures(zeroing('store'), ZEROING);
    assert.ok(
      names.some((name) => /^keeps the zeroes of discard/.test(name)),
      names.join('\n'),
    );
    assert.notDeepEqual(await failures(makingUp(zeroing('store')), ZEROING), []);
  });

  for (const [name, change] of Object.entries(BROKEN)) {
    it(`notices ${name}`, async () => {
      assert.notDeepEqual(await failures(change), []);
    });
  }

  it('waits for asynchronous power cuts and releases of the media', async () => {
    const events: string[] = [];
    const later = async (event: string, run = () => {}) => {
      await new Promise((resolve) => setImmediate(resolve));
      run();
      events.push(event);
    };
    const tests: (() => void | Promise<void>)[] = [];
    const setup: BlockDeviceSetup = {
      supports: PmemDisk.open(new LossyMemory(512)).supports,
      create: () => {
        const memory = new LossyMemory(2 ** 15);
        return {
          open: (options) => {
            events.push('open');
            return PmemDisk.open(memory, options);
          },
          cutPower: () => later('cut', () => memory.cutPower(new Random(5))),
          release: () => later('released'),
        };
      },
    };
    blockDeviceSuite('slow', setup, { describe: (_, body) => body(), it: (_, body) => tests.push(body) });
    for (const body of tests) {
      events.length = 0;
      await body();
      assert.equal(events.at(-1), 'released');
      const cut = events.indexOf('cut');
      if (cut >= 0) assert.deepEqual(events, ['open', 'cut', 'open', 'released']);
    }
  });

  it('refuses to run without a test runner, or with a wrong setup', () => {
    const { describe: global } = globalThis;
    try {
      Reflect.deleteProperty(globalThis, 'describe');
      const setup: BlockDeviceSetup = {
        supports: PmemDisk.open(new LossyMemory(512)).supports,
        create: () => ({ open: () => PmemDisk.open(new LossyMemory(512)) }),
      };
      throwsCode(() => blockDeviceSuite('x', setup), 'ERR_INVALID_ARG_TYPE', { name: 'TypeError' });
      for (const wrong of [undefined, null, 7, {}, { create: () => {} }]) {
        throwsCode(() => blockDeviceSuite('x', wrong as never), 'ERR_INVALID_ARG_TYPE');
      }
    } finally {
      globalThis.describe = global;
    }
  });
});

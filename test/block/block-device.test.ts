/** The base class of block devices, extended by a small implementation. */

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { BlockDevice, type BlockDeviceOptions, type BlockDeviceSupport, SubDisk } from 'pmem/block';
import { blockDeviceSuite } from 'pmem/testing';
import { throwsCode } from '../support/errors.js';

const SUPPORTS: BlockDeviceSupport = {
  fua: false,
  discard: false,
  discardZeroes: false,
  writeZeroes: false,
  directAccess: false,
  atomicSectors: true,
};

/** The least that an implementation is: arrays by sector, which are durable as they are. */
class Arrays extends BlockDevice {
  readonly #sectors: Map<number, Buffer>;
  /** Calls of what the base class needs. */
  readonly calls: string[] = [];
  hasEnded = false;

  constructor(sectors = new Map<number, Buffer>(), options: Partial<BlockDeviceOptions> = {}) {
    super({ sectorSize: 512, sectorCount: 32, supports: SUPPORTS, ...options });
    this.#sectors = sectors;
  }

  protected override _read(lba: number, count: number, target: Uint8Array): void {
    this.calls.push(`read ${lba} ${count}`);
    for (let i = 0; i < count; i++) target.set(this.#sectors.get(lba + i) ?? new Uint8Array(512), i * 512);
  }

  protected override _write(lba: number, count: number, source: Uint8Array, fua: boolean): void {
    this.calls.push(`write ${lba} ${count} ${fua}`);
    for (let i = 0; i < count; i++) this.#sectors.set(lba + i, Buffer.from(source.subarray(i * 512, (i + 1) * 512)));
  }

  protected override _flush(): void {
    this.calls.push('flush');
  }

  protected override _hasEnded(): boolean {
    return this.hasEnded;
  }

  protected override _close(): void {
    this.calls.push('close');
  }
}

describe('BlockDevice, extended by the methods that every implementation needs,', () => {
  blockDeviceSuite('Arrays in memory', {
    supports: SUPPORTS,
    create: () => {
      const sectors = new Map<number, Buffer>();
      return { open: (options) => new Arrays(sectors, options), cutPower: () => {} };
    },
  });

  const refused: [options: unknown, code: string][] = [
    [{ sectorSize: undefined }, 'ERR_INVALID_ARG_TYPE'],
    [{ sectorSize: '512' }, 'ERR_INVALID_ARG_TYPE'],
    [{ sectorSize: 511 }, 'ERR_OUT_OF_RANGE'],
    [{ sectorSize: 512.5 }, 'ERR_OUT_OF_RANGE'],
    [{ sectorCount: undefined }, 'ERR_INVALID_ARG_TYPE'],
    [{ sectorCount: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ sectorCount: 2 ** 50 }, 'ERR_OUT_OF_RANGE'],
    [{ supports: undefined }, 'ERR_INVALID_ARG_TYPE'],
    [{ supports: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ supports: { ...SUPPORTS, fua: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    [{ supports: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ readOnly: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ noun: 7 }, 'ERR_INVALID_ARG_TYPE'],
    [{ sectors: 8 }, 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [options, code] of refused) {
    it(`cannot be constructed with ${inspect(options, { breakLength: Number.POSITIVE_INFINITY })}`, () => {
      throwsCode(() => new Arrays(new Map(), options as Partial<BlockDeviceOptions>), code);
    });
  }

  it('keeps a copy of what it supports, which nobody can change', () => {
    const supports = { ...SUPPORTS };
    const device = new Arrays(new Map(), { supports });
    supports.fua = true;
    assert.equal(device.supports.fua, false);
    assert.throws(() => Object.assign(device.supports, { discard: true }), TypeError);
  });

  it('calls the implementation with ranges of one sector or more', () => {
    const device = new Arrays();
    const [none, one, two] = [0, 512, 1024].map((length) => Buffer.alloc(length)) as [Buffer, Buffer, Buffer];
    device.read(32, none);
    device.write(0, none, { fua: true });
    device.readv(0, [none, none]);
    device.writev(3, []);
    assert.deepEqual(device.calls, []);
    device.readv(1, [none, one, none, two]);
    device.writev(4, [two, none, one], { fua: true });
    device.write(7, one, { fua: false });
    assert.deepEqual(device.calls, ['read 1 1', 'read 2 2', 'write 4 2 true', 'write 6 1 true', 'write 7 1 false']);
  });

  it('does not call the implementation with arguments that it refuses', () => {
    const device = new Arrays();
    const sector = Buffer.alloc(512);
    throwsCode(() => device.write(0, sector, { FUA: true } as never), 'ERR_INVALID_ARG_VALUE');
    throwsCode(() => device.write(0, sector, { fua: true, sync: true } as never), 'ERR_INVALID_ARG_VALUE');
    throwsCode(() => device.write(32, sector), 'ERR_OUT_OF_RANGE', { name: 'RangeError', message: /32 sectors/ });
    throwsCode(() => device.write(0, Buffer.alloc(700)), 'ERR_OUT_OF_RANGE', { message: /nearest: 512 and 1024/ });
    throwsCode(() => device.readv(0, [sector, Buffer.alloc(1)]), 'ERR_OUT_OF_RANGE', {
      message: /targets\[1\]\.length/,
    });
    throwsCode(() => device.discard(0, 1), 'EOPNOTSUPP', { message: /the device does not support/ });
    assert.deepEqual(device.calls, []);
  });

  it('refuses everything once what it is made of is closed', () => {
    const device = new Arrays();
    device.hasEnded = true;
    assert.equal(device.closed, true);
    const sector = Buffer.alloc(512);
    const calls = [
      () => device.read(0, sector.subarray(0, 0)),
      () => device.write(0, sector.subarray(0, 0)),
      () => device.readv(0, [sector]),
      () => device.writev(0, [sector]),
      () => device.flush(),
      () => device.discard(0, 1),
      () => device.writeZeroes(0, 1),
      () => device.directAccess(0, 1),
      () => device.persist(0, 1),
    ];
    for (const call of calls) throwsCode(call, 'ERR_PMEM_CLOSED', { message: /made of is closed/ });
    assert.deepEqual(device.calls, []);
  });

  it('stops a writev that its own implementation closes in the middle', () => {
    class Closing extends Arrays {
      protected override _write(lba: number, count: number, source: Uint8Array, fua: boolean): void {
        super._write(lba, count, source, fua);
        this.close();
      }
    }
    const device = new Closing();
    throwsCode(() => device.writev(0, [Buffer.alloc(512), Buffer.alloc(512)]), 'ERR_PMEM_CLOSED');
    assert.deepEqual(device.calls, ['write 0 1 false', 'close']);
  });

  it('calls _close for each close', () => {
    const device = new Arrays();
    device.close();
    device.close();
    assert.deepEqual(device.calls, ['close', 'close']);
  });

  it('can be divided by SubDisk', () => {
    const device = new Arrays(new Map(), { readOnly: true });
    const part = SubDisk.open(device, { start: 8, count: 4 });
    assert.deepEqual([part.readOnly, part.supports], [true, SUPPORTS]);
    part.read(1, Buffer.alloc(1024));
    assert.deepEqual(device.calls, ['read 9 2']);
  });

  it('is inspected as one line', () => {
    const device = new Arrays(new Map(), { sectorCount: 8 });
    assert.equal(
      inspect({ device }),
      '{\n  device: Arrays { sectorSize: 512, sectorCount: 8, readOnly: false, closed: false }\n}',
    );
  });
});

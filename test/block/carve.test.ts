import assert from 'node:assert/strict';
import { carve, SubDisk } from 'pmem/block';
import { throwsCode } from '../support/errors.js';
import { LossyMemory } from '../support/lossy-memory.js';

const KIB = 2 ** 10;

describe('carve', () => {
  it('makes equal disks, one after the other', () => {
    const memory = new LossyMemory(64 * KIB);
    const disks = carve(memory, { start: '4KiB', count: 3, size: '8KiB' });
    assert.deepEqual(
      disks.map(({ start, size }) => [start, size]),
      [
        [4096, 8192],
        [12288, 8192],
        [20480, 8192],
      ],
    );
    for (const [i, disk] of disks.entries()) disk.write(0, Buffer.alloc(disk.size, i + 1));
    const bytes = memory.view(0, memory.size);
    for (const [at, byte] of [
      [4095, 0],
      [4096, 1],
      [12287, 1],
      [12288, 2],
      [20480, 3],
      [28671, 3],
      [28672, 0],
    ] as const) {
      assert.equal(bytes[at], byte, `byte ${at}`);
    }
  });

  it('divides all of the memory, and passes options on to the disks', () => {
    const disks = carve(new LossyMemory(64 * KIB), { count: 4, size: '16KiB', sectorSize: 4096, readOnly: true });
    assert.deepEqual(
      disks.map(({ sectorCount, readOnly }) => [sectorCount, readOnly]),
      Array(4).fill([4, true]),
    );
  });

  const refused: [options: unknown, code: string][] = [
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ count: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ count: '1', size: 512 }, 'ERR_INVALID_ARG_TYPE'],
    [{ count: 0, size: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ count: 1.5, size: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ count: 1, size: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ count: 1, size: 513 }, 'ERR_OUT_OF_RANGE'],
    [{ count: 5, size: '16KiB' }, 'ERR_OUT_OF_RANGE'],
    [{ count: 2 ** 53, size: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 512, count: 4, size: '16KiB' }, 'ERR_OUT_OF_RANGE'],
    [{ start: '1MiB', count: 1, size: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 8, count: 1, size: 512 }, 'ERR_OUT_OF_RANGE'],
    [{ count: 1, size: 512, badBlocks: [] }, 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [options, code] of refused) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      throwsCode(() => carve(new LossyMemory(64 * KIB), options as never), code);
    });
  }
});

describe('SubDisk.open', () => {
  const disk = carve(new LossyMemory(64 * KIB), { count: 1, size: '32KiB' })[0];

  const refused: [options: unknown, code: string][] = [
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ start: '0', count: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ start: 0, count: 1n }, 'ERR_INVALID_ARG_TYPE'],
    [{ start: -1, count: 1 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 64, count: 1 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 0, count: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 0, count: 65 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 63, count: 2 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 0.5, count: 1 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 0, count: 1, readOnly: 'no' }, 'ERR_INVALID_ARG_TYPE'],
    [{ start: 0, count: 1, size: 1 }, 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [options, code] of refused) {
    it(`refuses ${JSON.stringify(options, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))}`, () => {
      throwsCode(() => SubDisk.open(disk as never, options as never), code);
    });
  }

  it('refuses a value that is no device', () => {
    for (const wrong of [undefined, null, 7, {}]) {
      throwsCode(() => SubDisk.open(wrong as never, { start: 0, count: 1 }), 'ERR_INVALID_ARG_TYPE');
    }
  });

  it('makes a part that ends with its device, and is read-only if the device is', () => {
    const [outer] = carve(new LossyMemory(8192), { count: 1, size: 8192, readOnly: true });
    assert(outer !== undefined);
    const part = SubDisk.open(outer, { start: 1, count: 2 });
    assert.equal(part.readOnly, true);
    throwsCode(() => part.write(0, Buffer.alloc(512)), 'ERR_PMEM_READ_ONLY');
    outer.close();
    assert.equal(part.closed, true);
    throwsCode(() => part.read(0, Buffer.alloc(512)), 'ERR_PMEM_CLOSED');
  });

  it('makes a part that names where it begins in errors of bad sectors', () => {
    const [outer] = carve(new LossyMemory(8192), { count: 1, size: 8192 });
    assert(outer !== undefined);
    outer.badBlocks.add(5, 1);
    const part = SubDisk.open(outer, { start: 3, count: 8 });
    assert.throws(
      () => part.read(0, Buffer.alloc(2048)),
      (error: NodeJS.ErrnoException & { offset?: number }) =>
        error.code === 'EIO' && error.offset === 1024 && /begins at sector 3 .*sector 5/.test(error.message),
    );
    const sectors = Buffer.alloc(2048);
    const calls: Record<string, () => unknown> = {
      read: () => part.read(0, sectors),
      readv: () => part.readv(0, [sectors]),
      directAccess: () => part.directAccess(0, 4),
    };
    outer.badBlocks.add(6, 1, { lasting: true });
    calls['write'] = () => part.write(0, sectors);
    calls['writev'] = () => part.writev(0, [sectors]);
    calls['writeZeroes'] = () => part.writeZeroes(0, 4);
    for (const [name, call] of Object.entries(calls)) {
      const message = new RegExp(
        `^EIO: ${name}: the partition begins at sector 3 of the device, which says: EIO: ${name}: `,
      );
      throwsCode(call, 'EIO', { message });
    }
  });

  it('makes disks that store within their bounds, whatever an array becomes while options or a list are read', () => {
    const memory = new LossyMemory(64 * KIB);
    const [disk] = carve(memory, { start: '4KiB', count: 2, size: '8KiB' });
    assert.ok(disk !== undefined);
    const Resizable = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(length: number): void };
    const growing = () => {
      const buffer = new Resizable(512, { maxByteLength: 16 * KIB });
      const bytes = new Uint8Array(buffer);
      const grow = (): void => {
        buffer.resize(16 * KIB);
        bytes.fill(7);
      };
      return { bytes, grow };
    };
    const attempts: ((bytes: Uint8Array, grow: () => void) => void)[] = [
      (bytes, grow) => {
        const options = {
          get fua() {
            grow();
            return true;
          },
        };
        disk.write(15, bytes, options);
      },
      (bytes, grow) => {
        const list = [bytes];
        Object.defineProperty(list, 0, {
          get: () => {
            grow();
            return bytes;
          },
        });
        disk.writev(15, list);
      },
      (bytes, grow) => {
        let times = 0;
        const list = Object.defineProperty([bytes], 0, { get: () => (times++ === 0 ? bytes.subarray(0, 512) : bytes) });
        grow();
        disk.writev(15, list as Uint8Array[]);
      },
    ];
    for (const attempt of attempts) {
      for (const twice of [false, true]) {
        const { bytes, grow } = growing();
        let left = twice ? 2 : 1;
        try {
          attempt(bytes, () => {
            if (--left === 0) grow();
          });
        } catch (error) {
          assert.match(String((error as NodeJS.ErrnoException).code), /^ERR_OUT_OF_RANGE$/);
        }
        assert.ok(
          memory.view(12 * KIB, 8 * KIB).every((byte) => byte === 0),
          'the next disk was stored into',
        );
      }
    }
  });
});

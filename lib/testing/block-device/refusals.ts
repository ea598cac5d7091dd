/** Tests: arguments that are wrong, refused before anything is touched. */

import assert from 'node:assert/strict';
import type { BlockDevice } from '../../block/block-device.js';
import type { DeclareTest } from './setup.js';
import { onDevice, pattern, sameBytes, sectorsOf, throwsCoded } from './support.js';

const NO_NUMBERS: readonly unknown[] = [undefined, null, true, '0', 0n, {}, [0], Symbol('0'), () => 0];
const NO_BYTES: readonly unknown[] = [
  undefined,
  null,
  0,
  'text',
  [],
  {},
  new ArrayBuffer(512),
  new Uint16Array(256),
  new DataView(new ArrayBuffer(512)),
  { length: 512 },
];
const NO_SECTORS: readonly number[] = [-1, -0.5, 0.5, 1.5, Number.NaN, Number.NEGATIVE_INFINITY];
const NO_OPTIONS: readonly unknown[] = [null, true, 'fua', [], { fua: 1 }, { fua: 'yes' }, { fua: null }];
/** Misspelt, they would lose durability in silence. */
const UNKNOWN_OPTIONS: readonly unknown[] = [{ FUA: true }, { fua: true, sync: true }, { fau: true }];

/** The calls that take a first sector, with one sector of data. */
function callsAt(device: BlockDevice): Record<string, (lba: never) => unknown> {
  const sector = Buffer.alloc(device.sectorSize, 0xee);
  return {
    read: (lba) => device.read(lba, sector),
    write: (lba) => device.write(lba, sector),
    readv: (lba) => device.readv(lba, [sector]),
    writev: (lba) => device.writev(lba, [sector]),
    discard: (lba) => device.discard(lba, 1),
    writeZeroes: (lba) => device.writeZeroes(lba, 1),
    directAccess: (lba) => device.directAccess(lba, 1),
    persist: (lba) => device.persist(lba, 1),
  };
}

/** The calls that take a number of sectors. */
function callsWithCount(device: BlockDevice): Record<string, (lba: number, count: never) => unknown> {
  return {
    discard: (lba, count) => device.discard(lba, count),
    writeZeroes: (lba, count) => device.writeZeroes(lba, count),
    directAccess: (lba, count) => device.directAccess(lba, count),
    persist: (lba, count) => device.persist(lba, count),
  };
}

/** The calls that take an array, each given the same. */
function callsWithBytes(device: BlockDevice): Record<string, (bytes: never) => unknown> {
  const sector = Buffer.alloc(device.sectorSize, 0xee);
  return {
    read: (bytes) => device.read(0, bytes),
    write: (bytes) => device.write(0, bytes),
    readv: (bytes) => device.readv(0, [sector, bytes]),
    writev: (bytes) => device.writev(0, [sector, bytes]),
  };
}

/** Runs refused calls, and finds the device as it was. */
function unchanged(device: BlockDevice, run: () => void): void {
  const before = pattern(device, 16, 1);
  device.write(0, before);
  run();
  sameBytes(sectorsOf(device, 0, 16), before, 'the device after what it refused');
}

export function refusalTests(test: DeclareTest): void {
  test('refuses sectors and counts that are no numbers with a TypeError', (media) => {
    onDevice(media, (device) => {
      unchanged(device, () => {
        for (const wrong of NO_NUMBERS) {
          for (const [name, call] of Object.entries(callsAt(device))) {
            const what = `${name} at ${String(wrong)}`;
            throwsCoded(() => call(wrong as never), 'ERR_INVALID_ARG_TYPE', 'TypeError', what);
          }
          for (const [name, call] of Object.entries(callsWithCount(device))) {
            const what = `${name} of ${String(wrong)}`;
            throwsCoded(() => call(0, wrong as never), 'ERR_INVALID_ARG_TYPE', 'TypeError', what);
          }
        }
      });
    });
  });

  test('refuses arrays of the wrong type, and wrong or unknown options, with a TypeError', (media) => {
    onDevice(media, (device) => {
      unchanged(device, () => {
        const sector = Buffer.alloc(device.sectorSize, 0xee);
        for (const wrong of NO_BYTES) {
          for (const [name, call] of Object.entries(callsWithBytes(device))) {
            const what = `${name} with ${String(wrong)}`;
            throwsCoded(() => call(wrong as never), 'ERR_INVALID_ARG_TYPE', 'TypeError', what);
          }
        }
        for (const wrong of [undefined, null, 0, 'text', {}, sector]) {
          throwsCoded(() => device.readv(0, wrong as never), 'ERR_INVALID_ARG_TYPE', 'TypeError', 'readv');
          throwsCoded(() => device.writev(0, wrong as never), 'ERR_INVALID_ARG_TYPE', 'TypeError', 'writev');
        }
        for (const wrong of UNKNOWN_OPTIONS as readonly never[]) {
          throwsCoded(() => device.write(0, sector, wrong), 'ERR_INVALID_ARG_VALUE', 'TypeError', 'write');
          throwsCoded(() => device.writev(0, [sector], wrong), 'ERR_INVALID_ARG_VALUE', 'TypeError', 'writev');
          throwsCoded(() => device.writeZeroes(0, 1, wrong), 'ERR_INVALID_ARG_VALUE', 'TypeError', 'writeZeroes');
        }
        for (const wrong of NO_OPTIONS as readonly never[]) {
          throwsCoded(() => device.write(0, sector, wrong), 'ERR_INVALID_ARG_TYPE', 'TypeError', 'write');
          throwsCoded(() => device.writev(0, [sector], wrong), 'ERR_INVALID_ARG_TYPE', 'TypeError', 'writev');
          throwsCoded(() => device.writeZeroes(0, 1, wrong), 'ERR_INVALID_ARG_TYPE', 'TypeError', 'writeZeroes');
        }
      });
    });
  });

  test('refuses numbers that are no sector with a RangeError', (media) => {
    onDevice(media, (device) => {
      unchanged(device, () => {
        for (const wrong of NO_SECTORS as readonly never[]) {
          for (const [name, call] of Object.entries(callsAt(device))) {
            throwsCoded(() => call(wrong), 'ERR_OUT_OF_RANGE', 'RangeError', `${name} at ${wrong}`);
          }
          for (const [name, call] of Object.entries(callsWithCount(device))) {
            throwsCoded(() => call(0, wrong), 'ERR_OUT_OF_RANGE', 'RangeError', `${name} of ${wrong}`);
          }
        }
      });
    });
  });

  test('refuses arrays that are not whole sectors with a RangeError', (media) => {
    onDevice(media, (device) => {
      const { sectorSize } = device;
      unchanged(device, () => {
        for (const length of [1, sectorSize - 1, sectorSize + 1, 3 * sectorSize + 8]) {
          for (const [name, call] of Object.entries(callsWithBytes(device))) {
            const bytes = Buffer.alloc(length, 0xee) as never;
            throwsCoded(() => call(bytes), 'ERR_OUT_OF_RANGE', 'RangeError', `${name} of ${length} bytes`);
          }
        }
        // Their sum would be whole sectors.
        const halves = [Buffer.alloc(8), Buffer.alloc(sectorSize - 8)];
        throwsCoded(() => device.readv(0, halves), 'ERR_OUT_OF_RANGE', 'RangeError', 'readv of two pieces');
        throwsCoded(() => device.writev(0, halves), 'ERR_OUT_OF_RANGE', 'RangeError', 'writev of two pieces');
      });
    });
  });

  test('refuses ranges that end past its end with a RangeError', (media) => {
    onDevice(media, (device) => {
      const { sectorCount, sectorSize } = device;
      unchanged(device, () => {
        for (const lba of [sectorCount, sectorCount + 1, 2 ** 53, 2 ** 63, Number.POSITIVE_INFINITY] as never[]) {
          for (const [name, call] of Object.entries(callsAt(device))) {
            throwsCoded(() => call(lba), 'ERR_OUT_OF_RANGE', 'RangeError', `${name} at ${lba}`);
          }
        }
        const two = Buffer.alloc(2 * sectorSize, 0xee);
        const last = sectorCount - 1;
        throwsCoded(
          () => device.read(last, two),
          'ERR_OUT_OF_RANGE',
          'RangeError',
          'read of two sectors at the last one',
        );
        throwsCoded(
          () => device.write(last, two),
          'ERR_OUT_OF_RANGE',
          'RangeError',
          'write of two sectors at the last one',
        );
        throwsCoded(() => device.readv(last - 1, [two, two]), 'ERR_OUT_OF_RANGE', 'RangeError', 'readv over the end');
        throwsCoded(() => device.writev(last - 1, [two, two]), 'ERR_OUT_OF_RANGE', 'RangeError', 'writev over the end');
        assert.ok(
          two.every((byte) => byte === 0xee),
          'the target of a refused read was touched',
        );
        for (const [name, call] of Object.entries(callsWithCount(device))) {
          for (const [lba, count] of [
            [0, sectorCount + 1],
            [last, 2],
            [sectorCount, 1],
            [1, 2 ** 53 - 1],
            [0, Number.POSITIVE_INFINITY],
          ] as [number, never][]) {
            throwsCoded(() => call(lba, count), 'ERR_OUT_OF_RANGE', 'RangeError', `${name} of ${count} at ${lba}`);
          }
        }
      });
    });
  });

  test('names the value and the limit in the message of a RangeError', (media) => {
    onDevice(media, (device) => {
      const { sectorCount, sectorSize } = device;
      const sector = Buffer.alloc(sectorSize);
      assert.throws(() => device.read(sectorCount, sector), new RegExp(`\\b${sectorCount}\\b`));
      assert.throws(() => device.write(0, Buffer.alloc(sectorSize + 1)), new RegExp(`\\b${sectorSize}\\b`));
    });
  });
}

/** Tests of data: a device reads what was written. */

import assert from 'node:assert/strict';
import type { BlockDeviceSupport } from '../../block/block-device.js';
import type { DeclareTest } from './setup.js';
import { onDevice, pattern, sameBytes, sectorsOf } from './support.js';

/** A small generator of numbers, the same on every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

export function dataTests(test: DeclareTest, supports: BlockDeviceSupport): void {
  test('tells its size and what it supports', (media) => {
    onDevice(media, (device) => {
      const { sectorSize, sectorCount, size, readOnly, closed } = device;
      assert.ok(Number.isSafeInteger(sectorSize) && sectorSize >= 512, `sectorSize ${sectorSize}`);
      assert.ok(Number.isSafeInteger(sectorCount) && sectorCount >= 16, `sectorCount ${sectorCount}`);
      assert.equal(size, sectorSize * sectorCount);
      assert.equal(readOnly, false);
      assert.equal(closed, false);
      assert.deepEqual({ ...device.supports }, { ...supports });
    });
  });

  test('reads what was written: the first sector, the last one, several, all', (media) => {
    onDevice(media, (device) => {
      const { sectorCount } = device;
      const ranges: [lba: number, count: number][] = [
        [0, 1],
        [sectorCount - 1, 1],
        [3, 5],
        [0, sectorCount],
      ];
      for (const [i, [lba, count]] of ranges.entries()) {
        const bytes = pattern(device, count, i + 1);
        device.write(lba, bytes);
        sameBytes(sectorsOf(device, lba, count), bytes, `sectors ${lba} to ${lba + count - 1}`);
      }
    });
  });

  test('leaves the sectors around a write as they are', (media) => {
    onDevice(media, (device) => {
      const before = pattern(device, 16, 1);
      device.write(0, before);
      device.write(5, pattern(device, 3, 2));
      pattern(device, 3, 2).copy(before, 5 * device.sectorSize);
      sameBytes(sectorsOf(device, 0, 16), before, 'the device');
    });
  });

  test('takes arrays at any byte of a buffer, and leaves the bytes around them as they are', (media) => {
    onDevice(media, (device) => {
      const { sectorSize } = device;
      const large = new Uint8Array(sectorSize + 64).fill(0x5a);
      const source = large.subarray(13, 13 + sectorSize);
      source.set(pattern(device, 1, 3));
      device.write(7, source);
      const into = new Uint8Array(sectorSize + 64).fill(0xc3);
      device.read(7, into.subarray(29, 29 + sectorSize));
      sameBytes(into.subarray(29, 29 + sectorSize), pattern(device, 1, 3), 'the sector');
      assert.ok(into.subarray(0, 29).every((byte) => byte === 0xc3));
      assert.ok(into.subarray(29 + sectorSize).every((byte) => byte === 0xc3));
    });
  });

  test('copies the source, so that later changes of it have no effect', (media) => {
    onDevice(media, (device) => {
      const source = pattern(device, 2, 4);
      device.write(2, source);
      source.fill(0);
      sameBytes(sectorsOf(device, 2, 2), pattern(device, 2, 4), 'the sectors');
    });
  });

  test('reads and writes several arrays as if they were one', (media) => {
    onDevice(media, (device) => {
      const { sectorSize } = device;
      const bytes = pattern(device, 6, 5);
      const cut = (...at: number[]) =>
        at.slice(1).map((end, i) => bytes.subarray((at[i] ?? 0) * sectorSize, end * sectorSize));
      device.writev(4, cut(0, 1, 1, 4, 6));
      sameBytes(sectorsOf(device, 4, 6), bytes, 'what was written');
      const targets = [2, 0, 1, 3].map((count) => Buffer.alloc(count * sectorSize));
      device.readv(4, targets);
      sameBytes(Buffer.concat(targets), bytes, 'what was read');
      device.writev(0, []);
      device.readv(0, []);
    });
  });

  test('takes empty ranges, also at its end', (media) => {
    onDevice(media, (device) => {
      const before = sectorsOf(device, 0, 16);
      for (const lba of [0, 5, device.sectorCount]) {
        device.read(lba, Buffer.alloc(0));
        device.write(lba, Buffer.alloc(0));
        device.write(lba, Buffer.alloc(0), { fua: true });
        device.writev(lba, [Buffer.alloc(0)]);
        if (supports.writeZeroes) device.writeZeroes(lba, 0);
        if (supports.discard) device.discard(lba, 0);
      }
      sameBytes(sectorsOf(device, 0, 16), before, 'the device');
    });
  });

  test('agrees with an array after each of 500 operations', (media) => {
    onDevice(media, (device) => {
      const { sectorSize } = device;
      const count = Math.min(device.sectorCount, 64);
      const model = pattern(device, count, 6);
      device.write(0, model);
      const below = numbers(7);
      for (let i = 0; i < 500; i++) {
        const lba = below(count);
        const length = 1 + below(Math.min(8, count - lba));
        const range = () => model.subarray(lba * sectorSize, (lba + length) * sectorSize);
        const kind = below(5);
        if (kind === 0) {
          pattern(device, length, 1000 + i).copy(range());
          device.write(lba, range(), { fua: below(2) === 1 });
        } else if (kind === 1) {
          pattern(device, length, 1000 + i).copy(range());
          device.writev(lba, [range().subarray(0, sectorSize), range().subarray(sectorSize)]);
        } else if (kind === 2 && supports.writeZeroes) {
          range().fill(0);
          device.writeZeroes(lba, length);
        } else if (kind === 3) {
          device.flush();
        } else {
          sameBytes(sectorsOf(device, lba, length), range(), `operation ${i}: sectors ${lba} to ${lba + length - 1}`);
        }
      }
      sameBytes(sectorsOf(device, 0, count), model, 'the device at last');
    });
  });
}

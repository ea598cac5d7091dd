/** Tests of durability, and of the calls that a device may support or not. */

import assert from 'node:assert/strict';
import type { BlockDevice, BlockDeviceSupport } from '../../block/block-device.js';
import type { DeclareTest } from './setup.js';
import { CUTS, losing, onDevice, pattern, sameBytes, sectorsOf, throwsCoded } from './support.js';

/** Tests that end in a power cut. */
function durabilityTests(test: DeclareTest, supports: BlockDeviceSupport, when: (typeof CUTS)[number]): void {
  test(`keeps what was flushed over a power cut ${when}`, async (media) => {
    const bytes = await losing(media, when, (device) => {
      const written = pattern(device, 16, 1);
      device.write(0, written.subarray(0, 4 * device.sectorSize));
      device.writev(4, [written.subarray(4 * device.sectorSize)]);
      device.flush();
      device.flush();
      return written;
    });
    onDevice(media, (device) => sameBytes(sectorsOf(device, 0, 16), bytes, 'the device'));
  });

  const zeroing: Record<string, (device: BlockDevice) => void> = {};
  if (supports.writeZeroes) zeroing['writeZeroes'] = (device) => device.writeZeroes(1, 4);
  if (supports.discard && supports.discardZeroes) zeroing['discard'] = (device) => device.discard(1, 4);
  for (const [name, zero] of Object.entries(zeroing)) {
    test(`keeps the zeroes of ${name} that were flushed over a power cut ${when}`, async (media) => {
      const bytes = await losing(media, when, (device) => {
        const written = pattern(device, 6, 12);
        device.write(0, written);
        device.flush();
        zero(device);
        device.flush();
        return written.fill(0, device.sectorSize, 5 * device.sectorSize);
      });
      onDevice(media, (device) => sameBytes(sectorsOf(device, 0, 6), bytes, 'the sectors'));
    });
  }

  // Each alone: a call that works makes up for one that does not.
  const storing: Record<string, (device: BlockDevice, bytes: Buffer) => void> = {
    write: (device, bytes) => device.write(1, bytes, { fua: true }),
    writev: (device, bytes) => {
      const pieces = [bytes.subarray(0, device.sectorSize), bytes.subarray(device.sectorSize)];
      device.writev(1, pieces, { fua: true });
    },
  };
  if (supports.writeZeroes) {
    storing['writeZeroes'] = (device, bytes) => {
      device.writeZeroes(1, 4, { fua: true });
      bytes.fill(0);
    };
  }
  for (const [name, store] of Object.entries(storing)) {
    test(`keeps what ${name} stored with fua, without a flush, over a power cut ${when}`, async (media) => {
      const bytes = await losing(media, when, (device) => {
        device.write(1, pattern(device, 4, 11));
        device.flush();
        const written = pattern(device, 4, 2);
        store(device, written);
        return written;
      });
      onDevice(media, (device) => sameBytes(sectorsOf(device, 1, 4), bytes, 'the sectors'));
    });
  }

  test(`has the old or the new bytes of what was not flushed, after a power cut ${when}`, async (media) => {
    const [old, fresh] = await losing(media, when, (device) => {
      const [first, second] = [pattern(device, 4, 3), pattern(device, 4, 4)];
      device.write(0, first);
      device.flush();
      device.write(0, second);
      return [first, second];
    });
    onDevice(media, (device) => {
      const unit = supports.atomicSectors ? device.sectorSize : 8;
      const found = sectorsOf(device, 0, 4);
      for (let at = 0; at < found.length; at += unit) {
        const piece = found.subarray(at, at + unit);
        const isOneOf = [old, fresh].some((one) => piece.equals(one.subarray(at, at + unit)));
        assert.ok(isOneOf, `the ${unit} bytes at ${at} are neither old nor new`);
      }
    });
  });

  if (!supports.directAccess) return;
  test(`keeps what was persisted through direct access over a power cut ${when}`, async (media) => {
    await losing(media, when, (device) => {
      device.write(6, pattern(device, 2, 10), { fua: true });
      device.directAccess(6, 2).fill(0x11, 1, 9);
      device.persist(6, 2);
    });
    onDevice(media, (device) => {
      sameBytes(sectorsOf(device, 6, 2), pattern(device, 2, 10).fill(0x11, 1, 9), 'the sectors');
    });
  });
}

export function storageTests(test: DeclareTest, supports: BlockDeviceSupport): void {
  for (const when of CUTS) durabilityTests(test, supports, when);

  if (supports.writeZeroes) {
    test('writes zeroes, and leaves the sectors around them as they are', (media) => {
      onDevice(media, (device) => {
        const { sectorSize } = device;
        const expected = pattern(device, 16, 5);
        device.write(0, expected);
        device.writeZeroes(3, 7);
        expected.fill(0, 3 * sectorSize, 10 * sectorSize);
        sameBytes(sectorsOf(device, 0, 16), expected, 'the device');
        device.writeZeroes(0, device.sectorCount);
        assert.ok(sectorsOf(device, 0, 16).every((byte) => byte === 0));
      });
    });
  }

  if (supports.discard) {
    test('discards sectors that can then be read and written, and leaves those around them as they are', (media) => {
      onDevice(media, (device) => {
        const { sectorSize } = device;
        const bytes = pattern(device, 16, 6);
        device.write(0, bytes);
        device.discard(4, 8);
        device.flush();
        sameBytes(sectorsOf(device, 0, 4), bytes.subarray(0, 4 * sectorSize), 'the sectors before');
        sameBytes(sectorsOf(device, 12, 4), bytes.subarray(12 * sectorSize), 'the sectors after');
        const discarded = sectorsOf(device, 4, 8);
        if (supports.discardZeroes) assert.ok(discarded.every((byte) => byte === 0));
        device.write(4, pattern(device, 8, 7));
        sameBytes(sectorsOf(device, 4, 8), pattern(device, 8, 7), 'what was written after');
      });
    });
  }

  if (supports.directAccess) {
    test('gives direct access to adjacent sectors as one view of what is read and written', (media) => {
      onDevice(media, (device) => {
        const { sectorSize } = device;
        device.write(2, pattern(device, 4, 8));
        const view = device.directAccess(2, 4);
        sameBytes(view, pattern(device, 4, 8), 'the view');
        view.fill(0x77, sectorSize - 5, sectorSize + 5);
        device.persist(2, 4);
        const expected = pattern(device, 4, 8).fill(0x77, sectorSize - 5, sectorSize + 5);
        sameBytes(sectorsOf(device, 2, 4), expected, 'the sectors');
        device.write(3, pattern(device, 1, 9));
        sameBytes(view.subarray(sectorSize, 2 * sectorSize), pattern(device, 1, 9), 'the view after a write');
        assert.equal(device.directAccess(0, 0).length, 0);
      });
    });
  }

  test('refuses with EOPNOTSUPP what it does not support', (media) => {
    onDevice(media, (device) => {
      const calls: [string, boolean, () => unknown][] = [
        ['discard', supports.discard, () => device.discard(0, 1)],
        ['writeZeroes', supports.writeZeroes, () => device.writeZeroes(0, 1)],
        ['directAccess', supports.directAccess, () => device.directAccess(0, 1)],
        ['persist', supports.directAccess, () => device.persist(0, 1)],
      ];
      for (const [name, isSupported, call] of calls) {
        if (isSupported) call();
        else throwsCoded(call, 'EOPNOTSUPP', 'PmemError', name);
      }
    });
  });
}

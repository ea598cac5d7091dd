/** What the conformance tests share. */

import assert from 'node:assert/strict';
import type { BlockDevice } from '../../block/block-device.js';
import type { BlockDeviceMedia } from './setup.js';

/** Opens a device for the test, and closes it in the end. */
export function onDevice<T>(media: BlockDeviceMedia, run: (device: BlockDevice) => T, readOnly = false): T {
  const device = media.open({ readOnly });
  try {
    return run(device);
  } finally {
    device.close();
  }
}

/** When the power fails. */
export const CUTS = ['after closing', 'while open'] as const;

/** Runs with a device, then cuts the power. A device that is open then is not used again. */
export async function losing<T>(
  media: BlockDeviceMedia,
  when: (typeof CUTS)[number],
  run: (device: BlockDevice) => T,
): Promise<T> {
  if (when === 'after closing' || media.cutPower === undefined) {
    const result = onDevice(media, run);
    await media.cutPower?.();
    return result;
  }
  const device = media.open({ readOnly: false });
  try {
    const result = run(device);
    await media.cutPower();
    return result;
  } catch (error) {
    device.close();
    throw error;
  }
}

/** Sectors with different bytes for each place and each seed, in pseudo-random order. */
export function pattern(device: Pick<BlockDevice, 'sectorSize'>, count: number, seed: number): Buffer {
  const bytes = Buffer.alloc(count * device.sectorSize);
  let state = (seed * 2654435761) >>> 0;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** The bytes of the sectors. */
export function sectorsOf(device: BlockDevice, lba: number, count: number): Buffer {
  const bytes = Buffer.alloc(count * device.sectorSize, 0xa5);
  device.read(lba, bytes);
  return bytes;
}

/** Asserts that the bytes are equal. Prints the first difference, not megabytes. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  assert.equal(actual.length, expected.length, `length of ${what}`);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  assert.equal(at, -1, `${what}: byte ${at} is ${actual[at]}, expected ${expected[at]}`);
}

/** The call throws an Error of this class with this code. */
export function throwsCoded(
  call: () => unknown,
  code: string,
  kind: 'TypeError' | 'RangeError' | 'PmemError',
  what: string,
): void {
  assert.throws(
    call,
    (error: NodeJS.ErrnoException) => {
      assert.ok(error instanceof Error, `${what}: not an Error`);
      assert.equal(error.code, code, `${what}: ${error.stack}`);
      assert.equal(error.name, kind, `${what}: ${error.stack}`);
      assert.notEqual(error.message, '', what);
      return true;
    },
    what,
  );
}

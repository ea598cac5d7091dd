/** Tests of read-only and of closed devices. */

import assert from 'node:assert/strict';
import type { BlockDevice, BlockDeviceSupport } from '../../block/block-device.js';
import type { DeclareTest } from './setup.js';
import { onDevice, pattern, sameBytes, sectorsOf, throwsCoded } from './support.js';

/** Every method of a device, with valid arguments. */
function calls(device: BlockDevice): Record<string, () => unknown> {
  const sector = Buffer.alloc(device.sectorSize);
  return {
    read: () => device.read(0, sector),
    readv: () => device.readv(0, [sector]),
    write: () => device.write(0, sector),
    writev: () => device.writev(0, [sector]),
    writeZeroes: () => device.writeZeroes(0, 1),
    discard: () => device.discard(0, 1),
    flush: () => device.flush(),
    directAccess: () => device.directAccess(0, 1),
    persist: () => device.persist(0, 1),
  };
}

const STORING: readonly string[] = ['write', 'writev', 'writeZeroes', 'discard'];

export function lifeTests(test: DeclareTest, supports: BlockDeviceSupport): void {
  test('reads and refuses to store when it is read-only', (media) => {
    const bytes = onDevice(media, (device) => {
      const written = pattern(device, 16, 1);
      device.write(0, written);
      device.flush();
      return written;
    });
    onDevice(
      media,
      (device) => {
        assert.equal(device.readOnly, true);
        sameBytes(sectorsOf(device, 0, 16), bytes, 'the device');
        for (const name of STORING) {
          const isSupported = (supports as unknown as Record<string, boolean>)[name] ?? true;
          const codes = isSupported ? ['ERR_PMEM_READ_ONLY'] : ['ERR_PMEM_READ_ONLY', 'EOPNOTSUPP'];
          assert.throws(
            () => calls(device)[name]?.(),
            (error: NodeJS.ErrnoException) => codes.includes(String(error.code)),
            name,
          );
        }
        device.flush();
        sameBytes(sectorsOf(device, 0, 16), bytes, 'the device after what it refused');
      },
      true,
    );
  });

  test('refuses wrong arguments as such when it is read-only', (media) => {
    onDevice(
      media,
      (device) => {
        const sector = Buffer.alloc(device.sectorSize);
        throwsCoded(() => device.write('0' as never, sector), 'ERR_INVALID_ARG_TYPE', 'TypeError', 'write');
        throwsCoded(() => device.write(device.sectorCount, sector), 'ERR_OUT_OF_RANGE', 'RangeError', 'write');
        throwsCoded(() => device.write(0, Buffer.alloc(1)), 'ERR_OUT_OF_RANGE', 'RangeError', 'write');
      },
      true,
    );
  });

  test('refuses every call with ERR_PMEM_CLOSED after close, and closes again', (media) => {
    const device = media.open({ readOnly: false });
    const { sectorCount, sectorSize, size } = device;
    device.close();
    device.close();
    assert.equal(device.closed, true);
    for (const [name, call] of Object.entries(calls(device))) throwsCoded(call, 'ERR_PMEM_CLOSED', 'PmemError', name);
    device.close();
    assert.deepEqual([device.sectorCount, device.sectorSize, device.size], [sectorCount, sectorSize, size]);
  });

  test('closes by Symbol.dispose', (media) => {
    const device = media.open({ readOnly: false });
    device[Symbol.dispose]();
    assert.equal(device.closed, true);
  });

  test('has what was stored when it is opened again', (media) => {
    for (let i = 1; i <= 3; i++) {
      onDevice(media, (device) => {
        if (i > 1) sameBytes(sectorsOf(device, 8, 2), pattern(device, 2, i - 1), `opening ${i}`);
        device.write(8, pattern(device, 2, i), { fua: true });
      });
    }
  });
}

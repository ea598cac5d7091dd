/** A handler that jumps out gives back what sigreturn(2) would have given back. */

import assert from 'node:assert/strict';
import { childValue } from '../support/child.js';
import { buildNative, type FaultsAddon } from '../support/native.js';
import { faultWithKey } from '../support/protection-key.js';
import { onDisk } from '../support/temp.js';

describe('a fault in a guarded copy', () => {
  const file = onDisk();
  let addon = '';
  before(function () {
    this.timeout(60_000);
    addon = buildNative('faults');
  });

  it('leaves the thread its protection keys (PKRU)', async function () {
    const seen = await childValue(faultWithKey, [addon, file('keys')]);
    if (seen === null) {
      console.log('      skipped: this CPU or kernel has no protection keys; the lab has');
      this.skip();
    }
    // Handlers run with all keys but 0 closed: Documentation/core-api/protection-keys.rst.
    assert.deepEqual(seen, { code: 'ERR_PMEM_TRUNCATED', before: seen.before, after: seen.before, touched: 7 });
  });

  it('leaves the thread its modes of floating point (MXCSR, x87)', async function () {
    if (process.arch !== 'x64') this.skip(); // Arm's FPCR is not the handler's to lose: see native/arch/arm64/registers.cc
    const seen = await childValue(
      async (binary: string, path: string) => {
        const { createRequire } = await import('node:module');
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const faults = createRequire('/')(binary) as FaultsAddon;
        const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
        const target = Buffer.alloc(8);
        truncateSync(path, 4096);
        faults.setModes(0x9fc0, 0x27f);
        let code = 'read';
        try {
          region.read(8192, target);
        } catch (error) {
          code = String((error as NodeJS.ErrnoException).code);
        }
        const modes = [faults.mxcsr(), faults.x87()];
        faults.setModes(0x1f80, 0x37f);
        return { code, modes };
      },
      [addon, file('modes')],
    );
    // Denormals flushed to zero, and double precision: neither is what a handler begins with (Intel SDM 1, 10.2.3 and 8.1.5).
    assert.deepEqual(seen, { code: 'ERR_PMEM_TRUNCATED', modes: [0x9fc0, 0x27f] });
  });

  it('leaves the thread its alternate stack (SS_AUTODISARM), time and again', async () => {
    const seen = await childValue(
      async (binary: string, path: string) => {
        const { createRequire } = await import('node:module');
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const faults = createRequire('/')(binary) as FaultsAddon;
        const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
        truncateSync(path, 4096);
        const sizes = [faults.ownStack()];
        for (let i = 0; i < 3; i++) {
          try {
            region.read(8192, Buffer.alloc(8));
          } catch {
            sizes.push(faults.stackSize());
          }
        }
        return sizes;
      },
      [addon, file('stack')],
    );
    assert.deepEqual(seen, [0, 262144, 262144, 262144]);
  });
});

describe('a fault that is handled late', () => {
  const file = onDisk();
  let addon = '';
  before(function () {
    this.timeout(60_000);
    addon = buildNative('faults');
  });

  for (const [name, code, readOnly] of [
    ['of a page that is gone', 2, false], // BUS_ADRERR
    ['of a store into a read-only region', 2, true], // SEGV_ACCERR
  ] as const) {
    it(`${name} finds the memory that took the region's place when it closed`, async () => {
      const seen = await childValue(
        async (binary: string, path: string, si: number, reading: boolean) => {
          const { createRequire } = await import('node:module');
          const { writeFileSync } = await import('node:fs');
          const { Region } = await import('pmem');
          const faults = createRequire('/')(binary) as FaultsAddon;
          writeFileSync(path, Buffer.alloc(65536, 9));
          const region = Region.open(path, reading ? { readOnly: true } : { assumePersistent: true });
          const view = region.view();
          const { buffer } = view;
          faults.remember(view);
          const before = faults.loadRemembered();
          region.close();
          // The first one must not have left the default action behind.
          for (let i = 0; i < 2; i++) faults.late(reading ? 11 : 7, si);
          return [before, faults.loadRemembered(), buffer.byteLength];
        },
        [addon, file('late'), code, readOnly],
      );
      assert.deepEqual(seen, [9, 0, 0]);
    });
  }
});

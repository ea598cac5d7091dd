/** A handler that jumps out restores what sigreturn(2) would have restored. */

import assert from 'node:assert/strict';
import { childValue } from '../support/child.js';
import { FAULTING, type Faulting } from '../support/faulting.js';
import { buildNative, type FaultsAddon } from '../support/native.js';
import { faultWithKey } from '../support/protection-key.js';
import { onDisk } from '../support/temp.js';

describe('a guarded copy that ends by a fault', () => {
  const file = onDisk();
  let addon = '';
  before(function () {
    this.timeout(60_000);
    addon = buildNative('faults');
  });

  it('keeps the protection keys of the thread (PKRU)', async function () {
    const seen = await childValue(faultWithKey, [FAULTING, addon, file('keys')]);
    if (seen === null) {
      console.log('      skipped: this CPU or kernel has no protection keys; the lab has');
      this.skip();
    }
    // Handlers run with all keys but 0 closed: Documentation/core-api/protection-keys.rst.
    assert.deepEqual(seen, { code: 'ERR_PMEM_TRUNCATED', before: seen.before, after: seen.before, touched: 7 });
  });

  it('keeps the floating point modes of the thread (MXCSR, x87)', async function () {
    if (process.arch !== 'x64') this.skip(); // a handler does not change Arm's FPCR: native/arch/arm64/registers.cc
    const seen = await childValue(
      async (faulting: string, binary: string, path: string) => {
        const { loadAddon, openNew, readLost, truncate } = (await import(faulting)) as Faulting;
        const faults = loadAddon<FaultsAddon>(binary);
        const region = openNew(path);
        truncate(path);
        faults.setModes(0x9fc0, 0x27f);
        const code = readLost(region);
        const modes = [faults.mxcsr(), faults.x87()];
        faults.setModes(0x1f80, 0x37f);
        return { code, modes };
      },
      [FAULTING, addon, file('modes')],
    );
    // Denormals flushed to zero, and double precision: neither is what a handler begins with (Intel SDM 1, 10.2.3 and 8.1.5).
    assert.deepEqual(seen, { code: 'ERR_PMEM_TRUNCATED', modes: [0x9fc0, 0x27f] });
  });

  it('keeps the alternate stack of the thread (SS_AUTODISARM), time and again', async () => {
    const seen = await childValue(
      async (faulting: string, binary: string, path: string) => {
        const { loadAddon, openNew, readLost, truncate } = (await import(faulting)) as Faulting;
        const faults = loadAddon<FaultsAddon>(binary);
        const region = openNew(path);
        truncate(path);
        const made = faults.ownStack();
        const sizes = [0, 1, 2].map(() => [readLost(region), faults.stackSize()]);
        return { made, sizes };
      },
      [FAULTING, addon, file('stack')],
    );
    assert.deepEqual(seen, { made: 0, sizes: Array(3).fill(['ERR_PMEM_TRUNCATED', 262144]) });
  });
});

describe('a fault that reaches its handler after the region was closed', () => {
  const file = onDisk();
  let addon = '';
  before(function () {
    this.timeout(60_000);
    addon = buildNative('faults');
  });

  for (const [name, code, readOnly] of [
    ['a page that is gone', 2, false], // BUS_ADRERR
    ['a store into a read-only region', 2, true], // SEGV_ACCERR
  ] as const) {
    it(`finds the private memory that replaced the file (${name})`, async () => {
      const seen = await childValue(
        async (faulting: string, binary: string, path: string, si: number, reading: boolean) => {
          const { loadAddon } = (await import(faulting)) as Faulting;
          const { writeFileSync } = await import('node:fs');
          const { Region } = await import('pmem');
          const faults = loadAddon<FaultsAddon>(binary);
          writeFileSync(path, Buffer.alloc(65536, 9));
          const region = Region.open(path, reading ? { readOnly: true } : { assumePersistent: true });
          const view = region.view();
          const { buffer } = view;
          faults.remember(view);
          const before = faults.loadRemembered();
          region.close();
          // Twice: the first one must not leave the default action behind.
          for (let i = 0; i < 2; i++) faults.late(reading ? 11 : 7, si);
          return [before, faults.loadRemembered(), buffer.byteLength];
        },
        [FAULTING, addon, file('late'), code, readOnly],
      );
      assert.deepEqual(seen, [9, 0, 0]);
    });
  }
});

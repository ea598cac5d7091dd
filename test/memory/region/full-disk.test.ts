import assert from 'node:assert/strict';
import { existsSync, readdirSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { onMount } from '../../support/mounts.js';
import { buildRefusingShim } from '../../support/refusing-shim.js';
import { onDisk } from '../../support/temp.js';

const MIB = 2 ** 20;

for (const [kind, mib] of [
  ['tmpfs', 2],
  ['ext4', 16],
] as const) {
  describe(`On a full disk (${kind})`, () => {
    const file = onMount(kind, mib);
    const elsewhere = onDisk();
    const left = (path: string) => readdirSync(dirname(path)).filter((name) => name !== 'lost+found');

    it('Region.open with create throws ENOSPC and leaves nothing behind', () => {
      const path = file('too-large');
      throwsCode(() => Region.open(path, { create: true, size: 64 * MIB }), 'ENOSPC', {
        message: /64 MiB.*sparse: true/,
      });
      assert.equal(existsSync(path), false);
      assert.deepEqual(left(path), []);
    });

    it('Region.open with create of an empty file throws ENOSPC and leaves it empty', () => {
      const path = file('empty');
      writeFileSync(path, '');
      const { bfree } = statfsSync(path);
      throwsCode(() => Region.open(path, { create: true, size: 64 * MIB }), 'ENOSPC');
      const after = statfsSync(path);
      assert(after.bfree >= bfree, `${bfree} blocks free before, ${after.bfree} after`);
      assert.deepEqual(left(path), ['empty']);
    });

    it('Region.open with create throws ENOSPC before it writes zeroes, where there is no fallocate', async () => {
      const shim = elsewhere('shim.so');
      buildRefusingShim(shim);
      const { message, written } = await childValue(
        async (path: string) => {
          const fs = (await import('node:fs')).default;
          const { syncBuiltinESMExports } = await import('node:module');
          const { Region } = await import('pmem');
          let written = 0;
          const { writeSync } = fs;
          fs.writeSync = ((...args: Parameters<typeof writeSync>) => {
            const done = writeSync(...args);
            written += done;
            return done;
          }) as typeof writeSync;
          syncBuiltinESMExports();
          try {
            Region.open(path, { create: true, size: '64MiB' });
            return { message: 'none', written };
          } catch (error) {
            return { message: String(error), written };
          }
        },
        [file('zeroes')],
        { env: { LD_PRELOAD: shim, SHIM_REFUSE: 'fallocate' } },
      );
      assert.match(message, /ENOSPC.*64 MiB.*sparse: true/);
      assert.equal(written, 0);
    });

    it('an allocated region can be filled to its end', () => {
      const region = Region.open(file('allocated'), { create: true, size: MIB / 2, assumePersistent: true });
      fillUp(file('filler-a'));
      region.fill(0, region.size, 1, 'persist');
      region.view().fill(2);
      region.persist(0, region.size);
      region.close();
    });

    it('stores into the holes of a sparse file throw and do not end the process', async () => {
      const path = file('sparse');
      const codes = await childValue(
        async (target: string, filler: string) => {
          const { Region } = await import('pmem');
          const { writeFileSync } = await import('node:fs');
          const open = () => Region.open(target, { create: true, size: 65536, sparse: true, assumePersistent: true });
          const region = open();
          for (let size = 1 << 20; size >= 4096; size >>= 1) {
            for (let i = 0; ; i++) {
              try {
                writeFileSync(`${filler}-${size}-${i}`, Buffer.alloc(size, 1));
              } catch {
                break;
              }
            }
          }
          const seen: string[] = [];
          const attempt = (name: string, run: () => unknown) => {
            try {
              run();
              seen.push(`${name}: done`);
            } catch (error) {
              seen.push(`${name}: ${(error as NodeJS.ErrnoException).code}`);
            }
          };
          attempt('write', () => region.write(8192, Buffer.alloc(4096, 1)));
          attempt('persisting write', () => region.write(8192, Buffer.alloc(4096, 1), 'persist'));
          attempt('fill', () => region.fill(0, 65536, 1));
          attempt('store64', () => region.store64(16384, 1n));
          const view = region.view();
          view[32768] = 1;
          attempt('persist', () => region.persist(32768, 1));
          attempt('read', () => region.read(0, Buffer.alloc(1)));
          region.close();
          return seen;
        },
        [path, file('filler-b')],
      );
      const fault = 'ERR_PMEM_FAULT';
      assert.deepEqual(
        codes,
        ['write', 'persisting write', 'fill', 'store64', 'persist', 'read'].map((name) => `${name}: ${fault}`),
      );
    });
  });
}

function fillUp(path: string): void {
  for (let size = MIB; size >= 4096; size >>= 1) {
    try {
      for (let i = 0; ; i++) writeFileSync(`${path}-${size}-${i}`, Buffer.alloc(size, 1));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
}

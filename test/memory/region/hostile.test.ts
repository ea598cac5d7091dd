/** What programs do that mean no harm, and what some do that mean it. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

describe('In hostile surroundings', () => {
  const file = onDisk();

  it('a read that is under way when the region closes does not land in the next region', async () => {
    const next = await childValue(
      async (first: string, second: string, fifo: string) => {
        const { execFileSync } = await import('node:child_process');
        const fs = await import('node:fs');
        const { Region: Opened } = await import('pmem');
        execFileSync('mkfifo', [fifo]);
        const fd = fs.openSync(fifo, 'r+');
        const region = Opened.open(first, { create: true, size: 65536, assumePersistent: true });
        const done = new Promise((resolve) => fs.read(fd, region.view(0, 4096), 0, 4096, null, resolve));
        region.close();
        // Other regions take any addresses that are free.
        const others = Array.from({ length: 8 }, (_, i) =>
          Opened.open(`${second}${i}`, { create: true, size: 65536, assumePersistent: true }),
        );
        fs.writeSync(fd, Buffer.alloc(4096, 0x21));
        await done;
        return others.map((other) => other.view().every((byte) => byte === 0));
      },
      [file('first'), file('second'), file('fifo')],
    );
    assert.deepEqual(next, Array(8).fill(true));
  });

  it('a detached array is taken as empty', () => {
    const region = newRegion(file('detached'), 4096);
    const source = new Uint8Array(16).fill(7);
    for (let i = 0; i < 20; i++) region.write(0, source);
    Object.defineProperty(source, 'length', { value: 16 });
    structuredClone(source.buffer, { transfer: [source.buffer] });
    region.fill(0, 4096, 1);
    region.write(0, source);
    assert(region.view().every((byte) => byte === 1));
    region.close();
  });

  it('an array that feigns its length writes and reads only what it has', () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 4;
      }
    }
    const region = newRegion(file('liar'), 8192);
    const slice = region.slice(0, 4096);
    const liar = new Liar(64).fill(9);
    for (let i = 0; i < 20; i++) {
      throwsCode(() => slice.write(4092, liar), 'ERR_OUT_OF_RANGE');
      throwsCode(() => slice.read(4092, liar), 'ERR_OUT_OF_RANGE');
      slice.write(0, liar);
    }
    assert(region.view(4096, 4096).every((byte) => byte === 0));
    region.close();
  });

  it('two instances of the module in one thread do not confuse their arrays', async () => {
    const seen = await childValue(
      async (path: string) => {
        const { cpSync, mkdirSync, symlinkSync } = await import('node:fs');
        const again = `${path}-package`;
        mkdirSync(again);
        cpSync('dist', `${again}/dist`, { recursive: true });
        for (const name of ['build', 'node_modules', 'package.json']) {
          symlinkSync(`${process.cwd()}/${name}`, `${again}/${name}`);
        }
        const { Region: One } = await import('pmem');
        const { Region: Two } = (await import(`${again}/dist/index.js` as string)) as typeof import('pmem');
        if (One === Two) throw new Error('one instance');
        const one = One.open(path, { create: true, size: 4096, assumePersistent: true });
        const two = Two.open(path, { assumePersistent: true });
        const [ones, twos] = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)];
        for (let i = 0; i < 20; i++) one.write(0, ones);
        for (let i = 0; i < 20; i++) two.write(8, twos);
        one.write(0, ones);
        return [...one.view(0, 16)];
      },
      [file('twice')],
    );
    assert.deepEqual(seen, [...Array(8).fill(1), ...Array(8).fill(2)]);
  });

  for (const [name, listen] of [
    ['came', true],
    ['came and went', false],
  ] as const) {
    it(`a fault is still an error when a listener to SIGBUS ${name} after the region`, async () => {
      const code = await childValue(
        async (path: string, stays: boolean) => {
          const { truncateSync } = await import('node:fs');
          const { Region: Opened } = await import('pmem');
          const region = Opened.open(path, { create: true, size: 65536, assumePersistent: true });
          const listener = () => {};
          process.on('SIGBUS', listener);
          if (!stays) process.off('SIGBUS', listener);
          await new Promise((resolve) => setImmediate(resolve));
          truncateSync(path, 4096);
          try {
            region.read(16384, Buffer.alloc(8));
            return 'read';
          } catch (error) {
            return (error as { code: string }).code;
          } finally {
            process.removeAllListeners('SIGBUS');
          }
        },
        [file('listener'), listen],
      );
      assert.equal(code, 'ERR_PMEM_TRUNCATED');
    });
  }

  it('a damaged region refuses everything', () => {
    const path = file('damaged');
    writeFileSync(path, Buffer.alloc(8192, 5));
    const region = Region.open(path, { readOnly: true });
    region.view()[0] = 1;
    for (const call of [
      () => region.view(),
      () => region.slice(0),
      () => region.share(),
      () => region.deepFlush(),
      () => region.read(0, Buffer.alloc(1)),
      () => region.crc32c(0, 1),
    ]) {
      throwsCode(call, 'ERR_PMEM_READ_ONLY');
    }
    region.close();
    assert.equal(readFileSync(path)[0], 5);
  });

  it('a memfd is volatile, whatever the mount table says', async () => {
    const seen = await childValue(
      async (support: string) => {
        const { loadKernel } = (await import(support)) as typeof import('../../support/native.js');
        const { Region: Opened } = await import('pmem');
        const region = Opened.open(`/proc/self/fd/${loadKernel().memfd(0, 65536)}`, { create: true, size: 65536 });
        try {
          region.persist(0, 8);
          return `${region.durability.volatile} persisted`;
        } catch (error) {
          return `${region.durability.volatile} ${(error as NodeJS.ErrnoException).code}`;
        }
      },
      [import.meta.resolve('../../support/native.js')],
    );
    assert.equal(seen, 'true ERR_PMEM_VOLATILE');
  });
});

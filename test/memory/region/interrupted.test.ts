/** Calls that are ended at any point, and code of users' that runs in the middle of one. */

import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { endInside } from '../../support/ended-script.js';
import { codeOf, throwsCode } from '../../support/errors.js';
import { newRegion } from '../../support/regions.js';
import { buildShim } from '../../support/shim.js';
import { onDisk } from '../../support/temp.js';

const SIZE = 65536;

describe('Hot calls of a Region', () => {
  const file = onDisk();

  it('copy from and to the array that they are given, wherever a script before was ended', () => {
    const region = newRegion(file('ended'), SIZE);
    const [source, target] = [Buffer.alloc(4096, 0x41), Buffer.alloc(4096)];
    const other = (): void => {
      const bytes = new Uint8Array(4096).fill(0x42);
      region.write(8192, bytes);
      region.read(8192, bytes);
    };
    for (let round = 0; round < 40; round++) {
      // So often that it is remembered.
      for (let i = 0; i < 20; i++) region.write(0, source);
      for (let i = 0; i < 20; i++) region.read(0, target);
      endInside(other);
      region.write(4096, source);
      region.read(0, target.fill(0));
      assert.ok(region.view(4096, 4096).equals(source), 'other bytes were written');
      assert.ok(target.equals(source), 'another array was filled');
    }
    region.close();
  });

  it('copy from and to the array that they are given, whatever a getter of its ArrayBuffer does', () => {
    const region = newRegion(file('getters'), SIZE);
    region.fill(0, 4096, 0x41);
    region.fill(4096, 4096, 0x42);
    const [one, another] = [new Uint8Array(4096), new Uint8Array(4096)];
    let ran = 0;
    const act = (): unknown => {
      ran++;
      region.read(4096, another);
      region.write(8192, another);
      return undefined;
    };
    for (const name of ['byteLength', 'resizable', 'growable', 'maxByteLength', 'detached']) {
      Object.defineProperty(one.buffer, name, { get: act });
    }
    for (const name of ['length', 'buffer', 'byteOffset', 'byteLength']) Object.defineProperty(one, name, { get: act });
    for (let i = 0; i < 40; i++) {
      region.read(0, one.fill(0));
      assert.equal(one[4095], 0x41);
      region.write(16384, one);
      assert.equal(region.view()[16384 + 4095], 0x41);
    }
    assert.equal(ran, 0, 'a getter of the user was run');
    region.close();
  });

  it('take the bytes that the array has in writeAsync and readAsync, whatever its properties say', async () => {
    const region = newRegion(file('async'), SIZE);
    const bytes = new Uint8Array(4096).fill(0x41);
    Object.defineProperty(bytes, 'buffer', { value: new ArrayBuffer(8192) });
    Object.defineProperty(bytes, 'byteOffset', { value: 4096 });
    await region.writeAsync(0, bytes);
    assert.equal(region.view()[4095], 0x41);
    region.fill(0, 4096, 0x42);
    await region.readAsync(0, bytes);
    assert.equal(bytes[4095], 0x42);
    region.close();
  });

  it('touch no memory but the array’s when it was remembered, and then detached, cut or transferred', async () => {
    const seen = await childValue(
      async (path: string) => {
        const { Region: Opened } = await import('pmem');
        const region = Opened.open(path, { create: true, size: 65536, assumePersistent: true });
        region.fill(0, 65536, 0x41);
        const outcomes: boolean[] = [];
        const warm = (array: Uint8Array): void => {
          for (let i = 0; i < 20; i++) region.read(0, array);
          for (let i = 0; i < 20; i++) region.write(0, array);
        };
        const Resizable = ArrayBuffer as unknown as new (
          length: number,
          options: { maxByteLength: number },
        ) => ArrayBuffer & { resize(length: number): void };
        for (let round = 0; round < 20; round++) {
          const detached = new Uint8Array(new ArrayBuffer(65536));
          warm(detached);
          // The memory goes with the clone, which nobody keeps.
          structuredClone(detached.buffer, { transfer: [detached.buffer] });
          for (let i = 0; i < 3; i++) {
            globalThis.gc?.();
            await new Promise((resolve) => setImmediate(resolve));
          }
          const others = Array.from({ length: 32 }, () => new Uint8Array(new ArrayBuffer(65536)));
          region.read(0, detached);
          region.write(0, detached);
          outcomes.push(others.every((other) => !other.includes(0x41)));
          const cut = new Resizable(8192, { maxByteLength: 65536 });
          const part = new Uint8Array(cut, 4096, 4096);
          warm(part);
          cut.resize(4096);
          region.read(0, part);
          region.write(0, part);
          cut.resize(65536);
          const tail = new Uint8Array(cut, 8192);
          region.read(0, part);
          outcomes.push(part[4095] === 0x41 && !tail.includes(0x41));
        }
        return outcomes.every(Boolean);
      },
      [file('gone')],
      { execArgv: ['--expose-gc'] },
    );
    assert.equal(seen, true);
  });

  it('persist every range of persistAll, whatever a getter of a range does', async () => {
    const [shim, log] = [file('shim.so'), file('log')];
    buildShim(shim);
    const synced = await childValue(
      async (path: string, log: string) => {
        const { readFileSync, writeFileSync } = await import('node:fs');
        const { Region: Opened } = await import('pmem');
        const region = Opened.open(path, { create: true, size: 2 ** 20 });
        const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
        const base = Number.parseInt(maps.find((line) => line.endsWith(path)) ?? '', 16);
        region.view().fill(1);
        writeFileSync(log, '');
        const inner = Array.from({ length: 3 }, (_, i) => ({ offset: 524288 + 8192 * i, length: 8 }));
        region.persistAll([
          { offset: 4096, length: 8 },
          {
            get offset() {
              region.persistAll(inner);
              return 65536;
            },
            length: 8,
          },
        ]);
        return readFileSync(log, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map((line) => Number.parseInt(line, 16) - base);
      },
      [file('ranges'), log],
      { env: { LD_PRELOAD: shim, SHIM_LOG: log } },
    );
    // At page granularity one msync covers all that was flushed: the inner call's, and then from the first range on.
    assert.deepEqual(synced, [524288, 4096]);
  });

  it('go on with persistAll after a getter throws or the script ends', () => {
    const region = newRegion(file('throws'), SIZE);
    const bad = {
      get offset(): number {
        throw new Error('of the user');
      },
      length: 8,
    };
    for (let i = 0; i < 3; i++) assert.throws(() => region.persistAll([{ offset: 0, length: 8 }, bad]), /of the user/);
    const closing = {
      get offset() {
        region.close();
        return 0;
      },
      length: 8,
    };
    region.persistAll([{ offset: 0, length: 8 }]);
    throwsCode(() => region.persistAll([{ offset: 0, length: 8 }, closing]), 'ERR_PMEM_CLOSED');
  });

  it('complete a close that was interrupted by the next close', () => {
    // A Buffer that is left would keep the lock, and be there for stores into a region that is closed.
    for (let round = 0; round < 20; round++) {
      const path = file('closing');
      const opened: { region: Region; view: Buffer }[] = [];
      endInside(() => {
        const region = Region.open(path, { create: true, size: SIZE, assumePersistent: true });
        opened.push({ region, view: region.view() });
        region.close();
      }, 10);
      for (const { region, view } of opened) {
        region.close();
        assert.equal(view.length, 0);
        assert.equal(
          codeOf(() => region.read(0, Buffer.alloc(1))),
          'ERR_PMEM_CLOSED',
        );
      }
    }
  });
});

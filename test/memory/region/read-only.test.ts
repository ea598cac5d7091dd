import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { ASSUMED } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

describe('A read-only Region', () => {
  const file = onDisk();
  function made(): string {
    const path = file('read-only');
    writeFileSync(path, Buffer.alloc(16384, 0x42));
    return path;
  }

  const refused: Record<string, (region: Region) => unknown> = {
    write: (region) => region.write(0, Buffer.alloc(8)),
    'write of nothing': (region) => region.write(0, Buffer.alloc(0)),
    'write, persisted': (region) => region.write(0, Buffer.alloc(1024), 'persist'),
    fill: (region) => region.fill(0, 8),
    'fill, flushed': (region) => region.fill(0, 8, 1, 'flush'),
    store64: (region) => region.store64(0, 1n),
    flush: (region) => region.flush(0, 8),
    persist: (region) => region.persist(0, 8),
    persistAll: (region) => region.persistAll([{ offset: 0, length: 8 }]),
    writeAsync: (region) => region.writeAsync(0, Buffer.alloc(8)),
    fillAsync: (region) => region.fillAsync(0, 8),
    'write of a slice': (region) => region.slice(8).write(0, Buffer.alloc(8)),
  };

  for (const options of [{}, ASSUMED]) {
    for (const [name, call] of Object.entries(refused)) {
      it(`throws ERR_PMEM_READ_ONLY from ${name} (${'assumePersistent' in options ? 'cache-line' : 'page'})`, async () => {
        const path = made();
        const region = Region.open(path, { readOnly: true, ...options });
        await assert.rejects(
          async () => call(region),
          (error: NodeJS.ErrnoException) => error.code === 'ERR_PMEM_READ_ONLY',
        );
        region.close();
        assert(readFileSync(path).equals(Buffer.alloc(16384, 0x42)));
      });
    }
  }

  it('allows every call that only reads, and leaves the file as it is', async () => {
    const path = made();
    chmodSync(path, 0o444);
    const before = statSync(path);
    const region = Region.open(path, { readOnly: true });
    assert.equal(region.readOnly, true);
    const target = Buffer.alloc(100);
    region.read(50, target);
    assert(target.equals(Buffer.alloc(100, 0x42)));
    await region.readAsync(50, target);
    assert.equal(region.load64(0), 0x4242424242424242n);
    assert.equal(region.view().length, 16384);
    region.crc32c(0, 16384);
    region.slice(4096).close();
    region.drain();
    region.close();
    const after = statSync(path);
    assert.deepEqual([after.mtimeMs, after.size, after.mode], [before.mtimeMs, before.size, before.mode]);
  });

  it('survives a store into its Buffer, which does not reach the file and makes every later call throw', async () => {
    const path = made();
    const seen = await childValue(
      async (target: string) => {
        const { Region } = await import('pmem');
        const region = Region.open(target, { readOnly: true });
        const view = region.view();
        const neighbour = Region.open(target, { readOnly: true });
        view[5000] = 1;
        view.fill(2, 8000, 9000);
        const outcomes: (string | number | undefined)[] = [view[5000], view[4999], view[12000], neighbour.view()[5000]];
        for (const call of [
          () => region.read(0, Buffer.alloc(8)),
          () => region.load64(0),
          () => region.crc32c(0, 8),
          () => region.drain(),
          () => region.persist(0, 8),
          () => region.write(0, Buffer.alloc(8)),
          () => neighbour.read(0, Buffer.alloc(8)),
        ]) {
          try {
            call();
            outcomes.push('done');
          } catch (error) {
            const { code, offset } = error as NodeJS.ErrnoException & { offset?: number };
            outcomes.push(`${code} ${offset}`);
          }
        }
        return outcomes as (string | number)[];
      },
      [path],
    );
    assert.deepEqual(seen, [1, 0x42, 0x42, 0x42, ...Array(6).fill('ERR_PMEM_READ_ONLY 5000'), 'done']);
    assert(readFileSync(path).equals(Buffer.alloc(16384, 0x42)));
  });

  it('throws when bytes are read into its Buffer', async () => {
    const path = made();
    const seen = await childValue(
      async (target: string, other: string) => {
        const { Region } = await import('pmem');
        const region = Region.open(target, { readOnly: true });
        const source = Region.open(other, { create: true, size: 16384, assumePersistent: true });
        try {
          source.read(0, region.view());
          return 'done';
        } catch (error) {
          region.read(0, Buffer.alloc(8));
          return String((error as NodeJS.ErrnoException).code);
        }
      },
      [path, file('other')],
    );
    assert.equal(seen, 'ERR_PMEM_FAULT');
    assert(readFileSync(path).equals(Buffer.alloc(16384, 0x42)));
  });

  it('shows what a writer of the same process stores', () => {
    const path = made();
    const [reader, writer] = [Region.open(path, { readOnly: true }), Region.open(path)];
    writer.store64(8, 77n);
    assert.equal(reader.load64(8), 77n);
    writer.close();
    reader.close();
  });

  it('cannot be made by create', () =>
    throwsCode(() => Region.open(file('x'), { create: true, size: 1, readOnly: true }), 'ERR_INVALID_ARG_VALUE'));
});

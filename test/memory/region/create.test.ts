import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { Region } from 'pmem';
import { native } from '#dist/binding.js';
import { childValue, startChild } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { onDisk } from '../../support/temp.js';

const MIB = 2 ** 20;

/** Runs `meanwhile` when the next lock is about to be taken: between looking at the file and having it. */
function beforeLock(meanwhile: () => void, run: () => void): void {
  const { lock } = native;
  native.lock = (...args) => {
    native.lock = lock;
    meanwhile();
    return lock(...args);
  };
  try {
    run();
  } finally {
    native.lock = lock;
  }
}

describe('Region.open with create', () => {
  const file = onDisk();

  it('makes a file of the size, of zeroes, with its blocks allocated', () => {
    const path = file('new');
    const region = Region.open(path, { create: true, size: MIB });
    const { size, blocks } = statSync(path);
    assert.equal(size, MIB);
    assert(blocks * 512 >= MIB, `${blocks} blocks of 512 bytes`);
    assert(region.view().every((byte) => byte === 0));
    region.close();
  });

  it('allocates nothing with sparse: true', () => {
    const path = file('sparse');
    const region = Region.open(path, { create: true, size: 64 * MIB, sparse: true });
    const { size, blocks } = statSync(path);
    assert.equal(size, 64 * MIB);
    assert(blocks * 512 < MIB, `${blocks} blocks of 512 bytes`);
    region.close();
  });

  it('gives an empty file its size', () => {
    const path = file('empty');
    writeFileSync(path, '');
    Region.open(path, { create: true, size: MIB }).close();
    assert.equal(statSync(path).size, MIB);
  });

  it('allocates what an existing file of that size lacks, and leaves its bytes', () => {
    const path = file('holes');
    writeFileSync(path, 'here');
    truncateSync(path, MIB);
    Region.open(path, { create: true, size: MIB }).close();
    const { size, blocks } = statSync(path);
    assert.equal(size, MIB);
    assert(blocks * 512 >= MIB);
    assert.equal(readFileSync(path).toString('latin1', 0, 5), 'here\0');
  });

  it('obeys mode and umask, for files that it makes only', () => {
    const path = file('mode');
    const before = process.umask(0o022);
    try {
      Region.open(path, { create: true, size: 4096, mode: 0o662 }).close();
      assert.equal(statSync(path).mode & 0o777, 0o640);
      chmodSync(path, 0o600);
      Region.open(path, { create: true, size: 4096, mode: 0o666 }).close();
      assert.equal(statSync(path).mode & 0o777, 0o600);
    } finally {
      process.umask(before);
    }
  });

  for (const size of [1, 4095, MIB - 1, MIB + 1, 2 * MIB]) {
    it(`never changes an existing file of another size (${size})`, () => {
      const path = file('mismatch');
      writeFileSync(path, Buffer.alloc(MIB, 0x5a));
      const before = statSync(path);
      for (const create of [true, false]) {
        throwsCode(() => Region.open(path, { create, size }), 'ERR_PMEM_SIZE_MISMATCH', {
          message: /1048576.*size is/,
        });
      }
      const after = statSync(path);
      assert.deepEqual([after.size, after.mtimeMs, after.ino], [before.size, before.mtimeMs, before.ino]);
      assert(readFileSync(path).every((byte) => byte === 0x5a));
    });
  }

  it('takes back what it made when opening fails', () => {
    const path = file('undo');
    // No tmpfs and no DAX here: the granularity is refused after the file was made.
    throwsCode(() => Region.open(path, { create: true, size: MIB, granularity: 'cache-line' }), 'ERR_PMEM_GRANULARITY');
    assert.equal(existsSync(path), false);
    writeFileSync(path, '');
    throwsCode(() => Region.open(path, { create: true, size: MIB, granularity: 'byte' }), 'ERR_PMEM_GRANULARITY');
    assert.equal(statSync(path).size, 0);
    writeFileSync(path, Buffer.alloc(MIB, 1));
    throwsCode(() => Region.open(path, { create: true, size: MIB, granularity: 'byte' }), 'ERR_PMEM_GRANULARITY');
    assert(readFileSync(path).every((byte) => byte === 1));
  });

  it('takes back what it made when there is no address space for it', () => {
    const path = file('address-space');
    throwsCode(() => Region.open(path, { create: true, size: '8TiB', sparse: true, align: 2 ** 47 }), 'ENOMEM');
    assert.equal(existsSync(path), false);
  });

  it('leaves nothing behind for a size that the file system cannot have', () => {
    const path = file('huge');
    assert.throws(
      () => Region.open(path, { create: true, size: 2 ** 53 - 4096 }),
      (error: NodeJS.ErrnoException) => ['EFBIG', 'ENOSPC', 'EINVAL'].includes(String(error.code)),
    );
    assert.equal(existsSync(path), false);
  });

  describe('while somebody else makes the file', () => {
    it('leaves a finished file of another size alone, though it was missing at first', () => {
      const path = file('race-made');
      beforeLock(
        () => writeFileSync(path, Buffer.alloc(MIB, 0x77)),
        () => throwsCode(() => Region.open(path, { create: true, size: 2 * MIB }), 'ERR_PMEM_SIZE_MISMATCH'),
      );
      assert(readFileSync(path).equals(Buffer.alloc(MIB, 0x77)));
    });

    it('leaves a finished file of another size alone, though it was empty at first', () => {
      const path = file('race-empty');
      writeFileSync(path, '');
      beforeLock(
        () => writeFileSync(path, Buffer.alloc(MIB, 0x77)),
        () => throwsCode(() => Region.open(path, { create: true, size: 2 * MIB }), 'ERR_PMEM_SIZE_MISMATCH'),
      );
      assert(readFileSync(path).equals(Buffer.alloc(MIB, 0x77)));
    });

    it('keeps the bytes of a finished file of the same size', () => {
      const path = file('race-same');
      writeFileSync(path, '');
      beforeLock(
        () => writeFileSync(path, Buffer.alloc(MIB, 0x77)),
        () => Region.open(path, { create: true, size: MIB }).close(),
      );
      assert(readFileSync(path).equals(Buffer.alloc(MIB, 0x77)));
    });

    it('makes a file again that is deleted before it could be locked', () => {
      for (const prepare of [() => {}, (path: string) => writeFileSync(path, '')]) {
        const path = file('race-deleted');
        prepare(path);
        let region: Region | undefined;
        beforeLock(
          () => rmSync(path, { force: true }),
          () => {
            region = Region.open(path, { create: true, size: MIB });
          },
        );
        region?.fill(0, 4, 0x31);
        region?.persist(0, 4);
        region?.close();
        assert.equal(readFileSync(path).toString('latin1', 0, 4), '1111');
      }
    });

    it('makes the file in one of many processes, and no other harms it', async () => {
      const path = file('race');
      const start = file('start');
      mkdirSync(start);
      const children = Array.from({ length: 4 }, (_, i) =>
        startChild(
          async (target: string, mine: number) => {
            const { Region } = await import('pmem');
            process.stdout.write('ready\n');
            process.stdin.once('data', () => {
              const outcomes: string[] = [];
              for (let round = 0; round < 50; round++) {
                try {
                  const region = Region.open(target, { create: true, size: 65536 });
                  // Whoever has it finds it whole, and what others left in their place.
                  for (let other = 0; other < 4; other++) {
                    const there = region.load64(8 * other);
                    if (there !== 0n && there !== BigInt(other + 1)) outcomes.push(`found ${there} at ${other}`);
                  }
                  region.store64(8 * mine, BigInt(mine + 1));
                  region.close();
                } catch (error) {
                  const { code, message } = error as NodeJS.ErrnoException;
                  if (code !== 'ERR_PMEM_LOCKED') outcomes.push(`${code}: ${message}`);
                }
              }
              process.stdout.write(`${JSON.stringify(outcomes)}\n`);
              process.exit(0);
            });
          },
          [path, i],
        ),
      );
      for (const child of children) assert.equal(await child.line(), 'ready');
      for (const child of children) child.tell('go');
      for (const child of children) assert.equal(await child.line(), '[]');
      await Promise.all(children.map((child) => child.ended));
      assert.equal(statSync(path).size, 65536);
    });
  });

  it('makes a file that the next process finds', async () => {
    const path = file('next');
    const region = Region.open(path, { create: true, size: 65536 });
    region.write(1000, Buffer.from('hello'), 'persist');
    region.close();
    const text = await childValue(
      async (target: string) => {
        const { Region } = await import('pmem');
        return Region.open(target).view(1000, 5).toString();
      },
      [path],
    );
    assert.equal(text, 'hello');
  });

  it('throws ENOENT for a missing directory, and makes nothing', () => {
    const parent = file('missing');
    throwsCode(() => Region.open(`${parent}/x`, { create: true, size: 4096 }), 'ENOENT');
    assert.equal(existsSync(parent), false);
    rmSync(parent, { force: true });
  });
});

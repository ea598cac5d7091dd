import assert from 'node:assert/strict';
import { statSync, truncateSync } from 'node:fs';
import { type Memory, PmemError, type Progress, Region } from 'pmem';
import { Btt, BttCorruptError, type BttFormatOptions, type BttOpenOptions, SubDisk } from 'pmem/block';
import { SimulatedMemory } from 'pmem/testing';
import { sectorOf } from '../../support/btt-crash.js';
import { formatSmall, SMALL, UUID } from '../../support/btt-images.js';
import { codeOf, rejectsCode, throwsCode } from '../../support/errors.js';
import { PlainMemory } from '../../support/plain-memory.js';
import { newRegion } from '../../support/regions.js';
import { onDisk, onTmpfs } from '../../support/temp.js';

/** Memory with places that are unavailable. */
class FaultyMemory extends PlainMemory {
  /** Offset and length of what is bad; stores to it fail too, unless they mend it. */
  readonly bad: { offset: number; length: number; mends: boolean }[] = [];

  override read(offset: number, target: Uint8Array): void {
    this.#meet(offset, target.length, false);
    super.read(offset, target);
  }

  override write(offset: number, source: Uint8Array): void {
    this.#meet(offset, source.length, true);
    super.write(offset, source);
  }

  override fill(offset: number, length: number, byte?: number): void {
    this.#meet(offset, length, true);
    super.fill(offset, length, byte);
  }

  override load64(offset: number): bigint {
    this.#meet(offset, 8, false);
    return super.load64(offset);
  }

  #meet(offset: number, length: number, stores: boolean): void {
    const i = this.bad.findIndex((one) => one.offset < offset + length && offset < one.offset + one.length);
    const found = this.bad[i];
    if (found === undefined) return;
    if (stores && found.mends) this.bad.splice(i, 1);
    else throw new PmemError('ERR_PMEM_MEDIA', 'a test says so', { offset: found.offset });
  }
}

function small(options: Parameters<typeof formatSmall>[1] = {}, size = 2 ** 16): PlainMemory {
  const memory = new PlainMemory(size);
  formatSmall(memory, { sectorSize: 512, ...options });
  return memory;
}

function blockOffset(btt: Btt, block: number): number {
  const [arena] = btt.info.arenas;
  assert.ok(arena !== undefined);
  return arena.offset + arena.dataOffset + block * arena.blockSize;
}

describe('Btt', () => {
  const file = onDisk();
  const onMemory = onTmpfs();

  /** A BTT that takes no room. */
  function sparse(name: string, size: number, options: BttFormatOptions = { sectorSize: 512 }): Region {
    const path = onMemory(name);
    newRegion(path, 4096).close();
    truncateSync(path, size);
    const region = Region.open(path, { assumePersistent: true });
    Btt.format(region, { ...options, zeroed: true });
    return region;
  }

  it('is made by Btt.open: its constructor refuses', () => {
    throwsCode(() => Reflect.construct(Btt, []), 'ERR_INVALID_ARG_VALUE');
  });

  describe('format', () => {
    it('refuses wrong options before anything is touched', () => {
      const memory = new PlainMemory(2 ** 25);
      for (const [options, code] of [
        [null, 'ERR_INVALID_ARG_TYPE'],
        [{ sectorsize: 512 }, 'ERR_INVALID_ARG_VALUE'],
        [{ sectorSize: '512' }, 'ERR_INVALID_ARG_TYPE'],
        [{ sectorSize: 1024 }, 'ERR_INVALID_ARG_VALUE'],
        [{ sectorSize: Number.NaN }, 'ERR_INVALID_ARG_VALUE'],
        [{ version: '1.0' }, 'ERR_INVALID_ARG_VALUE'],
        [{ version: 2 }, 'ERR_INVALID_ARG_TYPE'],
        [{ uuid: 'x' }, 'ERR_INVALID_ARG_VALUE'],
        [{ uuid: 7 }, 'ERR_INVALID_ARG_TYPE'],
        [{ parentUuid: `${UUID}0` }, 'ERR_INVALID_ARG_VALUE'],
        [{ nfree: 0 }, 'ERR_OUT_OF_RANGE'],
        [{ nfree: 1.5 }, 'ERR_OUT_OF_RANGE'],
        [{ nfree: '256' }, 'ERR_INVALID_ARG_TYPE'],
        [{ nfree: 65_536 }, 'ERR_OUT_OF_RANGE'],
        [{ nfree: 2 ** 31 }, 'ERR_OUT_OF_RANGE'],
        [{ force: 1 }, 'ERR_INVALID_ARG_TYPE'],
        [{ zeroed: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
      ] as const) {
        throwsCode(() => Btt.format(memory, options as never), code);
      }
      for (const wrong of [undefined, null, 7, {}, 'memory', Buffer.alloc(2 ** 25)]) {
        throwsCode(() => Btt.format(wrong as never), 'ERR_INVALID_ARG_TYPE');
        throwsCode(() => Btt.open(wrong as never), 'ERR_INVALID_ARG_TYPE');
        throwsCode(() => Btt.check(wrong as never), 'ERR_INVALID_ARG_TYPE');
      }
      throwsCode(() => Btt.format(new PlainMemory(2 ** 24)), 'ERR_OUT_OF_RANGE', { message: /16781312/ });
      throwsCode(() => Btt.format(new PlainMemory(0)), 'ERR_OUT_OF_RANGE');
      assert.equal(memory.stores, 0);
    });

    it('refuses memory that seems to hold data, unless force is set', () => {
      for (const [offset, bytes, what] of [
        [1080, '\x53\xef', /ext4/],
        [0, 'XFSB', /XFS/],
        [510, '\x55\xaa', /MBR/],
        [512, 'EFI PART', /GPT/],
        [4096, 'NVDIMM_PFN_INFO\0', /fsdax/],
        [4096, 'NVDIMM_DAX_INFO\0', /device-DAX/],
        [0, 'BTT_ARENA_INFO\0\0', /BTT \(version 2.0\)/],
        [4086, 'SWAPSPACE2', /swap/],
      ] as const) {
        const memory = new PlainMemory(2 ** 25);
        memory.bytes.write(bytes, offset, 'latin1');
        throwsCode(() => Btt.format(memory), 'ERR_PMEM_IN_USE', { message: what });
        assert.equal(memory.stores, 0);
        Btt.format(memory, { force: true });
        assert.equal(Btt.check(memory).status, 'clean');
      }
    });

    it('refuses a byte of data in the first or the last MiB, and ignores data between them, and ones', () => {
      const size = 2 ** 25;
      for (const at of [0, 2 ** 20 - 1, size - 2 ** 20, size - 1]) {
        const memory = new PlainMemory(size);
        memory.bytes[at] = 1;
        throwsCode(() => Btt.format(memory), 'ERR_PMEM_IN_USE', { message: /the memory holds data/ });
        assert.equal(memory.stores, 0);
        Btt.format(memory, { force: true });
      }
      const between = new PlainMemory(size);
      between.bytes[size / 2] = 1;
      Btt.format(between);
      const ones = new PlainMemory(size);
      ones.bytes.fill(0xff);
      Btt.format(ones);
      assert.equal(Btt.check(ones).status, 'clean');
    });

    it('leaves nothing of a BTT with the other layout', () => {
      const memory = new PlainMemory(2 ** 25);
      for (const version of ['1.1', '2.0', '1.1', '2.0'] as const) {
        Btt.format(memory, { version, force: true });
        using btt = Btt.open(memory);
        assert.equal(btt.info.version, version);
      }
    });

    it('refuses read-only and volatile memory before anything is lost', () => {
      const path = file('read-only');
      newRegion(path, '32MiB').close();
      const region = Region.open(path, { readOnly: true });
      throwsCode(() => Btt.format(region), 'ERR_PMEM_READ_ONLY');
      region.close();
    });

    it('can be stopped by its signal, and reports progress', async () => {
      const memory = new PlainMemory(2 ** 26);
      const steps: number[] = [];
      await Btt.formatAsync(memory, { sectorSize: 512, onProgress: ({ done, total }) => steps.push(done / total) });
      assert.equal(steps.at(-1), 1);
      assert.equal((await Btt.checkAsync(memory, { onProgress: () => {} })).status, 'clean');
      const signal = AbortSignal.abort(new Error('enough'));
      await assert.rejects(Btt.formatAsync(memory, { force: true, signal }), /enough/);
      await assert.rejects(Btt.checkAsync(memory, { signal }), /enough/);
      await rejectsCode(Btt.formatAsync(memory, { signal: 7 as never }), 'ERR_INVALID_ARG_TYPE');
      await rejectsCode(Btt.checkAsync(memory, { onProgress: 7 as never }), 'ERR_INVALID_ARG_TYPE');
      await rejectsCode(Btt.checkAsync(memory, { repairs: true } as never), 'ERR_INVALID_ARG_VALUE');
    });
  });

  describe('open', () => {
    it('throws ERR_PMEM_BTT_NOT_FOUND where there is no BTT', () => {
      for (const memory of [new PlainMemory(0), new PlainMemory(100), new PlainMemory(2 ** 20)]) {
        throwsCode(() => Btt.open(memory), 'ERR_PMEM_BTT_NOT_FOUND');
        throwsCode(() => Btt.check(memory), 'ERR_PMEM_BTT_NOT_FOUND');
      }
    });

    it('refuses wrong options', () => {
      const memory = small();
      for (const wrong of [null, { readonly: true }, { readOnly: 1 }, { verify: 'yes' }]) {
        assert.throws(() => Btt.open(memory, wrong as never), TypeError);
      }
      assert.throws(() => new (Btt as unknown as new (guard: unknown) => unknown)(undefined), TypeError);
    });

    it('excludes other users of the same memory', () => {
      const memory = small();
      const writer = Btt.open(memory);
      for (const run of [
        () => Btt.open(memory),
        () => Btt.open(memory, { readOnly: true }),
        () => Btt.check(memory),
        () => formatSmall(memory, { force: true }),
      ]) {
        throwsCode(run, 'ERR_PMEM_BUSY');
      }
      writer.close();
      const readers = [Btt.open(memory, { readOnly: true }), Btt.open(memory, { readOnly: true })];
      throwsCode(() => Btt.open(memory), 'ERR_PMEM_BUSY');
      throwsCode(() => Btt.check(memory, { repair: true }), 'ERR_PMEM_BUSY');
      assert.equal(Btt.check(memory).status, 'clean');
      for (const reader of readers) reader.close();
      Btt.open(memory).close();
    });

    it('is read-only on read-only memory', () => {
      const path = file('view');
      const region = newRegion(path, '256KiB');
      formatSmall(region);
      region.close();
      const other = Region.open(path, { readOnly: true });
      using btt = Btt.open(other);
      assert.equal(btt.readOnly, true);
      throwsCode(() => btt.write(0, Buffer.alloc(4096)), 'ERR_PMEM_READ_ONLY');
      throwsCode(() => Btt.check(other, { repair: true }), 'ERR_PMEM_READ_ONLY');
      other.close();
      throwsCode(() => btt.read(0, Buffer.alloc(4096)), 'ERR_PMEM_CLOSED');
    });

    it('shows committed writes also when read-only, without storing them', () => {
      const memory = small({ nfree: 1 });
      const btt = Btt.open(memory);
      const [{ offset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
      const before = memory.load64(offset + mapOffset);
      btt.write(1, sectorOf(5, 1, 512));
      btt.close();
      memory.store64(offset + mapOffset, before);
      memory.stores = 0;
      const bytes = Buffer.alloc(512);
      const reader = Btt.open(memory, { readOnly: true });
      reader.read(1, bytes);
      assert.ok(bytes.equals(sectorOf(5, 1, 512)));
      assert.deepEqual(
        reader.info.problems.map(({ code }) => code),
        ['flog-map'],
      );
      reader.close();
      assert.equal(memory.stores, 0);
      assert.equal(Btt.check(memory).status, 'repairable');
      const writer = Btt.open(memory);
      writer.read(1, bytes);
      assert.ok(bytes.equals(sectorOf(5, 1, 512)));
      writer.close();
      assert.equal(Btt.check(memory).status, 'clean');
    });

    it('follows a sector through several lanes whose map changes were all lost', () => {
      const memory = small({ nfree: 3 });
      const btt = Btt.open(memory);
      const [{ offset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
      const before = memory.load64(offset + mapOffset);
      for (const value of [1, 2, 3]) btt.write(0, sectorOf(value, 0, 512));
      btt.close();
      memory.store64(offset + mapOffset, before);
      const again = Btt.open(memory);
      const bytes = Buffer.alloc(512);
      again.read(0, bytes);
      assert.ok(bytes.equals(sectorOf(3, 0, 512)));
      again.close();
      assert.equal(Btt.check(memory).status, 'clean');
    });

    it('reports lanes that lead in a circle as damage, however many there are', () => {
      const nfree = 4096;
      const memory = small({ nfree }, 2 ** 23);
      const btt = Btt.open(memory);
      const { sectorCount } = btt;
      const [{ offset = 0, flogOffset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
      btt.close();
      // Sector 0 from one lane's free block to the next one's, and from the last one's to the first one's.
      for (let lane = 0; lane < nfree; lane++) {
        const words = [0, sectorCount + lane, sectorCount + ((lane + 1) % nfree), 1];
        for (const [i, value] of words.entries()) {
          memory.bytes.writeUInt32LE(value, offset + flogOffset + 64 * lane + 4 * i);
        }
      }
      memory.bytes.writeUInt32LE((0xc000_0000 | sectorCount) >>> 0, offset + mapOffset);
      memory.stores = 0;
      throwsCode(() => Btt.open(memory), 'ERR_PMEM_BTT_CORRUPT', { message: /block-twice/ });
      assert.equal(memory.stores, 0);
    });

    it('refuses a damaged flog, and reads its sectors when read-only', () => {
      const memory = small();
      const btt = Btt.open(memory);
      btt.write(3, sectorOf(9, 3, 512));
      const [{ offset = 0, flogOffset = 0 } = {}] = btt.info.arenas;
      btt.close();
      memory.bytes.writeUInt32LE(7, offset + flogOffset + 64 + 12);
      memory.stores = 0;
      assert.throws(
        () => Btt.open(memory),
        (error) => {
          assert.ok(error instanceof BttCorruptError);
          assert.equal(error.code, 'ERR_PMEM_BTT_CORRUPT');
          assert.deepEqual(
            error.problems.map(({ code, arena }) => [code, arena]),
            [['flog-sequence', 0]],
          );
          assert.match(error.message, /lane 1 has sequence numbers 7 and 0/);
          return true;
        },
      );
      using reader = Btt.open(memory, { readOnly: true });
      const bytes = Buffer.alloc(512);
      reader.read(3, bytes);
      assert.ok(bytes.equals(sectorOf(9, 3, 512)));
      assert.equal(reader.info.problems.length, 1);
      assert.equal(memory.stores, 0);
    });

    it('goes through maps of 16 MiB, and through larger ones when asked', () => {
      for (const [size, byDefault] of [
        [2 ** 16, 'ERR_PMEM_BTT_CORRUPT'],
        // 512 B a block: 4 Mi of them are some 2.3 GB.
        [2_500_000_000, undefined],
      ] as const) {
        const memory = size === 2 ** 16 ? small() : sparse('large', size);
        let btt = Btt.open(memory);
        const [{ offset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
        btt.close();
        const entry = Buffer.alloc(4);
        entry.writeUInt32LE(0xc000_0001);
        // Not one of the first, which the lanes of a new flog name.
        memory.write(offset + mapOffset + 4 * (btt.sectorCount - 1), entry, 'persist');
        const open = (options: BttOpenOptions): unknown => codeOf(() => Btt.open(memory, options).close());
        assert.equal(open({}), byDefault);
        assert.equal(open({ verify: false }), undefined);
        assert.equal(open({ verify: true }), 'ERR_PMEM_BTT_CORRUPT');
        for (const [options, problems] of [
          [{}, byDefault === undefined ? [] : ['block-twice', 'block-lost']],
          [{ verify: false }, []],
          [{ verify: true }, ['block-twice', 'block-lost']],
        ] as const) {
          btt = Btt.open(memory, { readOnly: true, ...options });
          assert.deepEqual(
            btt.info.problems.map(({ code }) => code),
            problems,
          );
          btt.close();
        }
        if (memory instanceof Region) memory.close();
      }
    });

    it('destroys no sector whose block another sector claims', () => {
      const memory = small();
      const btt = Btt.open(memory);
      btt.write(5, sectorOf(5, 5, 512));
      btt.write(6, sectorOf(6, 6, 512));
      const [{ offset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
      btt.close();
      memory.bytes.copy(memory.bytes, offset + mapOffset + 20, offset + mapOffset + 24, offset + mapOffset + 28);
      memory.stores = 0;
      throwsCode(() => Btt.open(memory), 'ERR_PMEM_BTT_CORRUPT', { message: /block-twice/ });
      assert.equal(memory.stores, 0);
      using reader = Btt.open(memory, { readOnly: true });
      const bytes = Buffer.alloc(512);
      reader.read(6, bytes);
      assert.ok(bytes.equals(sectorOf(6, 6, 512)));
    });
  });

  describe('with damaged sectors', () => {
    it('throws EIO for sectors with the error flag until they are written or zeroed', () => {
      const memory = small({ nfree: 2 });
      const btt = Btt.open(memory);
      const [{ offset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
      const bytes = Buffer.alloc(512);
      for (const mend of [
        () => btt.write(5, sectorOf(1, 5, 512)),
        () => btt.writeZeroes(5, 1),
        () => btt.discard(5, 1),
      ]) {
        const at = offset + mapOffset + 20;
        memory.bytes.writeUInt32LE(((memory.bytes.readUInt32LE(at) & 0x3fff_ffff) | 0x4000_0000) >>> 0, at);
        throwsCode(() => btt.read(5, bytes), 'EIO', { message: /sector 5 / });
        throwsCode(() => btt.read(4, Buffer.alloc(1536)), 'EIO', { message: /sector 5 / });
        mend();
        btt.read(5, bytes);
        assert.equal(memory.bytes.readUInt32LE(at) >>> 30, 3);
      }
      btt.close();
    });

    it('throws ERR_PMEM_BTT_CORRUPT for sectors that map to no block', () => {
      const memory = small();
      const btt = Btt.open(memory);
      const [{ offset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
      memory.bytes.writeUInt32LE(0xffff_ffff, offset + mapOffset + 20);
      memory.stores = 0;
      throwsCode(() => btt.read(5, Buffer.alloc(512)), 'ERR_PMEM_BTT_CORRUPT', { message: /sector 5 / });
      throwsCode(() => btt.write(5, Buffer.alloc(512)), 'ERR_PMEM_BTT_CORRUPT');
      throwsCode(() => btt.writeZeroes(5, 1), 'ERR_PMEM_BTT_CORRUPT');
      assert.equal(memory.stores, 0);
      btt.close();
    });

    it('throws EIO for sectors that cannot be read until they are written, and uses their block again only if it is good', () => {
      for (const mends of [true, false]) {
        const memory = new FaultyMemory(2 ** 16);
        formatSmall(memory, { sectorSize: 512, nfree: 2 });
        const btt = Btt.open(memory);
        memory.bad.push({ offset: blockOffset(btt, 5) + 64, length: 64, mends });
        throwsCode(() => btt.read(5, Buffer.alloc(512)), 'EIO', { message: /sector 5 / });
        throwsCode(() => btt.read(3, Buffer.alloc(2048)), 'EIO', { message: /sector 5 / });
        for (let i = 1; i < 20; i++) {
          btt.write(5, sectorOf(i, 5, 512));
          const bytes = Buffer.alloc(512);
          btt.read(5, bytes);
          assert.ok(bytes.equals(sectorOf(i, 5, 512)));
        }
        btt.close();
        assert.equal(memory.bad.length, mends ? 0 : 1);
      }
    });

    it('names the sector whose map cannot be read, in a partition counted from its beginning', async () => {
      const memory = new FaultyMemory(2 ** 16);
      formatSmall(memory, { sectorSize: 512, nfree: 2 });
      const btt = Btt.open(memory);
      const part = SubDisk.open(btt, { start: 3, count: 20 });
      const [{ offset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
      memory.bad.push({ offset: offset + mapOffset + 4 * 6, length: 8, mends: false });
      memory.stores = 0;
      const two = Buffer.alloc(1024);
      const calls: Record<string, (device: Btt | SubDisk, lba: number) => void> = {
        'read: the map of sector 6 ': (device, lba) => device.read(lba - 2, Buffer.alloc(2048)),
        'readv: the map of sector 6 ': (device, lba) => device.readv(lba, [two]),
        'write: the map of sector 6 ': (device, lba) => device.write(lba, two),
        'write: the map of sector 7 ': (device, lba) => device.write(lba + 1, two.subarray(512)),
        'writev: the map of sector 6 ': (device, lba) => device.writev(lba - 1, [two]),
        'writeZeroes: the map of sector 6 ': (device, lba) => device.writeZeroes(lba, 1),
        'discard: the map of sector 6 ': (device, lba) => device.discard(lba, 2),
      };
      for (const [text, call] of Object.entries(calls)) {
        const [name = '', what = ''] = text.split(': ');
        const expected = { message: new RegExp(`^EIO: \\w+: ${what}of the BTT is unavailable: a test says so`) };
        throwsCode(() => call(btt, 6), 'EIO', expected);
        const within = {
          message: new RegExp(`^EIO: ${name}: the partition begins at sector 3 of the device, .*${what}`),
        };
        throwsCode(() => call(part, 3), 'EIO', within);
      }
      for (const [device, lba] of [
        [btt, 6],
        [part, 3],
      ] as const) {
        assert.throws(
          () => device.read(lba, Buffer.alloc(512)),
          (error: PmemError) => error.offset === lba * 512 && error.cause instanceof PmemError,
        );
      }
      await rejectsCode(btt.readAsync(6, Buffer.alloc(512)), 'EIO', { message: /the map of sector 6 / });
      assert.equal(memory.stores, 0);
      // A write that has not committed anything leaves the others alone.
      btt.write(0, two);
      btt.close();
    });

    it('counts damaged sectors from the beginning of a partition', () => {
      const memory = small();
      const btt = Btt.open(memory);
      const part = SubDisk.open(btt, { start: 4, count: 8 });
      const [{ offset = 0, mapOffset = 0 } = {}] = btt.info.arenas;
      memory.bytes.writeUInt32LE(0x4000_0005, offset + mapOffset + 20);
      assert.throws(
        () => part.readv(0, [Buffer.alloc(1024)]),
        (error: PmemError) =>
          error.code === 'EIO' &&
          error.offset === 512 &&
          /^EIO: readv: the partition begins at sector 4 .*sector 5 of the BTT is marked as bad/.test(error.message),
      );
      btt.close();
    });

    it('skips a free block that cannot be written to, and throws EIO where there is no other', () => {
      const memory = new FaultyMemory(2 ** 16);
      formatSmall(memory, { sectorSize: 512, nfree: 2 });
      const btt = Btt.open(memory);
      const { sectorCount } = btt;
      memory.bad.push({ offset: blockOffset(btt, sectorCount), length: 512, mends: false });
      const bytes = Buffer.alloc(1024, 7);
      for (let i = 0; i < 5; i++) btt.write(2, bytes);
      const read = Buffer.alloc(1024);
      btt.read(2, read);
      assert.ok(read.equals(bytes));
      memory.bad.push({ offset: blockOffset(btt, 0), length: sectorCount * 512 + 1024, mends: false });
      throwsCode(() => btt.write(2, bytes), 'EIO', { message: /no free block/ });
      btt.close();
    });

    it('refuses writes after one that failed half-way until it is opened again', () => {
      const memory = new FaultyMemory(2 ** 16);
      formatSmall(memory, { sectorSize: 512, nfree: 2 });
      const btt = Btt.open(memory);
      btt.write(0, sectorOf(1, 0, 512));
      const persist = memory.persist.bind(memory);
      memory.persist = () => {
        throw new PmemError('ERR_PMEM_FAULT', 'a test says so', { offset: 0 });
      };
      throwsCode(() => btt.write(0, sectorOf(2, 0, 512)), 'EIO');
      memory.persist = persist;
      throwsCode(() => btt.write(1, sectorOf(2, 1, 512)), 'EIO', { message: /open it again/ });
      throwsCode(() => btt.writeZeroes(1, 1), 'EIO');
      btt.read(0, Buffer.alloc(512));
      btt.close();
      using again = Btt.open(memory);
      again.write(1, sectorOf(2, 1, 512));
    });
  });

  describe('readAsync', () => {
    it('reads sectors old or new while they are written, never a mixture', async () => {
      const region = newRegion(file('async'), '1MiB');
      formatSmall(region, { sectorSize: 4096, nfree: 8 });
      const btt = Btt.open(region);
      const count = 64;
      const all = (value: number) =>
        Buffer.concat(Array.from({ length: count }, (_, lba) => sectorOf(value, lba, 4096)));
      btt.write(0, all(1));
      const target = Buffer.alloc(count * 4096);
      for (let round = 2; round < 30; round++) {
        const reading = btt.readAsync(0, target);
        for (let lba = 0; lba < count; lba++) btt.write(lba, sectorOf(round, lba, 4096));
        await reading;
        for (let lba = 0; lba < count; lba++) {
          const sector = target.subarray(lba * 4096, (lba + 1) * 4096);
          const value = sector.readUInt32LE(0);
          assert.ok(value === round || value === round - 1);
          assert.ok(sector.equals(sectorOf(value, lba, 4096)), `sector ${lba} in round ${round}`);
        }
      }
      btt.writeZeroes(3, 2);
      await btt.readAsync(3, target.subarray(0, 8192));
      assert.ok(target.subarray(0, 8192).every((byte) => byte === 0));
      await rejectsCode(btt.readAsync(0, Buffer.alloc(5)), 'ERR_OUT_OF_RANGE');
      await rejectsCode(btt.readAsync(btt.sectorCount, Buffer.alloc(4096)), 'ERR_OUT_OF_RANGE');
      await assert.rejects(btt.readAsync(0, target, { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
      btt.close();
      await rejectsCode(btt.readAsync(0, target), 'ERR_PMEM_CLOSED');
      assert.equal(Btt.check(region).status, 'clean');
      region.close();
    });

    it('rejects where the BTT is closed meanwhile, because its blocks may be other sectors by then', async () => {
      let go: () => void = () => {};
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      class Slow extends PlainMemory {
        override async readAsync(offset: number, target: Uint8Array): Promise<void> {
          await gate;
          this.read(offset, target);
        }
      }
      const memory = new Slow(2 ** 16);
      formatSmall(memory, { sectorSize: 512, nfree: 2 });
      const first = Btt.open(memory);
      first.write(0, sectorOf(1, 0, 512));
      const reading = first.readAsync(0, Buffer.alloc(512));
      first.close();
      using second = Btt.open(memory);
      for (let lba = 0; lba < 8; lba++) second.write(lba, sectorOf(2, lba, 512));
      go();
      await rejectsCode(reading, 'ERR_PMEM_CLOSED');
    });

    it('refuses options of the wrong type, and unknown ones', async () => {
      using btt = Btt.open(small({}, 2 ** 17));
      const target = Buffer.alloc(512);
      for (const [options, code] of [
        [null, 'ERR_INVALID_ARG_TYPE'],
        [{ signal: 7 }, 'ERR_INVALID_ARG_TYPE'],
        [{ onProgress: true }, 'ERR_INVALID_ARG_TYPE'],
        [{ progress: () => {} }, 'ERR_INVALID_ARG_VALUE'],
      ] as const) {
        await rejectsCode(btt.readAsync(0, target, options as never), code);
      }
    });

    it('reports progress in bytes up to the total', async () => {
      const region = newRegion(file('progress'), '1MiB');
      formatSmall(region, { sectorSize: 4096, nfree: 8 });
      using btt = Btt.open(region);
      const total = 20 * 4096;
      const seen: Progress[] = [];
      await btt.readAsync(3, Buffer.alloc(total), { onProgress: (progress) => seen.push(progress) });
      assert.deepEqual(seen.at(-1), { done: total, total });
      assert.ok(seen.every(({ done }, i) => done > (seen[i - 1]?.done ?? 0)));
      btt.close();
      region.close();
    });

    it('is awaited by Symbol.asyncDispose, which then closes the BTT', async () => {
      let go: () => void = () => {};
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      class Slow extends PlainMemory {
        override async readAsync(offset: number, target: Uint8Array): Promise<void> {
          await gate;
          this.read(offset, target);
        }
      }
      const memory = new Slow(2 ** 16);
      formatSmall(memory, { sectorSize: 512, nfree: 2 });
      const btt = Btt.open(memory);
      btt.write(0, sectorOf(1, 0, 512));
      const target = Buffer.alloc(512);
      const reading = btt.readAsync(0, target);
      const disposed = btt[Symbol.asyncDispose]();
      assert.equal(btt.closed, false);
      go();
      await Promise.all([reading, disposed]);
      assert.equal(btt.closed, true);
      assert.ok(target.equals(sectorOf(1, 0, 512)));
    });

    it('reads a memory that has no readAsync', async () => {
      using btt = Btt.open(small({}, 2 ** 17));
      btt.write(2, sectorOf(4, 2, 512));
      const target = Buffer.alloc(512);
      await btt.readAsync(2, target);
      assert.ok(target.equals(sectorOf(4, 2, 512)));
    });
  });

  it('agrees with an array over several arenas', () => {
    const memory = SimulatedMemory.create({ size: 2 ** 17 });
    formatSmall(memory, { sectorSize: 520, nfree: 2 }, { ...SMALL, largest: 28 * 1024 });
    using btt = Btt.open(memory);
    assert.equal(btt.info.arenas.length, 4);
    const model = Buffer.alloc(btt.size);
    for (let i = 0; i < 300; i++) {
      const lba = (i * 7) % btt.sectorCount;
      const count = 1 + (i % Math.min(11, btt.sectorCount - lba));
      const bytes = Buffer.alloc(count * 520, i + 1);
      btt.write(lba, bytes);
      bytes.copy(model, lba * 520);
    }
    const all = Buffer.alloc(btt.size);
    btt.read(0, all);
    assert.ok(all.equals(model));
  });

  describe('of 1 TiB', () => {
    it('opens without reading its map, and takes memory for its lanes only', () => {
      const region = sparse('tebibyte', 2 ** 40, {});
      // A page of tmpfs that is read through a mapping is there from then on. The map has 1 GiB; each lane may look at a page of it.
      const there = () => statSync(region.path).blocks * 512;
      const pages = there();
      const before = process.memoryUsage();
      const btt = Btt.open(region as Memory);
      const after = process.memoryUsage();
      assert.ok(there() - pages < 2 ** 22, `${there() - pages} bytes more are there`);
      assert.ok(after.arrayBuffers - before.arrayBuffers < 2 ** 20);
      assert.equal(btt.info.arenas.length, 2);
      const last = btt.sectorCount - 1;
      btt.write(last, Buffer.alloc(4096, 9));
      const bytes = Buffer.alloc(4096);
      btt.read(last, bytes);
      assert.ok(bytes.equals(Buffer.alloc(4096, 9)));
      btt.close();
      region.close();
    });
  });
});

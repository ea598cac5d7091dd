import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { PmemError } from 'pmem';
import { BadBlocks, PmemDisk, type SectorRange } from 'pmem/block';
import { childValue } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
import { LossyMemory } from '../support/lossy-memory.js';
import { Random } from '../support/random.js';
import { onDisk } from '../support/temp.js';

function ranges(list: Iterable<SectorRange>): [number, number][] {
  return [...list].map(({ start, count }) => [start, count]);
}

describe('BadBlocks', () => {
  it('keeps ranges in order, and joins those that touch', () => {
    const list = new BadBlocks([
      { start: 10, count: 2 },
      { start: 4, count: 1 },
      { start: 12, count: 3 },
      { start: 5, count: 1 },
      { start: 20, count: 0 },
    ]);
    assert.deepEqual(ranges(list), [
      [4, 2],
      [10, 5],
    ]);
    list.add(0, 30);
    assert.deepEqual(ranges(list), [[0, 30]]);
    list.clear(7, 1);
    assert.deepEqual(ranges(list), [
      [0, 7],
      [8, 22],
    ]);
    list.clear(0, 100);
    assert.equal(list.isEmpty, true);
  });

  it('agrees with a set of numbers over 2,000 operations', () => {
    const random = new Random(11);
    const list = new BadBlocks();
    const passing = new Set<number>();
    const lasting = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      const [start, count] = [random.below(60), random.below(9)];
      const span = Array.from({ length: count }, (_, j) => start + j);
      const kind = random.below(4);
      if (kind === 0) {
        list.add(start, count);
        for (const one of span) passing.add(one);
      } else if (kind === 1) {
        list.add(start, count, { lasting: true });
        for (const one of span) lasting.add(one);
      } else if (kind === 2) {
        list.written(start, count);
        for (const one of span) passing.delete(one);
      } else {
        list.clear(start, count);
        for (const one of span) [passing, lasting].map((set) => set.delete(one));
      }
      const expected = [...new Set([...passing, ...lasting])].sort((a, b) => a - b);
      const found = [...list].flatMap((one) => Array.from({ length: one.count }, (_, j) => one.start + j));
      assert.deepEqual(found, expected, `operation ${i}`);
      assert.equal(list.isEmpty, expected.length === 0);
      const [from, length] = [random.below(60), random.below(9)];
      const inside = (set: Iterable<number>) => [...set].filter((one) => one >= from && one < from + length);
      assert.equal(list.first(from, length)?.start, inside(expected)[0]);
      assert.equal(list.firstLasting(from, length)?.start, inside(lasting).sort((a, b) => a - b)[0]);
    }
  });

  it('agrees with a map of sectors while thousands of ranges come, grow, shrink and go', () => {
    const SECTORS = 20_000;
    const seed = 33;
    const random = new Random(seed);
    const bad = new Uint8Array(SECTORS);
    const list = new BadBlocks();
    let most = 0;
    const expected = () => {
      const found: [number, number][] = [];
      for (let i = 0; i < SECTORS; i++) {
        if (bad[i] === 0) continue;
        const last = found.at(-1);
        if (last !== undefined && last[0] + last[1] === i) last[1]++;
        else found.push([i, 1]);
      }
      return found;
    };
    for (let round = 0; round < 24; round++) {
      // Rounds that fill, and rounds that empty.
      const adds = round % 4 < 2 ? 9 : 1;
      for (let i = 0; i < 1500; i++) {
        const count = 1 + random.below(random.below(300) === 0 ? 3000 : random.pick([1, 1, 1, 2, 4]));
        const start = random.below(SECTORS - count);
        const isAdded = random.below(10) < adds;
        bad.fill(isAdded ? 1 : 0, start, start + count);
        if (isAdded) list.add(start, count);
        else list.clear(start, count);
        const at = random.below(SECTORS - 100);
        const first = bad.subarray(at, at + 100).indexOf(1);
        assert.equal(list.first(at, 100)?.start, first < 0 ? undefined : at + first, `seed ${seed}, round ${round}`);
      }
      assert.deepEqual(ranges(list), expected(), `seed ${seed}, round ${round}`);
      most = Math.max(most, [...list].length);
    }
    assert.ok(most > 1500, `${most}`);
  });

  it('parses the form of the kernel, and prints it', () => {
    const text = '8 1\n100 24\n';
    assert.equal(BadBlocks.parse(text).toString(), text);
    assert.equal(BadBlocks.parse('').isEmpty, true);
    assert.deepEqual(ranges(BadBlocks.parse(' 5 3 \n\n8 1')), [[5, 4]]);
  });

  for (const text of ['x', '1', '1 2 3', '-1 2', '1.5 2', '0x10 1', '1, 2']) {
    it(`refuses the text '${text}'`, () => throwsCode(() => BadBlocks.parse(text), 'ERR_INVALID_ARG_VALUE'));
  }

  it('is inspected as its ranges', () => {
    assert.equal(inspect(new BadBlocks([{ start: 3, count: 2 }])), 'BadBlocks [ { start: 3, count: 2 } ]');
  });

  it('refuses numbers that are no range', () => {
    throwsCode(() => BadBlocks.parse(undefined as never), 'ERR_INVALID_ARG_TYPE');
    throwsCode(() => BadBlocks.parse('99999999999999999999 1'), 'ERR_OUT_OF_RANGE');
    throwsCode(() => new BadBlocks().add('1' as never, 1), 'ERR_INVALID_ARG_TYPE');
    throwsCode(() => new BadBlocks().add(1, Number.NaN), 'ERR_OUT_OF_RANGE');
    throwsCode(() => new BadBlocks().add(2 ** 53 - 1, 1), 'ERR_OUT_OF_RANGE');
    throwsCode(() => new BadBlocks().clear(-1, 1), 'ERR_OUT_OF_RANGE');
  });

  for (const name of ['add', 'clear', 'written', 'first', 'firstLasting'] as const) {
    it(`refuses wrong arguments of ${name} without changing anything`, () => {
      const list = new BadBlocks([{ start: 1, count: 9 }]);
      const call = (...values: unknown[]) => Reflect.apply(list[name], list, values);
      for (const wrong of [undefined, null, '1', 1n, {}, true]) {
        throwsCode(() => call(wrong, 1), 'ERR_INVALID_ARG_TYPE', { name: 'TypeError' });
        throwsCode(() => call(1, wrong), 'ERR_INVALID_ARG_TYPE', { name: 'TypeError' });
      }
      for (const wrong of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
        throwsCode(() => call(wrong, 1), 'ERR_OUT_OF_RANGE', { name: 'RangeError' });
        throwsCode(() => call(1, wrong), 'ERR_OUT_OF_RANGE', { name: 'RangeError' });
      }
      throwsCode(() => call(2 ** 53 - 2, 2), 'ERR_OUT_OF_RANGE');
      assert.deepEqual(ranges(list), [[1, 9]]);
    });
  }

  it('refuses wrong options and values that are no list', () => {
    const wrong: [options: unknown, code: string][] = [
      [null, 'ERR_INVALID_ARG_TYPE'],
      [true, 'ERR_INVALID_ARG_TYPE'],
      [{ lasting: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ lasting: null }, 'ERR_INVALID_ARG_TYPE'],
      [{ last: true }, 'ERR_INVALID_ARG_VALUE'],
    ];
    for (const [options, code] of wrong) {
      const list = new BadBlocks();
      throwsCode(() => list.add(1, 1, options as never), code);
      throwsCode(() => BadBlocks.parse('', options as never), code);
      throwsCode(() => BadBlocks.parse('1 1', options as never), code);
      assert.equal(list.isEmpty, true);
    }
    for (const none of [null, 7, {}, [7], [null], [{ start: '1', count: 1 }], [{ start: 1 }]]) {
      throwsCode(() => new BadBlocks(none as never), 'ERR_INVALID_ARG_TYPE');
    }
  });
});

describe('PmemDisk with 131,072 bad ranges', () => {
  const RANGES = 131_072;
  const memory = () => new LossyMemory(Buffer.alloc(2 * RANGES * 512));
  const backwards = Array.from({ length: RANGES }, (_, i) => ({ start: 2 * (RANGES - 1 - i), count: 1 }));

  it('takes the ranges in any order, names the first ones in an error, and clears all by one write', () => {
    const badBlocks = new BadBlocks(backwards);
    const disk = PmemDisk.open(memory(), { badBlocks });
    throwsCode(() => disk.read(0, Buffer.alloc(512 * 64)), 'EIO');
    throwsCode(() => disk.read(0, Buffer.alloc(512 * 2 * RANGES)), 'EIO');
    disk.writeZeroes(0, disk.sectorCount);
    assert.equal(badBlocks.isEmpty, true);
  });

  it('clears ranges by writes of single sectors from either end', () => {
    for (const step of [1, -1]) {
      const disk = PmemDisk.open(memory(), { badBlocks: backwards });
      const sector = Buffer.alloc(512);
      for (let i = step > 0 ? 0 : disk.sectorCount - 1; i >= 0 && i < disk.sectorCount; i += step)
        disk.write(i, sector);
      disk.read(0, Buffer.alloc(512 * disk.sectorCount));
    }
  });
});

describe('PmemDisk with bad blocks', () => {
  function disk(sectorSize: 512 | 4096 = 512): PmemDisk {
    return PmemDisk.open(new LossyMemory(2 ** 16), { sectorSize, badBlocks: [{ start: 16, count: 3 }] });
  }

  it('refuses to read bad sectors, names them, and reads nothing else', () => {
    const target = Buffer.alloc(8 * 512, 0x33);
    throwsCode(() => disk().read(10, target), 'EIO', { message: /sectors 16-17 of the disk are bad/ });
    throwsCode(() => disk().read(18, target), 'EIO', { message: /sector 18 of the disk is bad/ });
    throwsCode(() => disk().readv(15, [target.subarray(0, 512), target.subarray(512)]), 'EIO', {
      message: /readv: sectors 16-18 of the disk are bad/,
    });
    throwsCode(() => disk().directAccess(18, 1), 'EIO', { message: /sector 18/ });
    assert.ok(target.every((byte) => byte === 0x33));
    disk().read(8, target);
    disk().read(19, target);
  });

  it('names all bad sectors of a request, and what makes them good', () => {
    const message = (disk: PmemDisk, run: (disk: PmemDisk) => void): string => {
      let found = '';
      assert.throws(
        () => run(disk),
        (error: Error) => {
          found = error.message;
          return true;
        },
      );
      return found;
    };
    const memory = new LossyMemory(2 ** 16);
    const open = (list: BadBlocks | SectorRange[], sectorSize: 512 | 4096 = 512): PmemDisk =>
      PmemDisk.open(memory, { sectorSize, badBlocks: list });
    const all = (disk: PmemDisk): void => disk.read(0, Buffer.alloc(2 ** 14));
    assert.equal(
      message(open([{ start: 1, count: 1 }]), all),
      'EIO: read: sector 1 of the disk is bad. Writing it makes it good again',
    );
    const several = [
      { start: 1, count: 1 },
      { start: 5, count: 2 },
    ];
    assert.equal(
      message(open(several), all),
      'EIO: read: sector 1 and sectors 5-6 of the disk are bad. Writing them makes them good again',
    );
    assert.match(
      message(open(several, 4096), all),
      /read: sector 0 of the disk is bad\. Writing it makes it good again$/,
    );
    const many = [0, 2, 4, 6, 8, 10].map((start) => ({ start, count: 1 }));
    assert.match(
      message(open(many), all),
      /sector 0, sector 2, sector 4, sector 6 and 2 more ranges of the disk are bad/,
    );

    const mixed = (): BadBlocks => {
      const list = new BadBlocks(several);
      list.add(6, 1, { lasting: true });
      list.add(9, 1, { lasting: true });
      return list;
    };
    const both = message(open(mixed()), all);
    assert.match(
      both,
      /sector 1, sectors 5-6 and sector 9 of the disk are bad\. The media failed in sector 6 and sector 9,/,
    );
    assert.doesNotMatch(both, /good again/);
    const writing = message(open(mixed()), (disk) => disk.write(0, Buffer.alloc(2 ** 13)));
    assert.match(writing, /write: sector 6 and sector 9 of the disk are bad\. The media failed, .* write them through/);
    const last = message(open(mixed()), (disk) => disk.write(9, Buffer.alloc(512)));
    assert.match(last, /sector 9 of the disk is bad\. The media failed, .* write it through .* or clear it with/);
    // Of 4096 bytes both are in one sector, which then is lasting.
    assert.match(message(open(mixed(), 4096), all), /sectors 0-1 of the disk are bad\. The media failed, /);
  });

  it('names bad blocks by the sectors of the disk', () => {
    const target = Buffer.alloc(4096);
    throwsCode(() => disk(4096).read(2, target), 'EIO', { message: /sector 2 of the disk is bad/ });
    disk(4096).read(1, target);
    disk(4096).read(3, target);
  });

  it('gives the offset of the first bad sector with the error', () => {
    assert.throws(
      () => disk().read(10, Buffer.alloc(20 * 512)),
      (error: { offset?: number }) => error.offset === 16 * 512,
    );
  });

  it('reads bad sectors again once they were written', () => {
    const one = disk();
    one.write(17, Buffer.alloc(512, 1));
    throwsCode(() => one.read(16, Buffer.alloc(512)), 'EIO');
    one.read(17, Buffer.alloc(512));
    one.writeZeroes(16, 1);
    one.read(16, Buffer.alloc(1024));
    assert.deepEqual(ranges(one.badBlocks), [[18, 1]]);
    one.writev(18, [Buffer.alloc(512), Buffer.alloc(512)], { fua: true });
    assert.equal(one.badBlocks.isEmpty, true);
    one.directAccess(16, 3);
  });

  it('reads all bad units again that a larger sector covers', () => {
    const one = disk(4096);
    one.write(2, Buffer.alloc(4096));
    assert.equal(one.badBlocks.isEmpty, true);
  });

  it('refuses to write lasting bad sectors', () => {
    const badBlocks = new BadBlocks();
    badBlocks.add(4, 1, { lasting: true });
    const memory = new LossyMemory(2 ** 14);
    const one = PmemDisk.open(memory, { badBlocks });
    memory.calls.length = 0;
    throwsCode(() => one.write(3, Buffer.alloc(1024)), 'EIO', { message: /sector 4 .* ndctl clear-errors/s });
    throwsCode(() => one.writev(3, [Buffer.alloc(512), Buffer.alloc(512)]), 'EIO');
    throwsCode(() => one.writeZeroes(0, 8), 'EIO');
    assert.deepEqual(memory.calls, []);
    throwsCode(() => one.read(4, Buffer.alloc(512)), 'EIO', { message: /ndctl clear-errors/ });
    badBlocks.clear(4, 1);
    one.write(3, Buffer.alloc(1024));
  });

  it('discards bad sectors without making them good', () => {
    const one = disk();
    one.discard(16, 3);
    throwsCode(() => one.read(16, Buffer.alloc(512)), 'EIO');
  });
});

describe('PmemDisk on memory whose pages are gone', () => {
  const file = onDisk();

  it('names the operation and the sector in the error', () => {
    class Gone extends LossyMemory {
      override read(offset: number): void {
        throw new PmemError('ERR_PMEM_FAULT', 'gone', { offset });
      }

      override write(offset: number): void {
        this.read(offset);
      }

      override fill(offset: number): void {
        this.read(offset);
      }
    }
    const sectors = Buffer.alloc(1024);
    const calls: Record<string, (disk: PmemDisk) => void> = {
      read: (disk) => disk.read(3, sectors),
      readv: (disk) => disk.readv(3, [sectors]),
      write: (disk) => disk.write(3, sectors),
      writev: (disk) => disk.writev(3, [sectors], { fua: true }),
      writeZeroes: (disk) => disk.writeZeroes(3, 2),
    };
    for (const [name, call] of Object.entries(calls)) {
      const message = new RegExp(`^EIO: ${name}: sector 3 of the disk is unavailable`);
      throwsCode(() => call(PmemDisk.open(new Gone(8192))), 'EIO', { message });
    }
  });

  it('counts unavailable sectors as bad until they can be written again', async () => {
    const seen = await childValue(
      async (path: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const { PmemDisk } = await import('pmem/block');
        const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
        const disk = PmemDisk.open(region, { start: 4096 });
        const outcomes: Record<string, string> = {};
        const attempt = (name: string, run: () => unknown) => {
          try {
            run();
            outcomes[name] = 'done';
          } catch (error) {
            const { code, offset, message } = error as NodeJS.ErrnoException & { offset?: number };
            outcomes[name] = `${code} at ${offset}: ${/sectors? [\d-]+/.exec(message)?.[0]}`;
          }
        };
        const block = Buffer.alloc(4096, 1);
        disk.write(0, Buffer.alloc(disk.size, 9), { fua: true });
        truncateSync(path, 8192);
        attempt('read', () => disk.read(6, block));
        attempt('read of it again', () => disk.read(8, block));
        attempt('read before it', () => disk.read(0, block));
        attempt('read after it', () => disk.read(40, block));
        attempt('write', () => disk.write(8, block));
        attempt('writeZeroes', () => disk.writeZeroes(40, 4));
        outcomes['list'] = disk.badBlocks.toString().trim().replaceAll('\n', ', ');
        truncateSync(path, 65536);
        attempt('write, the file being long again', () => disk.write(8, block));
        attempt('read, after the write', () => disk.read(8, block));
        outcomes['list at last'] = disk.badBlocks.toString().trim();
        return outcomes;
      },
      [file('truncated')],
    );
    assert.deepEqual(seen, {
      read: 'EIO at 4096: sector 8',
      'read of it again': 'EIO at 4096: sector 8',
      'read before it': 'done',
      'read after it': 'EIO at 20480: sector 40',
      write: 'EIO at 4096: sector 8',
      writeZeroes: 'EIO at 20480: sector 40',
      list: '8 1, 40 1',
      'write, the file being long again': 'done',
      'read, after the write': 'done',
      'list at last': '40 1',
    });
  });

  it('leaves errors alone that do not come from the media', () => {
    class Broken extends LossyMemory {
      override read(): void {
        throw Object.assign(new Error('no'), { code: 'ERR_OTHER' });
      }
    }
    const disk = PmemDisk.open(new Broken(4096));
    throwsCode(() => disk.read(0, Buffer.alloc(512)), 'ERR_OTHER');
    assert.equal(disk.badBlocks.isEmpty, true);
  });
});

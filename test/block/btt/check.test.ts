import assert from 'node:assert/strict';
import { PmemError } from 'pmem';
import { Btt, type BttArenaInfo, type BttProblemCode, type BttReport } from 'pmem/block';
import { check } from '#dist/block/btt/check.js';
import { checksum } from '#dist/block/btt/info-block.js';
import type { ArenaLimits } from '#dist/block/btt/layout.js';
import { runSteps } from '#dist/block/btt/steps.js';
import { sectorOf } from '../../support/btt-crash.js';
import { formatSmall, SMALL } from '../../support/btt-images.js';
import { codeOf, throwsCode } from '../../support/errors.js';
import { PlainMemory } from '../../support/plain-memory.js';

const LIMITS: ArenaLimits = { ...SMALL, largest: 24 * 1024 };

/** Two arenas in use, and where their parts are in the memory. */
class Image {
  readonly memory = new PlainMemory(2 ** 16);
  readonly arenas: readonly BttArenaInfo[];
  readonly #count: number;

  constructor() {
    formatSmall(this.memory, { sectorSize: 512, nfree: 3 }, LIMITS);
    const btt = Btt.open(this.memory);
    for (let lba = 0; lba < btt.sectorCount; lba++) btt.write(lba, sectorOf(lba + 1, lba, 512));
    this.arenas = btt.info.arenas;
    this.#count = btt.sectorCount;
    btt.close();
    this.memory.stores = 0;
  }

  place(arena: number, part: 'mapOffset' | 'flogOffset' | 'infoCopyOffset' | 'dataOffset' | 'offset'): number {
    const found = this.arenas[arena];
    assert.ok(found !== undefined);
    return part === 'offset' ? found.offset : found.offset + found[part];
  }

  word(at: number, change: (old: number) => number): void {
    this.memory.bytes.writeUInt32LE(change(this.memory.bytes.readUInt32LE(at)) >>> 0, at);
  }

  seal(at: number): void {
    const block = this.memory.bytes.subarray(at, at + 4096);
    block.writeBigUInt64LE(checksum(block), 4088);
  }

  check(repair = false): BttReport {
    return runSteps(check(this.memory, { repair, rewriteLog: false }, LIMITS));
  }

  holdsEverything(): void {
    using btt = Btt.open(this.memory, { readOnly: true });
    assert.equal(btt.sectorCount, this.#count);
    const bytes = Buffer.alloc(512);
    for (let lba = 0; lba < this.#count; lba++) {
      btt.read(lba, bytes);
      assert.ok(bytes.equals(sectorOf(lba + 1, lba, 512)), `sector ${lba}`);
    }
  }
}

/** A lane's newer entry: the one with the larger number, as the image has not gone round. */
function newer(image: Image, lane: number): number {
  const at = image.place(0, 'flogOffset') + 64 * lane;
  const [a, b] = [at, at + 16].map((slot) => image.memory.bytes.readUInt32LE(slot + 12)) as [number, number];
  return (a % 3) + 1 === b ? at + 16 : at;
}

type Damage = readonly [code: BttProblemCode, arena: number, detail: RegExp, damage: (image: Image) => void];

const REPAIRABLE: Record<string, Damage> = {
  'an overwritten first info block': [
    'info-missing',
    0,
    /at 4096 is damaged/,
    (image) => {
      image.memory.bytes.fill(0xee, 4096, 8192);
    },
  ],
  'a wrong bit of the first info block': [
    'info-missing',
    0,
    /at 4096 is damaged/,
    (image) => image.word(4096 + 60, (old) => old ^ 1),
  ],
  'an info block of which only the offset of the copy is right': [
    'info-missing',
    1,
    /is damaged, its copy is sound/,
    (image) => {
      image.memory.bytes.fill(0, image.place(1, 'offset') + 16, image.place(1, 'offset') + 112);
    },
  ],
  'an overwritten copy': [
    'info-copy',
    1,
    /is not the same/,
    (image) => {
      const at = image.place(1, 'infoCopyOffset');
      image.memory.bytes.fill(0xee, at, at + 4096);
    },
  ],
  'a copy of another arena': [
    'info-copy',
    0,
    /is not the same/,
    (image) => {
      const [from, to] = [image.place(1, 'infoCopyOffset'), image.place(0, 'infoCopyOffset')];
      image.memory.bytes.copy(image.memory.bytes, to, from, from + 4096);
    },
  ],
  'a committed write that is not in the map': [
    'flog-map',
    0,
    /was committed/,
    (image) => {
      const at = newer(image, 0);
      const [sector, old] = [image.memory.bytes.readUInt32LE(at), image.memory.bytes.readUInt32LE(at + 4)];
      image.word(image.place(0, 'mapOffset') + 4 * sector, () => 0xc000_0000 | old);
    },
  ],
};

const UNSAFE: Record<string, Damage> = {
  'both info blocks of an arena': [
    'info-lost',
    1,
    /no usable copy was found/,
    (image) => {
      for (const at of [image.place(1, 'offset'), image.place(1, 'infoCopyOffset')])
        image.memory.bytes.fill(0xee, at, at + 64);
    },
  ],
  'the error flag': [
    'info-error-flag',
    0,
    /error flag/,
    (image) => {
      image.word(4096 + 48, () => 1);
      image.seal(4096);
      const copy = image.place(0, 'infoCopyOffset');
      image.memory.bytes.copy(image.memory.bytes, copy, 4096, 8192);
    },
  ],
  'an arena of another BTT': [
    'info-inconsistent',
    1,
    /UUID/,
    (image) => {
      for (const at of [image.place(1, 'offset'), image.place(1, 'infoCopyOffset')]) {
        image.word(at + 16, (old) => old + 1);
        image.seal(at);
      }
    },
  ],
  'another sector size': [
    'info-inconsistent',
    1,
    /sectors of 513 bytes/,
    (image) => {
      for (const at of [image.place(1, 'offset'), image.place(1, 'infoCopyOffset')]) {
        image.word(at + 56, () => 513);
        image.word(at + 64, () => 576);
        image.word(at + 60, () => 2);
        image.word(at + 68, () => 5);
        image.seal(at);
      }
    },
  ],
  'a flog of zeroes': [
    'flog-slots',
    0,
    /slots/,
    (image) => {
      const at = image.place(0, 'flogOffset');
      image.memory.bytes.fill(0, at, at + 4096);
    },
  ],
  'equal sequence numbers': [
    'flog-sequence',
    0,
    /lane 1 has sequence number 2 twice/,
    (image) => {
      const at = image.place(0, 'flogOffset') + 64;
      for (const slot of [at, at + 16]) image.word(slot + 12, () => 2);
    },
  ],
  'a sequence number out of bounds': [
    'flog-sequence',
    0,
    /which end at 3/,
    (image) => {
      image.word(newer(image, 2) + 12, () => 4);
    },
  ],
  'a sector in the flog that does not exist': [
    'flog-bounds',
    0,
    /names sector 1000 of/,
    (image) => {
      image.word(newer(image, 0), () => 1000);
    },
  ],
  'an old block that does not exist': [
    'flog-bounds',
    0,
    /names block 1000 of/,
    (image) => {
      image.word(newer(image, 0) + 4, () => 1000);
    },
  ],
  'a new block that does not exist': [
    'flog-bounds',
    0,
    /names block 1000 of/,
    (image) => {
      image.word(newer(image, 0) + 8, () => 1000);
    },
  ],
  'a map entry out of bounds': [
    'map-bounds',
    1,
    /sector 3 names block 1073741823/,
    (image) => {
      image.word(image.place(1, 'mapOffset') + 12, () => 0xffff_ffff);
    },
  ],
  'two sectors with one block': [
    'block-twice',
    1,
    /block \d+/,
    (image) => {
      const at = image.place(1, 'mapOffset');
      image.word(at, () => image.memory.bytes.readUInt32LE(at + 4));
    },
  ],
  'a block of no sector and no lane': [
    'block-lost',
    1,
    /^block \d+$/,
    (image) => {
      const at = image.place(1, 'mapOffset');
      image.word(at + 8, () => image.memory.bytes.readUInt32LE(at + 4));
    },
  ],
  'a sector with a free block': [
    'block-twice',
    0,
    /block \d+ is that of lane 2/,
    (image) => {
      const lane = newer(image, 1);
      image.word(image.place(0, 'mapOffset') + 4 * image.memory.bytes.readUInt32LE(lane), () => {
        return 0xc000_0000 | image.memory.bytes.readUInt32LE(newer(image, 2) + 4);
      });
    },
  ],
};

describe('Btt.check', () => {
  it('finds no damage in a BTT that was used', () => {
    const image = new Image();
    const report = image.check();
    assert.deepEqual(report, {
      version: '1.1',
      arenas: 2,
      problems: [],
      status: 'clean',
      safeToWrite: true,
      lanesRewritten: 0,
    });
    assert.deepEqual(image.check(true), report);
    image.holdsEverything();
  });

  for (const [name, [code, arena, detail, damage]] of Object.entries(REPAIRABLE)) {
    it(`repairs ${name}`, () => {
      const image = new Image();
      damage(image);
      const found = image.check();
      assert.deepEqual(
        found.problems.map((one) => [one.code, one.arena, one.repairable, one.repaired]),
        [[code, arena, true, false]],
      );
      assert.match(found.problems[0]?.detail ?? '', detail);
      assert.equal(found.status, 'repairable');
      assert.equal(found.safeToWrite, code !== 'info-missing');
      assert.equal(image.memory.stores, 0);
      if (code === 'info-missing') {
        assert.match(String(codeOf(() => Btt.open(image.memory))), /^ERR_PMEM_BTT_(CORRUPT|NOT_FOUND)$/);
      }
      const repaired = image.check(true);
      assert.equal(repaired.status, 'repaired');
      assert.deepEqual(
        repaired.problems.map((one) => [one.code, one.arena, one.repaired]),
        [[code, arena, true]],
      );
      assert.equal(image.check().status, 'clean');
      if (code !== 'flog-map') image.holdsEverything();
    });
  }

  for (const [name, [code, arena, detail, damage]] of Object.entries(UNSAFE)) {
    it(`names ${name} without storing anything`, () => {
      const image = new Image();
      damage(image);
      for (const repair of [false, true]) {
        const { problems, status, safeToWrite } = image.check(repair);
        const found = problems.find((one) => one.code === code);
        assert.ok(found !== undefined, JSON.stringify(problems));
        assert.equal(found.arena, arena);
        assert.match(found.detail, detail);
        assert.equal(found.repairable, false);
        assert.equal(status, 'unsafe');
        assert.equal(safeToWrite, false);
        assert.ok(problems.every(({ repaired }) => !repaired));
      }
      assert.notEqual(
        codeOf(() => Btt.open(image.memory, { verify: true }).close()),
        undefined,
      );
      assert.equal(image.memory.stores, 0);
    });
  }

  for (const part of ['mapOffset', 'flogOffset'] as const) {
    it(`names media errors in the ${part}`, () => {
      const image = new Image();
      const bad = image.place(1, part);
      const { memory } = image;
      const read = memory.read.bind(memory);
      memory.read = (offset, target) => {
        if (offset <= bad && bad < offset + target.length)
          throw new PmemError('ERR_PMEM_MEDIA', 'poison', { offset: bad });
        read(offset, target);
      };
      for (const repair of [false, true]) {
        const { problems, status } = image.check(repair);
        assert.equal(status, 'unsafe');
        const found = problems.find(({ code }) => code === 'media');
        assert.equal(found?.arena, 1);
        assert.match(found?.detail ?? '', part === 'mapOffset' ? /^the map of sectors 0 to \d+ / : /^the flog /);
      }
      throwsCode(() => Btt.open(memory), 'ERR_PMEM_BTT_CORRUPT', { message: /media: the (map|flog)/ });
      assert.equal(memory.stores, 0);
    });
  }

  it('repairs nothing where one problem cannot be repaired', () => {
    const image = new Image();
    image.memory.bytes.fill(0xee, 4096, 4196);
    image.word(image.place(1, 'mapOffset'), () => 0xffff_ffff);
    assert.equal(image.check(true).status, 'unsafe');
    assert.equal(image.memory.stores, 0);
  });

  it('makes the first of several info blocks from the last copy, if the checksum is right', () => {
    const image = new Image();
    // Signature, UUID and version are gone; the copy too.
    image.memory.bytes.fill(0, 4096, 4096 + 48);
    const copy = image.place(0, 'infoCopyOffset');
    image.memory.bytes.fill(0, copy, copy + 4096);
    const { problems } = image.check(true);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['info-missing', 'info-copy'],
    );
    assert.equal(image.check().status, 'clean');
    image.holdsEverything();
  });

  it('counts frequent problems, and names some of them', () => {
    const image = new Image();
    for (let i = 0; i < 9; i++) image.word(image.place(1, 'mapOffset') + 4 * i, () => 0xffff_fff0);
    const found = image.check().problems.find(({ code }) => code === 'map-bounds');
    assert.equal(found?.count, 9);
    assert.match(found?.detail ?? '', /and 5 more$/);
  });

  it('makes the flog as new with rewriteLog, whatever slots it uses', () => {
    throwsCode(() => Btt.check(new Image().memory, { rewriteLog: true }), 'ERR_INVALID_ARG_VALUE');
    for (const second of [16, 32]) {
      const image = new Image();
      const { bytes } = image.memory;
      const free = new Map<number, number>();
      for (const arena of [0, 1]) {
        for (let lane = 0; lane < 3; lane++) {
          const at = image.place(arena, 'flogOffset') + 64 * lane;
          if (second === 32) {
            bytes.copy(bytes, at + 32, at + 16, at + 32);
            bytes.fill(0, at + 16, at + 32);
          }
          const [a, b] = [bytes.readUInt32LE(at + 12), bytes.readUInt32LE(at + second + 12)];
          const entry = (a % 3) + 1 === b ? at + second : at;
          // The free block's error is to be kept in mind.
          if (lane === 1) bytes.writeUInt32LE((bytes.readUInt32LE(entry + 4) | 0x4000_0000) >>> 0, entry + 4);
          free.set(at, bytes.readUInt32LE(entry + 4));
        }
      }
      const report = runSteps(check(image.memory, { repair: true, rewriteLog: true }, LIMITS));
      assert.deepEqual([report.status, report.lanesRewritten], ['clean', 6]);
      for (const [at, block] of free) {
        assert.equal(bytes.readUInt32LE(at + 4), block);
        assert.equal(bytes.readUInt32LE(at + 12), 1);
        assert.ok(bytes.subarray(at + 16, at + 64).every((byte) => byte === 0));
      }
      image.memory.stores = 0;
      assert.equal(runSteps(check(image.memory, { repair: true, rewriteLog: true }, LIMITS)).lanesRewritten, 0);
      assert.equal(image.memory.stores, 0);
      image.holdsEverything();
      const btt = Btt.open(image.memory);
      for (let lba = 0; lba < btt.sectorCount; lba++) btt.write(lba, sectorOf(lba + 1, lba, 512));
      btt.close();
      assert.equal(image.check().status, 'clean');
      image.holdsEverything();
    }
  });

  it('rewrites no flog of a BTT that has other damage', () => {
    const image = new Image();
    image.word(image.place(1, 'mapOffset'), () => 0xffff_ffff);
    const { status, lanesRewritten } = runSteps(check(image.memory, { repair: true, rewriteLog: true }, LIMITS));
    assert.deepEqual([status, lanesRewritten, image.memory.stores], ['unsafe', 0, 0]);
  });

  it('reads and writes a flog in slots 0 and 2, as Linux before 4.15 wrote it', () => {
    const image = new Image();
    const { bytes } = image.memory;
    for (const arena of [0, 1]) {
      for (let lane = 0; lane < 3; lane++) {
        const at = image.place(arena, 'flogOffset') + 64 * lane;
        bytes.copy(bytes, at + 32, at + 16, at + 32);
        bytes.fill(0, at + 16, at + 32);
      }
    }
    assert.equal(image.check().status, 'clean');
    const btt = Btt.open(image.memory);
    for (let round = 0; round < 7; round++) {
      for (let lba = 0; lba < btt.sectorCount; lba++) btt.write(lba, sectorOf(lba + 1, lba, 512));
    }
    btt.close();
    assert.equal(image.check().status, 'clean');
    const at = image.place(0, 'flogOffset');
    assert.ok(bytes.subarray(at + 16, at + 32).every((byte) => byte === 0));
    image.holdsEverything();
  });
});

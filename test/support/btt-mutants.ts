/** Damaged BTTs, and what must be true of all that is done to one. */

import assert from 'node:assert/strict';
import { Btt, type BttReport } from 'pmem/block';
import { checksum } from '#dist/block/btt/info-block.js';
import { sectorOf } from './btt-crash.js';
import { formatSmall, SMALL } from './btt-images.js';
import { PlainMemory } from './plain-memory.js';
import type { Random } from './random.js';

const KIB = 1024;
const PAGE = 4096;

interface Original {
  readonly bytes: Buffer;
  /** Where metadata are: offset and length. */
  readonly targets: readonly (readonly [offset: number, length: number])[];
  readonly infos: readonly number[];
}

function original(size: number, options: Parameters<typeof formatSmall>[1], largest: number): Original {
  const memory = new PlainMemory(size);
  formatSmall(memory, options, { ...SMALL, largest });
  const btt = Btt.open(memory);
  for (let lba = 0; lba < btt.sectorCount; lba += 3) btt.write(lba, sectorOf(lba + 1, lba, btt.sectorSize));
  btt.writeZeroes(1, 1);
  const { arenas } = btt.info;
  btt.close();
  const infos: number[] = [];
  const targets: [number, number][] = [];
  for (const { offset, mapOffset, flogOffset, infoCopyOffset, nfree, sectorCount } of arenas) {
    infos.push(offset, offset + infoCopyOffset);
    targets.push([offset + mapOffset, sectorCount * 4], [offset + flogOffset, nfree * 64]);
  }
  for (const info of infos) targets.push([info, 120]);
  return { bytes: memory.bytes, targets, infos };
}

/** Some BTTs in use: both layouts, one arena and two, one lane and several. */
export function originals(): Original[] {
  return [
    original(28 * KIB, { sectorSize: 512, nfree: 1 }, 2 ** 39),
    original(32 * KIB, { sectorSize: 512, nfree: 4, version: '2.0' }, 2 ** 39),
    original(52 * KIB, { sectorSize: 512, nfree: 2 }, 24 * KIB),
    original(64 * KIB, { sectorSize: 4096, nfree: 2 }, 2 ** 39),
  ];
}

const NUMBERS = [0, 1, 2, 3, 4, 5, 7, 0x7fff_ffff, 0x8000_0000, 0x4000_0000, 0xc000_0000, 0xffff_ffff, 4096, 16];

/** Fields of an info block that are worth being wrong. */
const FIELDS = [48, 52, 56, 60, 64, 68, 72, 76, 80, 84, 88, 92, 96, 100, 104, 108, 112, 116] as const;

/** Makes a damaged image of the original in the memory. */
export function mutate({ bytes, targets, infos }: Original, memory: PlainMemory, random: Random): void {
  bytes.copy(memory.bytes);
  memory.stores = 0;
  for (let i = 0; i <= random.below(4); i++) {
    const kind = random.below(8);
    if (kind < 5) {
      const [offset, length] = random.pick(targets);
      const at = offset + 4 * random.below(length / 4);
      const old = memory.bytes.readUInt32LE(at);
      const near = (old & 0xc000_0000) | ((old + random.below(5) - 2) & 0x3fff_ffff);
      const value = random.pick([random.pick(NUMBERS), near >>> 0, (old ^ (1 << random.below(32))) >>> 0]);
      memory.bytes.writeUInt32LE(value, at);
    } else if (kind === 5) {
      // With a right checksum: what it says has to be judged.
      const info = random.pick(infos);
      const field = info + random.pick(FIELDS);
      const old = memory.bytes.readUInt32LE(field);
      const near = (old + random.pick([1, 4, 64]) * (random.below(5) - 2)) >>> 0;
      memory.bytes.writeUInt32LE(random.pick([random.pick(NUMBERS), near]), field);
      seal(memory.bytes, info);
    } else if (kind === 6) {
      const [offset, length] = random.pick(targets);
      memory.bytes.fill(random.pick([0, 0xff, random.below(256)]), offset, offset + length);
    } else {
      const [from, to] = [random.pick(infos), random.pick(infos)];
      memory.bytes.copy(memory.bytes, to, from, from + PAGE);
    }
  }
}

function seal(bytes: Buffer, info: number): void {
  const block = bytes.subarray(info, info + PAGE);
  block.writeBigUInt64LE(checksum(block), PAGE - 8);
}

const CODES = /^(ERR_PMEM_BTT_(CORRUPT|NOT_FOUND)|EIO)$/;

/** Runs it; an error must be one of the codes that a damaged BTT has. */
function coded<Result>(run: () => Result): Result | undefined {
  try {
    return run();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    assert.match(String(code), CODES, (error as Error).stack);
    return undefined;
  }
}

/** What became of an image. */
export type Verdict = BttReport['status'] | 'not found';

/** Checks, opens, reads, repairs and writes an image, in this order, and looks at what was stored. */
export function judgeImage(memory: PlainMemory): Verdict {
  const report = coded(() => Btt.check(memory));
  coded(() => {
    using btt = Btt.open(memory, { readOnly: true });
    const sector = Buffer.alloc(btt.sectorSize);
    for (let lba = 0; lba < btt.sectorCount; lba++) coded(() => btt.read(lba, sector));
  });
  assert.equal(memory.stores, 0, 'reading stored something');
  if (report === undefined || !report.safeToWrite) {
    assert.equal(
      coded(() => Btt.open(memory, { verify: true })),
      undefined,
      'opened what check calls unsafe',
    );
    assert.equal(memory.stores, 0, 'opening stored into what check calls unsafe');
  }
  const repaired = coded(() => Btt.check(memory, { repair: true }));
  if (report === undefined || report.status === 'unsafe') {
    assert.equal(memory.stores, 0, 'repair stored into what check calls unsafe');
    assert.equal(repaired?.status, report?.status);
    return report?.status ?? 'not found';
  }
  assert.deepEqual(Btt.check(memory).problems, [], 'repair left something');
  // What is sound works.
  using btt = Btt.open(memory);
  const sector = Buffer.alloc(btt.sectorSize);
  for (let lba = 0; lba < btt.sectorCount; lba++) btt.write(lba, sectorOf(lba + 7, lba, btt.sectorSize));
  for (let lba = 0; lba < btt.sectorCount; lba++) {
    btt.read(lba, sector);
    assert.ok(sector.equals(sectorOf(lba + 7, lba, btt.sectorSize)), `sector ${lba}`);
  }
  btt.close();
  assert.deepEqual(Btt.check(memory).status, 'clean');
  return report.status;
}

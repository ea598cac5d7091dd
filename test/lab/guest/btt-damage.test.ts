/** The same damage shown to ndctl and to us: what each says of it, and what is left of it once each has repaired it. */

import assert from 'node:assert/strict';
import type { Region } from 'pmem';
import { Btt, type BttArenaInfo, type BttProblemCode } from 'pmem/block';
import { checksum } from '#dist/block/btt/info-block.js';
import { byKernel, namespaceUuid, ndctlApproves, withBareMemory } from '../inside/btt-namespace.js';
import { sector } from '../machines.js';

// A machine of its own: it takes long, and others can run beside it.
export const machines = [sector];

const PAGE = 4096;
const SECTORS = 300;

/** The metadata of the only arena. */
class Metadata {
  readonly #region: Region;
  readonly #arena: BttArenaInfo;

  constructor(region: Region, arena: BttArenaInfo) {
    this.#region = region;
    this.#arena = arena;
  }

  get info(): number {
    return this.#arena.offset;
  }

  get copy(): number {
    return this.info + this.#arena.infoCopyOffset;
  }

  get flog(): number {
    return this.info + this.#arena.flogOffset;
  }

  get flogSize(): number {
    return this.#arena.nfree * 64;
  }

  get blockCount(): number {
    return this.#arena.blockCount;
  }

  entry(sector: number): number {
    return this.info + this.#arena.mapOffset + 4 * sector;
  }

  /** The newer entry of a lane: the one whose number follows the other's. */
  newer(lane: number): number {
    const at = this.flog + 64 * lane;
    return (this.word(at + 12) % 3) + 1 === this.word(at + 16 + 12) ? at + 16 : at;
  }

  word(at: number): number {
    return this.bytes(at, 4).readUInt32LE();
  }

  set(at: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    this.#region.write(at, bytes, 'persist');
  }

  fill(at: number, length: number, byte: number): void {
    this.#region.fill(at, length, byte, 'persist');
  }

  bytes(at: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.#region.read(at, bytes);
    return bytes;
  }

  /** Changes a word of an info block, and its checksum. */
  change(at: number, place: number, value: number): void {
    const block = this.bytes(at, PAGE);
    block.writeUInt32LE(value, place);
    block.writeBigUInt64LE(checksum(block), PAGE - 8);
    this.#region.write(at, block, 'persist');
  }
}

/** What ndctl says of damage: exit codes are all that it promises. */
interface Case {
  readonly code: BttProblemCode;
  readonly damage: (metadata: Metadata) => void;
  /** It finds nothing wrong without --repair, in its exit code. */
  readonly approves?: true;
  /** With --repair it says that all is right. */
  readonly repairs?: true;
}

const CASES: Readonly<Record<string, Case>> = {
  'the info block': {
    code: 'info-missing',
    repairs: true,
    damage: (metadata) => metadata.fill(metadata.info, 64, 0xee),
  },
  // ndctl says so, but exits with 0.
  'the copy of the info block': {
    code: 'info-copy',
    approves: true,
    repairs: true,
    damage: (metadata) => metadata.fill(metadata.copy, 64, 0xee),
  },
  'the info block and its copy': {
    code: 'info-lost',
    damage: (metadata) => {
      // Without signatures there would be nothing to say that it ever was one.
      for (const at of [metadata.info, metadata.copy]) metadata.fill(at + 16, 128, 0xee);
    },
  },
  // ndctl takes the info block's word for it. Where it is an older one, that is the end of the newer BTT.
  'a copy of another BTT': {
    code: 'info-inconsistent',
    approves: true,
    repairs: true,
    damage: (metadata) => metadata.change(metadata.copy, 16, 0x1234_5678),
  },
  'the error flag': {
    code: 'info-error-flag',
    damage: (metadata) => {
      for (const at of [metadata.info, metadata.copy]) metadata.change(at, 48, 1);
    },
  },
  'a flog of zeroes': { code: 'flog-slots', damage: (metadata) => metadata.fill(metadata.flog, metadata.flogSize, 0) },
  'a flog in slots 1 and 3': {
    code: 'flog-slots',
    damage: (metadata) => {
      metadata.set(metadata.flog + 64 + 48 + 12, 1);
    },
  },
  'equal sequence numbers': {
    code: 'flog-sequence',
    damage: (metadata) => {
      for (const slot of [0, 16]) metadata.set(metadata.flog + 64 + slot + 12, 2);
    },
  },
  'a sequence number out of bounds': {
    code: 'flog-sequence',
    damage: (metadata) => metadata.set(metadata.newer(2) + 12, 7),
  },
  'a sector in the flog that there is not': {
    code: 'flog-bounds',
    damage: (metadata) => metadata.set(metadata.newer(3), 0x3fff_ffff),
  },
  'an old block in the flog that there is not': {
    code: 'flog-bounds',
    damage: (metadata) => metadata.set(metadata.newer(3) + 4, metadata.blockCount),
  },
  'a new block in the flog that there is not': {
    code: 'flog-bounds',
    damage: (metadata) => metadata.set(metadata.newer(3) + 8, metadata.blockCount),
  },
  'a committed write that is not in the map': {
    code: 'flog-map',
    repairs: true,
    damage: (metadata) => {
      // Of the last write, which no other lane knows of.
      const lane = metadata.newer((2 * SECTORS - 1) % 256);
      metadata.set(metadata.entry(metadata.word(lane)), 0xc000_0000 | metadata.word(lane + 4));
    },
  },
  'a map entry out of bounds': {
    code: 'map-bounds',
    damage: (metadata) => metadata.set(metadata.entry(5), 0xc000_0000 | metadata.blockCount),
  },
  'two sectors with one block, and so a block of nobody': {
    code: 'block-twice',
    damage: (metadata) => metadata.set(metadata.entry(7), metadata.word(metadata.entry(8))),
  },
  'a sector with the free block of a lane': {
    code: 'block-lost',
    damage: (metadata) => metadata.set(metadata.entry(290), 0xc000_0000 | metadata.word(metadata.newer(9) + 4)),
  },
};

describe('A damaged BTT', () => {
  // The kernel is to have one that is whole when this is over.
  after(() => {
    withBareMemory((region) => Btt.format(region, { parentUuid: namespaceUuid(), force: true }));
    byKernel();
  });

  for (const sectorSize of [4096, 512] as const) {
    describe(`with sectors of ${sectorSize} bytes`, () => {
      let parentUuid: string;
      before(() => {
        parentUuid = namespaceUuid();
      });

      /** Makes one that is in use. */
      function made(region: Region): Metadata {
        Btt.format(region, { sectorSize, parentUuid, force: true });
        using btt = Btt.open(region);
        const bytes = Buffer.alloc(SECTORS * sectorSize, 1);
        for (let round = 0; round < 2; round++) btt.write(0, bytes);
        const [arena] = btt.info.arenas;
        assert(arena !== undefined);
        return new Metadata(region, arena);
      }

      for (const [name, { code, damage, approves = false, repairs = false }] of Object.entries(CASES)) {
        it(`is judged and repaired as ndctl does: ${name}, ${code}`, () => {
          const ours = withBareMemory((region) => {
            damage(made(region));
            return Btt.check(region);
          });
          assert.ok(
            ours.problems.some((one) => one.code === code),
            JSON.stringify(ours),
          );
          // Nothing is wrong only if both say so; of what ndctl lets pass we say more.
          assert.equal(ndctlApproves(), approves, 'ndctl check-namespace');
          assert.equal(ndctlApproves('--repair'), repairs, 'ndctl check-namespace --repair');
          assert.equal(ours.status === 'repairable', repairs && code !== 'info-inconsistent');
          const repaired = withBareMemory((region) => {
            if (repairs) assert.equal(Btt.check(region).status, 'clean', 'what ndctl repaired');
            damage(made(region));
            return Btt.check(region, { repair: true });
          });
          assert.equal(repaired.status, ours.status === 'repairable' ? 'repaired' : 'unsafe');
          if (repaired.status === 'repaired') assert.ok(ndctlApproves(), 'ndctl of what we repaired');
        });
      }

      it('has the same flog whether ndctl rewrote it or Btt.check', () => {
        for (const second of [16, 32]) {
          const state = (region: Region): Metadata => {
            const metadata = made(region);
            for (let lane = 0; lane < 256 && second === 32; lane++) {
              const at = metadata.flog + 64 * lane + 16;
              region.write(at + 16, metadata.bytes(at, 16), 'persist');
              metadata.fill(at, 16, 0);
            }
            return metadata;
          };
          const ours = withBareMemory((region) => {
            const metadata = state(region);
            const { status, lanesRewritten } = Btt.check(region, { repair: true, rewriteLog: true });
            assert.equal(status, 'clean');
            assert.ok(lanesRewritten > 200, String(lanesRewritten));
            return metadata.bytes(metadata.flog, metadata.flogSize);
          });
          assert.ok(ndctlApproves(), 'ndctl of what we rewrote');
          byKernel();
          withBareMemory(state);
          assert.ok(ndctlApproves('--repair', '--rewrite-log'));
          withBareMemory((region) => {
            assert.equal(Btt.check(region).status, 'clean');
            using btt = Btt.open(region, { readOnly: true });
            const metadata = new Metadata(region, btt.info.arenas[0] as BttArenaInfo);
            assert.ok(metadata.bytes(metadata.flog, metadata.flogSize).equals(ours));
          });
        }
      });
    });
  }
});

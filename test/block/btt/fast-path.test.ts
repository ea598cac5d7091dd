/** The fast path of a Region to single sectors does what the calls of the contract do on any other Memory. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import { Btt } from 'pmem/block';
import { formatSmall } from '../../support/btt-images.js';
import { childValue } from '../../support/child.js';
import { PlainMemory } from '../../support/plain-memory.js';
import { Random } from '../../support/random.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const ERROR = 0x4000_0000;
const BLOCK = 0x3fff_ffff;

/** What reading says: the bytes, or why not. */
function readAs(btt: Btt, lba: number, length: number): string {
  const target = Buffer.alloc(length);
  try {
    btt.read(lba, target);
    return target.toString('hex');
  } catch (error) {
    return (error as Error).message;
  }
}

describe('Btt on a Region with its fast path', () => {
  const file = onDisk();

  for (const [sectorSize, size] of [
    [512, 2 ** 16],
    [520, 2 ** 16],
    [4096, 2 ** 18],
  ] as const) {
    for (const nfree of [1, 5]) {
      it(`leaves the same bytes as on any memory, ${sectorSize} B, ${nfree} free`, () => {
        const seed = sectorSize + nfree;
        const random = new Random(seed);
        const region = newRegion(file(`same-${seed}`), 4096 + size);
        const slice = region.slice(4096);
        const plain = new PlainMemory(size);
        const memories: Memory[] = [slice, plain];
        for (const memory of memories) formatSmall(memory, { sectorSize, nfree });
        for (let round = 0; round < 20; round++) {
          const btts = memories.map((memory) => Btt.open(memory)) as [Btt, Btt];
          const [{ info, sectorCount }] = btts;
          const [{ offset = 0, mapOffset = 0 } = {}] = info.arenas;
          for (let i = 0; i < 40; i++) {
            const count = random.pick([1, 1, 1, 2, 3]);
            const lba = random.below(sectorCount - count);
            const bytes = random.bytes(count * sectorSize);
            const step = random.pick(['write', 'write', 'write', 'zeroes', 'error']);
            for (const [k, btt] of btts.entries()) {
              const entry = memories[k]?.view(offset + mapOffset + 4 * lba, 4) as Buffer;
              const value = entry.readUInt32LE();
              if (step === 'write') btt.write(lba, bytes);
              else if (step === 'zeroes') btt.writeZeroes(lba, count);
              else entry.writeUInt32LE(ERROR + (value < ERROR ? lba : value & BLOCK));
            }
            const [short, long] = btts.map((btt) => readAs(btt, lba, bytes.length));
            assert.equal(short, long);
            if (step === 'write') assert.equal(short, bytes.toString('hex'));
          }
          for (const btt of btts) btt.close();
          assert.ok(slice.view().equals(plain.bytes), `seed ${seed}, round ${round}`);
        }
        region.close();
      });
    }
  }

  it('calls no other method for a sector where nothing is unusual', () => {
    const region = newRegion(file('alone'), 2 ** 16);
    formatSmall(region, { sectorSize: 512 });
    using btt = Btt.open(region);
    const bytes = Buffer.alloc(512, 7);
    btt.write(5, bytes);
    for (const name of ['read', 'write', 'load64', 'store64', 'flush', 'drain', 'persist']) {
      Object.defineProperty(region, name, { value: () => assert.fail(name) });
    }
    for (let i = 0; i < 20; i++) {
      btt.write(5, bytes.fill(i));
      assert.equal(readAs(btt, 5, 512), bytes.toString('hex'));
    }
    region.close();
  });

  it('throws the same errors as on any memory where pages are gone', async () => {
    const seen = await childValue(
      async (path: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const { Btt: Device } = await import('pmem/block');
        type Opened = import('pmem').Region;
        /** The region without its fast path. */
        const plainly = (region: Opened): Opened =>
          new Proxy(region, {
            has: (_, name) => name !== 'fastSectors' && name in region,
            get: (_, name) => {
              const value: unknown = Reflect.get(region, name, region);
              return typeof value === 'function' ? value.bind(region) : value;
            },
          });
        const outcomes = (way: (region: Opened) => Opened, pieces: string[]) => {
          const region = Region.open(path, { create: true, size: 2 ** 25, assumePersistent: true });
          Device.format(region, { sectorSize: 4096, nfree: 4 });
          const btt = Device.open(way(region));
          const [arena] = btt.info.arenas;
          if (arena === undefined) throw new Error('no arena');
          const bytes = Buffer.alloc(4096);
          const attempt = (call: () => void) => {
            try {
              call();
              return 'done';
            } catch (error) {
              const { code, message, offset } = error as NodeJS.ErrnoException & { offset?: number };
              return `${code} at ${offset}: ${message}`;
            }
          };
          for (let i = 0; i < 40; i++) btt.write(i % 10, bytes.fill(i));
          const places = { flog: arena.flogOffset, map: arena.mapOffset, data: arena.dataOffset };
          const told = pieces.map((piece) => {
            truncateSync(path, arena.offset + places[piece as keyof typeof places]);
            return [
              attempt(() => btt.read(3, bytes)),
              attempt(() => btt.read(20, bytes)),
              attempt(() => btt.write(3, bytes)),
              attempt(() => btt.write(3, bytes)),
              attempt(() => btt.read(3, bytes)),
            ];
          });
          btt.close();
          region.close();
          truncateSync(path, 0);
          return told;
        };
        return [['flog'], ['map'], ['data'], ['flog', 'map', 'data']].map((pieces) => ({
          short: outcomes((region) => region, pieces),
          long: outcomes(plainly, pieces),
        }));
      },
      [file('gone')],
    );
    for (const { short, long } of seen) assert.deepEqual(short, long);
    const [flog, map, data] = seen.map(({ short }) => short[0]);
    assert.match(flog?.[2] ?? '', /^EIO .* the BTT's flog or map: store64: /);
    assert.match(flog?.[3] ?? '', /^EIO .* open it again/);
    assert.deepEqual([flog?.[0], flog?.[1], flog?.[4]], ['done', 'done', 'done']);
    assert.match(map?.[0] ?? '', /^EIO at 12288: .* map of sector 3 /);
    assert.match(map?.[2] ?? '', /^EIO at 12288: .* map of sector 3 /);
    assert.match(data?.[0] ?? '', /^EIO at 12288: .*sector 3 /);
  });
});

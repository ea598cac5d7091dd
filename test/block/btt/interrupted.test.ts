/** Writes to a BTT that end at any point, or whose own memory calls back: the object keeps working, or refuses. */

import assert from 'node:assert/strict';
import { type Memory, PmemError } from 'pmem';
import { Btt } from 'pmem/block';
import { sectorOf } from '../../support/btt-crash.js';
import { formatSmall } from '../../support/btt-images.js';
import { endInside } from '../../support/ended-script.js';
import { codeOf, throwsCode } from '../../support/errors.js';
import { Interrupted, InterruptedMemory } from '../../support/interrupted-memory.js';
import { PlainMemory } from '../../support/plain-memory.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const SECTOR = 512;
const SECTORS = 6;

/** What each sector holds. */
function valuesOf(btt: Btt, sectors = SECTORS): number[] {
  const bytes = Buffer.alloc(SECTOR);
  return Array.from({ length: sectors }, (_, lba) => {
    btt.read(lba, bytes);
    const value = bytes.readUInt32LE(0);
    assert.ok(bytes.equals(sectorOf(value, lba, SECTOR)), `sector ${lba} is torn, or another's`);
    return value;
  });
}

function fill(btt: Btt, value: number, sectors = SECTORS): void {
  for (let lba = 0; lba < sectors; lba++) btt.write(lba, sectorOf(value + lba, lba, SECTOR));
}

function prepared(nfree = 2): { memory: InterruptedMemory; plain: PlainMemory } {
  const plain = new PlainMemory(32 * 1024);
  formatSmall(plain, { sectorSize: SECTOR, nfree });
  const memory = new InterruptedMemory(plain);
  return { memory, plain };
}

const OPERATIONS: Readonly<Record<string, (btt: Btt) => void>> = {
  'a write of a sector': (btt) => btt.write(1, sectorOf(1000, 1, SECTOR)),
  'a write of several sectors': (btt) => {
    btt.write(1, Buffer.concat([1, 2].map((lba) => sectorOf(1000 + lba, lba, SECTOR))));
  },
  'a write of more sectors than lanes': (btt) => {
    btt.write(0, Buffer.concat([0, 1, 2, 3, 4].map((lba) => sectorOf(1000 + lba, lba, SECTOR))));
  },
  'writeZeroes of sectors': (btt) => btt.writeZeroes(1, 3),
};

/** Calls that an operation makes to the memory. */
function callsOf(run: (btt: Btt) => void): number {
  const { memory } = prepared();
  using btt = Btt.open(memory);
  fill(btt, 1);
  memory.arm();
  run(btt);
  return memory.calls;
}

/** A BTT in which a script was ended in the operation's call number `at` to the memory. */
function interruptedAt(at: number, run: (btt: Btt) => void): { memory: InterruptedMemory; btt: Btt } {
  for (;;) {
    const { memory } = prepared();
    const btt = Btt.open(memory);
    fill(btt, 1);
    let reached = false;
    const endless = (): void => {
      reached = true;
      for (;;);
    };
    memory.arm({ at, run: endless });
    endInside(() => run(btt));
    memory.arm();
    // Or the time was over before it came to that.
    if (reached) return { memory, btt };
    btt.close();
  }
}

function sound(memory: Memory): void {
  const { problems } = Btt.check(memory);
  assert.deepEqual(
    problems.filter(({ code }) => code !== 'flog-map'),
    [],
  );
}

describe('A Btt', () => {
  const disk = onDisk();

  for (const [name, run] of Object.entries(OPERATIONS)) {
    it(`works, or refuses until it is opened again, after ${name} that failed at any call to the memory`, () => {
      for (let at = 0, calls = callsOf(run); at < calls; at++) {
        const { memory } = prepared();
        const btt = Btt.open(memory);
        fill(btt, 1);
        const end = (): void => {
          throw new Interrupted();
        };
        memory.arm({ at, run: end });
        assert.throws(() => run(btt), Interrupted);
        const code = codeOf(() => fill(btt, 500));
        assert.ok(code === undefined || code === 'EIO', code);
        valuesOf(btt);
        btt.close();
        sound(memory);
        using again = Btt.open(memory);
        fill(again, 700);
        assert.deepEqual(
          valuesOf(again),
          Array.from({ length: SECTORS }, (_, lba) => 700 + lba),
        );
      }
    });

    it(`completes ${name} whose memory writes to the BTT at any call, and refuses what the memory wrote`, () => {
      for (let at = 0, calls = callsOf(run); at < calls; at++) {
        const { memory } = prepared();
        const btt = Btt.open(memory);
        fill(btt, 1);
        const before = valuesOf(btt);
        let refused: string | undefined;
        const callBack = (): void => {
          refused = codeOf(() => btt.write(1, sectorOf(9999, 1, SECTOR)));
          codeOf(() => btt.writeZeroes(0, 2));
          valuesOf(btt);
        };
        memory.arm({ at, run: callBack });
        run(btt);
        assert.equal(refused, 'EIO');
        const after = valuesOf(btt);
        assert.ok(!after.includes(9999) && after.some((value, lba) => value !== before[lba]));
        btt.close();
        sound(memory);
      }
    });

    it(`that its memory closes at any call of ${name} cannot be opened again before that has ended`, () => {
      for (let at = 0, calls = callsOf(run); at < calls; at++) {
        const { memory } = prepared();
        const btt = Btt.open(memory);
        fill(btt, 1);
        let code: string | undefined;
        const callBack = (): void => {
          btt.close();
          code = codeOf(() => Btt.open(memory));
        };
        memory.arm({ at, run: callBack });
        const ended = codeOf(() => run(btt));
        assert.ok(ended === undefined || ended === 'ERR_PMEM_CLOSED', ended);
        assert.equal(code, 'ERR_PMEM_BUSY');
        Btt.open(memory).close();
        sound(memory);
      }
    });
  }

  for (const [what, made] of [
    ['a Region', (): Memory => newRegion(disk('parts'), '128KiB')],
    ['any other Memory', (): Memory => new PlainMemory(128 * 1024)],
  ] as const) {
    it(`runs no method of the array that it is given, on ${what}`, () => {
      const memory = made();
      formatSmall(memory, { sectorSize: SECTOR, nfree: 4 });
      const btt = Btt.open(memory);
      fill(btt, 1);
      class Calling extends Uint8Array {
        override subarray(begin?: number, end?: number): Calling {
          fill(btt, 9000);
          return new Calling(this.buffer, this.byteOffset + (begin ?? 0), (end ?? this.byteLength) - (begin ?? 0));
        }
        override fill(): this {
          fill(btt, 9000);
          return this;
        }
      }
      btt.write(1, Calling.from(Buffer.concat([1, 2, 3].map((lba) => sectorOf(1000, lba, SECTOR)))));
      assert.deepEqual(valuesOf(btt), [1, 1000, 1000, 1000, 5, 6]);
      btt.read(1, new Calling(3 * SECTOR));
      btt.read(0, new Calling(SECTOR));
      assert.deepEqual(valuesOf(btt), [1, 1000, 1000, 1000, 5, 6]);
      btt.close();
      sound(memory);
    });
  }

  it('writes to all blocks again after a readAsync of the memory that threw at once', async () => {
    class Throwing extends PlainMemory {
      override readAsync(): Promise<void> {
        throw new Interrupted();
      }
    }
    const memory = new Throwing(32 * 1024);
    formatSmall(memory, { sectorSize: SECTOR, nfree: 2 });
    using btt = Btt.open(memory);
    fill(btt, 1);
    for (let lba = 0; lba < SECTORS; lba++) {
      await assert.rejects(btt.readAsync(lba, Buffer.alloc(SECTOR)), Interrupted);
    }
    fill(btt, 100);
    fill(btt, 200);
  });

  it('works after an error of the memory before anything was committed', () => {
    const { memory } = prepared();
    using btt = Btt.open(memory);
    const fail = (): void => {
      throw new PmemError('ERR_PMEM_FAULT', 'a test says so');
    };
    memory.arm({ at: 0, run: fail });
    throwsCode(() => btt.write(1, sectorOf(1, 1, SECTOR)), 'EIO');
    fill(btt, 1);
  });
});

describe('A Btt whose script ends in the middle of a write', () => {
  const file = onDisk();

  it('completes that write before the next one, and refuses what its memory writes meanwhile', async () => {
    let refused = 0;
    const write = OPERATIONS['a write of a sector'] as (btt: Btt) => void;
    for (let at = 0, calls = callsOf(write); at < calls; at += 3) {
      for (let inner = 0, isInside = true; isInside; inner++) {
        const { memory, btt } = interruptedAt(at, write);
        throwsCode(() => fill(btt, 500), 'EIO');
        await Promise.resolve();
        isInside = false;
        const callBack = (): void => {
          isInside = true;
          if (codeOf(() => fill(btt, 600)) === 'EIO') refused++;
        };
        memory.arm({ at: inner, run: callBack });
        write(btt);
        memory.arm();
        fill(btt, 700);
        assert.deepEqual(valuesOf(btt), [700, 701, 702, 703, 704, 705]);
        btt.close();
        sound(memory);
      }
    }
    assert.ok(refused > 0);
  });

  for (const [name, callBack] of [
    ['is not taken for interrupted', (btt: Btt): void => fill(btt, 500)],
    [
      'keeps others from opening it',
      (btt: Btt, memory: Memory): void => {
        btt.close();
        Btt.open(memory);
      },
    ],
  ] as const) {
    it(`${name} while its write runs, even if its memory lets microtasks run in the middle`, (done) => {
      // Not from a microtask, on top of which no others run.
      setImmediate(() => {
        try {
          const write = OPERATIONS['a write of a sector'] as (btt: Btt) => void;
          for (let at = 0, calls = callsOf(write); at < calls; at++) {
            const { memory } = prepared();
            const btt = Btt.open(memory);
            fill(btt, 1);
            let ran = false;
            let code: string | undefined;
            const turn = (): void => {
              codeOf(() => callBack(btt, memory));
              queueMicrotask(() => {
                ran = true;
              });
              Reflect.apply(Reflect.get(process, '_tickCallback') as () => void, process, []);
              code = codeOf(() => callBack(btt, memory));
            };
            memory.arm({ at, run: turn });
            codeOf(() => write(btt));
            assert.ok(ran);
            assert.ok(code === 'EIO' || code === 'ERR_PMEM_BUSY', code);
            btt.close();
            sound(memory);
          }
          done();
        } catch (error) {
          done(error);
        }
      });
    });
  }

  it('works on any Memory in a later turn of the event loop, and can be closed and opened', async () => {
    for (let round = 0; round < 20; round++) {
      const { memory } = prepared(3);
      const btt = Btt.open(memory);
      fill(btt, 1);
      let next = 0;
      endInside(() => btt.write(next++ % SECTORS, sectorOf(1000, (next - 1) % SECTORS, SECTOR)));
      const code = codeOf(() => btt.write(0, sectorOf(2000, 0, SECTOR)));
      assert.ok(code === undefined || code === 'EIO', code);
      await Promise.resolve();
      if (round % 2 === 0) {
        fill(btt, 3000);
        valuesOf(btt);
      }
      btt.close();
      await Promise.resolve();
      using again = Btt.open(memory);
      fill(again, 4000);
      valuesOf(again);
      again.close();
      sound(memory);
    }
  });

  // Where it ends is a matter of chance; that no sector is another's, or torn, holds wherever that is.
  for (const [name, options] of [
    ['by cache-line flushes', { assumePersistent: true }],
    ['by msync', { assumePersistent: false }],
  ] as const) {
    for (const [what, several] of [
      ['one sector', 1],
      ['several sectors', 3],
    ] as const) {
      it(`works at once on a Region, durable ${name}, after a write of ${what}`, () => {
        const sectors = 40;
        const region = newRegion(file('script'), '128KiB', options);
        formatSmall(region, { sectorSize: SECTOR, nfree: 8 });
        const btt = Btt.open(region);
        fill(btt, 1, sectors);
        let next = 0;
        const put = (): void => {
          const lba = next++ % (sectors - several);
          const parts = Array.from({ length: several }, (_, i) => sectorOf(1000, lba + i, SECTOR));
          btt.write(lba, Buffer.concat(parts));
        };
        for (let round = 0; round < (options.assumePersistent ? 40 : 8); round++) {
          endInside(put);
          valuesOf(btt, sectors);
          fill(btt, 2000, sectors);
          assert.deepEqual(
            valuesOf(btt, sectors),
            Array.from({ length: sectors }, (_, lba) => 2000 + lba),
          );
        }
        btt.close();
        assert.equal(Btt.check(region).status, 'clean');
        region.close();
      });
    }
  }
});

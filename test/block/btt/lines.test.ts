/** Memory that does not begin on a cache line: a slice made at any byte. */

import assert from 'node:assert/strict';
import type { Memory, PmemError } from 'pmem';
import { Btt } from 'pmem/block';
import { type CrashOptions, exploreCrashes, SimulatedMemory } from 'pmem/testing';
import { exploration, prepared, randomRun, sectorOf } from '../../support/btt-crash.js';
import { formatSmall } from '../../support/btt-images.js';
import { rewriting } from '../../support/btt-upkeep.js';
import { throwsCode } from '../../support/errors.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const SIZE = 64 * 1024;
const WORKLOAD = { sectorSize: 512, size: SIZE, sectors: 4 } as const;
const OFFSETS = Array.from({ length: 63 }, (_, i) => i + 1);

/** A memory that says it begins on a line. */
function lying(memory: Memory): Memory {
  return new Proxy(memory, {
    get: (target, name) => {
      if (name === 'lineOffset') return 0;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** What is explored, with the BTT deceived. */
function deceived<Found>(options: CrashOptions<Found, unknown>): CrashOptions<Found, unknown> {
  const { setup, workload, recover, check } = options;
  return {
    ...options,
    setup: (memory) => setup?.(lying(memory)),
    workload: (memory, crash) => workload(lying(memory), crash),
    recover: (memory) => recover(lying(memory)),
    check: (found, crash, memory) => check(found, crash, lying(memory)),
  };
}

describe('A BTT on memory that does not begin on a cache line', () => {
  const file = onDisk();

  /** A sound one, moved to where none is made. */
  function moved(lineOffset: number): SimulatedMemory {
    const sound = SimulatedMemory.create({ size: SIZE });
    prepared({ ...WORKLOAD, run: () => {} }, sound);
    const memory = SimulatedMemory.create({ size: SIZE, lineOffset });
    memory.write(0, sound.view(0, SIZE), 'persist');
    return memory;
  }

  it('is not formatted, opened to store, repaired or rewritten, and the error names the alignment', () => {
    for (const lineOffset of OFFSETS) {
      const fresh = SimulatedMemory.create({ size: SIZE, lineOffset });
      const there = lineOffset % 8 === 0 ? moved(lineOffset) : fresh;
      const expected = {
        message: new RegExp(`must begin on a cache line.* multiple of 64 bytes.* got ${lineOffset}$`),
      };
      throwsCode(() => formatSmall(fresh), 'ERR_OUT_OF_RANGE', expected);
      assert(fresh.view(0, SIZE).every((byte) => byte === 0));
      const before = Buffer.from(there.view(0, SIZE));
      throwsCode(() => Btt.open(there), 'ERR_OUT_OF_RANGE', expected);
      throwsCode(() => Btt.check(there, { repair: true }), 'ERR_OUT_OF_RANGE', expected);
      throwsCode(() => Btt.check(there, { repair: true, rewriteLog: true }), 'ERR_OUT_OF_RANGE', expected);
      assert(there.view(0, SIZE).equals(before));
    }
    formatSmall(SimulatedMemory.create({ size: SIZE }));
  });

  it('is not formatted on a slice of a region, however it was cut', async () => {
    using region = newRegion(file('region'), '18MiB', { sparse: true });
    for (const slice of [
      region.slice(56, 17 * 2 ** 20),
      region
        .slice(4096)
        .slice(100)
        .slice(4, 17 * 2 ** 20),
    ]) {
      throwsCode(() => Btt.format(slice), 'ERR_OUT_OF_RANGE');
      await assert.rejects(Btt.formatAsync(slice), { code: 'ERR_OUT_OF_RANGE' });
    }
    const slice = region
      .slice(4096)
      .slice(100)
      .slice(28, 17 * 2 ** 20);
    assert.equal(slice.lineOffset, 0);
    Btt.format(slice, { zeroed: true });
    using btt = Btt.open(slice);
    btt.write(3, Buffer.alloc(4096, 3));
  });

  it('can be read and checked, so that it can be copied', () => {
    for (const lineOffset of [8, 40, 56]) {
      const memory = moved(lineOffset);
      assert.equal(Btt.check(memory).status, 'clean');
      using btt = Btt.open(memory, { readOnly: true });
      const sector = Buffer.alloc(512);
      btt.read(2, sector);
      assert.deepEqual(sector, sectorOf(3, 2, 512));
    }
  });

  it('is not stored into where the memory has no lineOffset', () => {
    const memory = SimulatedMemory.create({ size: SIZE });
    const silent = new Proxy(memory, {
      get: (target, name) => {
        const value: unknown = name === 'lineOffset' ? undefined : Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    throwsCode(() => formatSmall(silent), 'ERR_INVALID_ARG_TYPE', { message: /memory\.lineOffset/ });
    throwsCode(() => Btt.open(silent), 'ERR_INVALID_ARG_TYPE', { message: /memory\.lineOffset/ });
  });

  it('would be destroyed by power cuts, which do not destroy it where the memory begins on a line', () => {
    const explored = (options: CrashOptions<never, unknown>, lineOffset: number): string | undefined => {
      try {
        exploreCrashes({ ...deceived(options), lineOffset });
        return undefined;
      } catch (error) {
        return String((error as PmemError).code);
      }
    };
    const workload = { ...WORKLOAD, recoveryWrites: 2, run: randomRun(3, 8, 4, 3) };
    const writing = { ...exploration(workload), budget: 800 } as unknown as CrashOptions<never, unknown>;
    const rewritten = { ...rewriting(2), budget: 800 } as unknown as CrashOptions<never, unknown>;
    assert.equal(explored(writing, 0), undefined);
    assert.equal(explored(rewritten, 0), undefined);
    // An entry in two lines.
    assert.equal(explored(writing, 40), 'ERR_PMEM_CRASH_CONSISTENCY');
    assert.equal(explored(writing, 56), 'ERR_PMEM_CRASH_CONSISTENCY');
    // A lane in two lines.
    assert.equal(explored(rewritten, 32), 'ERR_PMEM_CRASH_CONSISTENCY');
  });
});

/** What a Region can do, any Memory can: the same calls have the same results on mapped and on simulated memory. */

import assert from 'node:assert/strict';
import type { Memory, Progress } from 'pmem';
import { exploreMutants, SimulatedMemory } from 'pmem/testing';
import { rejectsCode, throwsCode } from '../support/errors.js';
import { Random } from '../support/random.js';
import { newRegion } from '../support/regions.js';
import { onDisk } from '../support/temp.js';

const SIZE = 4096;

/** What the calls return, and what they leave, in order. */
async function program(memory: Memory, seed: number): Promise<unknown[]> {
  const random = new Random(seed);
  const seen: unknown[] = [memory.size, memory.lineOffset];
  for (let i = 0; i < 200; i++) {
    const offset = random.below(SIZE - 100);
    const length = random.below(100);
    const mode = random.pick(['store', 'flush', 'persist'] as const);
    const part = memory.slice(offset, length);
    switch (random.below(8)) {
      case 0:
        await memory.writeAsync(offset, random.bytes(length), mode);
        break;
      case 1:
        await memory.fillAsync(offset, length, random.below(256), mode);
        break;
      case 2:
        part.write(0, random.bytes(length), mode);
        break;
      case 3:
        part.fill(0, length, random.below(256), mode);
        break;
      case 4:
        memory.persistAll([
          { offset, length },
          { offset: 0, length: 8 },
        ]);
        break;
      case 5:
        await part.persistAsync(0, length);
        break;
      case 6: {
        const bytes = Buffer.alloc(length);
        await memory.readAsync(offset, bytes);
        seen.push(bytes.toString('hex'), part.readText(0, length, 'latin1'), part.lineOffset);
        break;
      }
      default:
        seen.push(memory.crc32c(offset, length, i), part.crc32c(0, length), part.view().toString('hex'));
    }
  }
  return [...seen, memory.crc32c(0, SIZE), memory.view().toString('hex'), memory.view(SIZE - 8).length];
}

describe('The Memory contract', () => {
  const file = onDisk();

  for (const begin of [0, 24]) {
    it(`has the same results on a Region and on SimulatedMemory that begin ${begin} bytes into a line`, async () => {
      using region = newRegion(file('region'), 2 * SIZE);
      for (const seed of [1, 2, 3]) {
        region.fill(0, region.size);
        const expected = await program(region.slice(begin, SIZE), seed);
        assert.deepEqual(await program(SimulatedMemory.create({ size: SIZE, lineOffset: begin }), seed), expected);
        const whole = SimulatedMemory.create({ size: 2 * SIZE });
        assert.deepEqual(await program(whole.slice(64).slice(begin, SIZE), seed), expected);
      }
    });
  }

  it('refuses the same ranges in slices with the same codes', () => {
    using region = newRegion(file('refused'), SIZE);
    for (const memory of [region, SimulatedMemory.create({ size: SIZE })] as Memory[]) {
      const slice = memory.slice(64, 128);
      throwsCode(() => slice.write(121, Buffer.alloc(8)), 'ERR_OUT_OF_RANGE');
      throwsCode(() => slice.slice(0, 129), 'ERR_OUT_OF_RANGE');
      throwsCode(() => slice.view(129), 'ERR_OUT_OF_RANGE');
      throwsCode(() => slice.persistAll([{ offset: 120, length: 9 }]), 'ERR_OUT_OF_RANGE');
      throwsCode(() => slice.load64(1), 'ERR_OUT_OF_RANGE');
      throwsCode(() => memory.slice(4).load64(0), 'ERR_OUT_OF_RANGE', { message: /plus 4/ });
      throwsCode(() => memory.view('1KiB' as never), 'ERR_INVALID_ARG_TYPE');
      throwsCode(() => memory.slice('1KiB' as never), 'ERR_INVALID_ARG_TYPE');
    }
  });

  it('takes ranges of any class in persistAll', () => {
    class Extent {
      get offset() {
        return 8;
      }
      get length() {
        return 8;
      }
    }
    using region = newRegion(file('class'), SIZE);
    for (const memory of [region, SimulatedMemory.create({ size: SIZE })] as Memory[]) {
      memory.persistAll([new Extent()]);
      throwsCode(() => memory.persistAll([new Extent(), null as never]), 'ERR_INVALID_ARG_TYPE', { message: /\[1\]/ });
      throwsCode(() => memory.persistAll(new Array(1)), 'ERR_INVALID_ARG_TYPE', { message: /\[0\]/ });
    }
  });

  it('reports the progress of asynchronous calls and passes on what onProgress throws', async () => {
    using region = newRegion(file('progress'), SIZE);
    for (const memory of [region, SimulatedMemory.create({ size: SIZE })] as Memory[]) {
      const seen: Progress[] = [];
      await memory.writeAsync(0, Buffer.alloc(100), 'persist', { onProgress: (progress) => seen.push(progress) });
      await memory.persistAsync(0, 50, { onProgress: (progress) => seen.push(progress) });
      assert.deepEqual(seen, [
        { done: 100, total: 100 },
        { done: 50, total: 50 },
      ]);
      const fail = () => {
        throw new Error('mine');
      };
      await assert.rejects(memory.fillAsync(0, 8, 0, 'store', { onProgress: fail }), /^Error: mine$/);
      await rejectsCode(memory.fillAsync(0, 8, 0, 'durable' as never), 'ERR_INVALID_ARG_VALUE');
      await rejectsCode(memory.fillAsync(0, 8, 0, { mode: 'persist' } as never), 'ERR_INVALID_ARG_TYPE');
    }
  });
});

describe('SimulatedMemory', () => {
  it('shows the explorer each flush and drain of persistAll, also through a slice', () => {
    const { killed, survivors } = exploreMutants({
      size: 256,
      workload(memory, crash) {
        const slice = memory.slice(64);
        slice.write(0, Buffer.from('one'));
        slice.write(64, Buffer.from('two'));
        slice.persistAll([
          { offset: 0, length: 3 },
          { offset: 64, length: 3 },
        ]);
        memory.store64(0, 1n);
        memory.persist(0, 8);
        crash.acknowledge('done');
      },
      recover: (memory) => [memory.load64(0), memory.readText(64, 3), memory.slice(128).readText(0, 3)] as const,
      check([done, one, two], { acknowledged }) {
        if (done === 1n) assert.deepEqual([one, two], ['one', 'two']);
        if (acknowledged.length > 0) assert.equal(done, 1n);
      },
    });
    assert.equal(survivors.length, 0);
    assert.equal(killed.length, 4);
  });

  it('loses in a slice what was not durable, and keeps the rest', () => {
    const memory = SimulatedMemory.create({ size: 128 });
    const slice = memory.slice(64);
    slice.write(0, Buffer.from('kept'), 'persist');
    slice.write(8, Buffer.from('lost'), 'flush');
    memory.losePower({ keep: 'nothing' });
    assert.equal(slice.readText(0, 16).replaceAll('\0', ''), 'kept');
  });

  it('ends its slices with the image that they are of', () => {
    let kept: Memory | undefined;
    exploreMutants({
      size: 64,
      workload: (memory) => memory.persist(0, 8),
      recover: (memory) => {
        kept = memory.slice(0, 8);
      },
      check() {},
      report: true,
    });
    throwsCode(() => kept?.load64(0), 'ERR_PMEM_CLOSED');
  });
});

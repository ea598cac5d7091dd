/** Every path by which this CPU can store and flush, against a plain Buffer. */

import assert from 'node:assert/strict';
import { cpuPaths, Region } from 'pmem';
import { childValue, inChild } from '../support/child.js';
import { codeOf } from '../support/errors.js';
import { onDisk } from '../support/temp.js';

const isX64 = process.arch === 'x64';
const FLUSHES = isX64 ? ['clwb', 'clflushopt', 'clflush'] : ['dc cvap', 'dc cvac'];
const COPIES = isX64 ? ['avx512', 'avx', 'sse2', 'generic'] : ['generic'];
/** What every CPU of the architecture has. */
const BASIC = isX64 ? { flush: 'clflush', copy: 'sse2' } : { flush: 'dc cvac', copy: 'generic' };
/** Non-temporal stores always, from the default on, from another length on, and never. */
const THRESHOLDS = ['0', '256', '1000', '1000000000'];
const SEED = 20240611;

interface Outcome {
  /** The paths in use, or the code of the refusal. */
  readonly paths: string;
  readonly mismatch: string;
}

/** Runs in the child. */
async function compareWithModel(path: string, seed: number, rounds: number): Promise<Outcome> {
  const { readFileSync } = await import('node:fs');
  const { Random } = (await import(
    `${process.cwd()}/out/test/support/random.js`
  )) as typeof import('../support/random.js');
  const { cpuPaths, Region } = await import('pmem');
  let paths: string;
  try {
    const { flush, copy, nontemporalThreshold } = cpuPaths();
    paths = `${flush} ${copy} ${nontemporalThreshold}`;
  } catch (error) {
    return { paths: String((error as NodeJS.ErrnoException).code), mismatch: '' };
  }
  const SIZE = 65536;
  const MOST = 20_000;
  const region = Region.open(path, { create: true, size: SIZE, assumePersistent: true });
  const view = region.view();
  const model = Buffer.alloc(SIZE);
  const random = new Random(seed);
  const pool = random.bytes(MOST + 128);
  const modes = ['store', 'flush', 'persist'] as const;
  const around = [
    0, 1, 63, 64, 65, 127, 128, 129, 191, 192, 255, 256, 257, 511, 512, 513, 576, 640, 1023, 1024, 4095, 4096,
  ];
  for (let round = 0; round < rounds; round++) {
    const length = random.below(2) === 0 ? random.pick(around) : random.below(MOST + 1);
    const offset =
      random.below(2) === 0 ? random.below(SIZE - length + 1) : Math.min(64 * random.below(512), SIZE - length);
    const mode = random.pick(modes);
    const kind = random.below(6);
    if (kind < 2) {
      const from = random.below(128);
      const source = pool.subarray(from, from + length);
      region.write(offset, source, mode);
      source.copy(model, offset);
    } else if (kind === 2) {
      const byte = random.below(256);
      region.fill(offset, length, byte, mode);
      model.fill(byte, offset, offset + length);
    } else if (kind === 3) {
      const target = Buffer.alloc(length + 64, 0xcc);
      const into = random.below(64);
      region.read(offset, target.subarray(into, into + length));
      const expected = Buffer.alloc(length + 64, 0xcc);
      model.copy(expected, into, offset, offset + length);
      if (!target.equals(expected))
        return { paths, mismatch: `seed ${seed} round ${round}: read ${length} at ${offset}` };
    } else if (kind === 4) {
      // Such a Buffer begins 16 bytes after the start of a page: relative to the source, each within its page, the slowest to copy.
      const large = Buffer.alloc(2 ** 18, 0xcc);
      const from = Math.min(4096 * random.below(16), SIZE - length);
      const into = 4096 * random.below(16) + random.below(64);
      region.read(from, large.subarray(into, into + length));
      const expected = Buffer.alloc(large.length, 0xcc);
      model.copy(expected, into, from, from + length);
      if (!large.equals(expected)) {
        return { paths, mismatch: `seed ${seed} round ${round}: read ${length} at ${from} to ${into}` };
      }
    } else {
      view.set(pool.subarray(0, length), offset);
      pool.copy(model, offset, 0, length);
      if (random.below(2) === 0) region.persist(offset, length);
      else {
        region.flush(offset, length);
        region.drain();
      }
    }
    // Nothing beside the range may change either.
    if (view.compare(model) !== 0) {
      return { paths, mismatch: `seed ${seed} round ${round}: kind ${kind} ${mode} ${length} at ${offset}` };
    }
  }
  region.close();
  const mismatch = readFileSync(path).equals(model) ? '' : `seed ${seed}: the file differs`;
  return { paths, mismatch };
}

describe('the paths of the CPU', () => {
  const file = onDisk();
  const best = cpuPaths();

  for (const flush of FLUSHES) {
    for (const copy of COPIES) {
      it(`${flush} and ${copy} store the given bytes and nothing else`, async function () {
        const outcomes = await Promise.all(
          THRESHOLDS.map((threshold) =>
            childValue(compareWithModel, [file('model'), SEED, 300], {
              env: { PMEM_FLUSH: flush, PMEM_COPY: copy, PMEM_NONTEMPORAL_THRESHOLD: threshold },
            }),
          ),
        );
        if (outcomes.every(({ paths }) => paths === 'ERR_PMEM_CPU_PATH')) {
          // Better paths than the best can be missing; worse ones cannot.
          assert(
            FLUSHES.indexOf(flush) < FLUSHES.indexOf(best.flush) ||
              COPIES.indexOf(copy) < COPIES.indexOf(best.copy) ||
              flush === 'clflushopt',
          );
          assert(flush !== BASIC.flush || copy !== BASIC.copy);
          console.log(`      skipped: this CPU has no ${flush} or no ${copy}`);
          this.skip();
        }
        assert.deepEqual(
          outcomes,
          THRESHOLDS.map((threshold) => ({ paths: `${flush} ${copy} ${threshold}`, mismatch: '' })),
        );
      });
    }
  }

  it('are the best that the CPU has where the environment asks for none', async () => {
    const outcome = await childValue(compareWithModel, [file('best'), SEED + 1, 500]);
    assert.deepEqual(outcome, { paths: `${best.flush} ${best.copy} ${best.nontemporalThreshold}`, mismatch: '' });
    assert(best.cacheLine >= 16 && Number.isInteger(Math.log2(best.cacheLine)));
  });

  it('are the best that the CPU has where the settings are empty', async () => {
    const env = { PMEM_FLUSH: '', PMEM_COPY: '', PMEM_CRC32C: '', PMEM_NONTEMPORAL_THRESHOLD: '' };
    const { paths } = await childValue(compareWithModel, [file('empty'), SEED, 1], { env });
    assert.equal(paths, `${best.flush} ${best.copy} ${best.nontemporalThreshold}`);
  });

  const impossible: [string, string][] = [
    ['PMEM_FLUSH', 'none'],
    ['PMEM_FLUSH', 'CLWB'],
    ['PMEM_FLUSH', isX64 ? 'dc cvap' : 'clwb'],
    ['PMEM_COPY', 'avx1024'],
    ['PMEM_COPY', 'sse2 '],
    ['PMEM_CRC32C', 'fast'],
    ['PMEM_NONTEMPORAL_THRESHOLD', 'many'],
    ['PMEM_NONTEMPORAL_THRESHOLD', '-1'],
    ['PMEM_NONTEMPORAL_THRESHOLD', ' -1'],
    ['PMEM_NONTEMPORAL_THRESHOLD', '1.5'],
    ['PMEM_NONTEMPORAL_THRESHOLD', '64KiB'],
    ['PMEM_NONTEMPORAL_THRESHOLD', '99999999999999999999999'],
  ];
  for (const [name, value] of impossible) {
    it(`are refused with ERR_PMEM_CPU_PATH for ${name}=${value}, by every call but the import`, async () => {
      const path = file('refused');
      const seen = await childValue(
        async (path: string) => {
          const { cpuPaths, explain, Region } = await import('pmem');
          return [
            () => Region.open(path, { create: true, size: 4096 }),
            () => explain(process.execPath),
            () => cpuPaths(),
          ].map((call) => {
            try {
              call();
              return 'done';
            } catch (error) {
              return `${(error as NodeJS.ErrnoException).code} ${(error as Error).message}`;
            }
          });
        },
        [path],
        { env: { [name]: value } },
      );
      for (const one of seen) assert.match(one, new RegExp(`^ERR_PMEM_CPU_PATH ${name}=`));
      assert.equal(
        codeOf(() => Region.open(path)),
        'ENOENT',
      );
    });
  }

  it('are found by many processes and threads at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 4 }, () =>
        inChild(async () => {
          const { Worker } = await import('node:worker_threads');
          const workers = Array.from(
            { length: 8 },
            () => new Worker("import('pmem').then(({ cpuPaths }) => cpuPaths());", { eval: true, execArgv: [] }),
          );
          const codes = await Promise.all(
            workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))),
          );
          return codes.every((code) => code === 0);
        }, []),
      ),
    );
    for (const { code, value, stderr } of results)
      assert.deepEqual({ code, value, stderr }, { code: 0, value: true, stderr: '' });
  });
});

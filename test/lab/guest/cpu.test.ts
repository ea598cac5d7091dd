/** On CPUs that lack this or that, the right instructions are chosen, and they store and flush what they should. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuPaths, Region } from 'pmem';
import { Random } from '../../support/random.js';
import type { Machine } from '../machine.js';
import { everything, small } from '../machines.js';
import { machineName, place } from '../places.js';

type Cpu = Pick<ReturnType<typeof cpuPaths>, 'flush' | 'copy' | 'crc32c'> & Pick<Machine, 'cpu' | 'kernelArguments'>;

const CPUS: Readonly<Record<string, Cpu>> = {
  [everything.name]: { cpu: 'max', flush: 'clwb', copy: 'avx', crc32c: 'instruction' },
  'CPU without clwb': { cpu: 'max,-clwb', flush: 'clflushopt', copy: 'avx', crc32c: 'instruction' },
  // The CPU says that it has AVX, and its registers are lost at every task switch.
  'CPU without clflushopt, AVX left off': {
    cpu: 'max,-clwb,-clflushopt',
    kernelArguments: 'noxsave',
    flush: 'clflush',
    copy: 'sse2',
    crc32c: 'instruction',
  },
  'CPU without AVX': { cpu: 'max,-avx,-avx2', flush: 'clwb', copy: 'sse2', crc32c: 'instruction' },
  'CPU of 2003': { cpu: 'qemu64', flush: 'clflush', copy: 'sse2', crc32c: 'table' },
};

function machineOf([name, { cpu, kernelArguments }]: [string, Cpu]): Machine {
  if (name === everything.name) return everything;
  return { ...small, name, cpu: cpu ?? 'max', ...(kernelArguments ? { kernelArguments } : {}) };
}

export const machines = Object.entries(CPUS).map(machineOf);

/** Of the machine that this is, in a guest. */
function expected(): Cpu {
  const found = CPUS[machineName()];
  assert(found !== undefined, `no CPU is declared for '${machineName()}'`);
  return found;
}

const SEED = 20261121;
const ROUNDS = 300;
const SIZE = 65536;

/** Stores of every length and mode at every alignment, against a plain Buffer. */
function compareWithModel(region: Region): void {
  const random = new Random(SEED);
  const model = Buffer.alloc(SIZE);
  const pool = random.bytes(SIZE);
  region.fill(0, SIZE, 0, 'persist');
  for (let round = 0; round < ROUNDS; round++) {
    const most = random.pick([16, 130, 600, 5000, 20_000]);
    const length = random.below(most);
    const offset = random.below(SIZE - length + 1);
    const mode = random.pick(['store', 'flush', 'persist'] as const);
    const told = `seed ${SEED}, round ${round}: ${mode} of ${length} at ${offset}`;
    if (random.below(4) === 0) {
      const byte = random.below(256);
      region.fill(offset, length, byte, mode);
      model.fill(byte, offset, offset + length);
    } else {
      const from = random.below(128);
      region.write(offset, pool.subarray(from, from + length), mode);
      pool.copy(model, offset, from, from + length);
    }
    const found = Buffer.alloc(length);
    region.read(offset, found);
    assert(found.equals(model.subarray(offset, offset + length)), told);
    // Nothing beside the range may change either.
    assert(region.view(0, SIZE).equals(model), told);
  }
}

describe('The addon on an emulated CPU', () => {
  it('has the CPU features that the machine declares, as the kernel says', () => {
    const { flush, copy, crc32c } = expected();
    const flags = new Set(/^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' '));
    const best = ['clwb', 'clflushopt', 'clflush'].find((one) => flags.has(one) || one === 'clflush');
    assert.equal(flush, best);
    assert.equal(copy === 'avx', flags.has('avx'));
    assert.equal(crc32c === 'instruction', flags.has('sse4_2'));
  });

  it('takes the best instructions of the CPU for flushing, copying and checksums', () => {
    const { cpu, kernelArguments, ...paths } = expected();
    const { flush, copy, crc32c } = cpuPaths();
    assert.deepEqual({ flush, copy, crc32c }, paths);
    console.log(`      ${machineName()}: ${flush}, ${copy}, ${crc32c}`);
  });

  for (const name of ['dax-2m', 'ext4']) {
    it(`stores into ${name} what it is given, and nothing around it`, () => {
      const { path } = place(name);
      using region =
        name === 'ext4' ? Region.open(join(path, 'model'), { create: true, size: SIZE }) : Region.open(path);
      assert.equal(region.durability.granularity, 'cache-line');
      compareWithModel(region);
    });
  }

  it('computes the right CRC32C', () => {
    using region = Region.open(place('dax-2m').path);
    region.write(1, Buffer.from('123456789'));
    // The check value of CRC-32C (Koopman's and Williams' catalogues).
    assert.equal(region.crc32c(1, 9), 0xe3069283);
    region.fill(0, 65536, 0);
    // RFC 3720, B.4: 32 bytes of zeroes.
    assert.equal(region.crc32c(64, 32), 0x8a9136aa);
  });
});

/** Wrong arguments of all functions of `pmem/testing`. */

import assert from 'node:assert/strict';
import vm from 'node:vm';
import type { Memory } from 'pmem';
import { type CrashContext, type CrashOptions, exploreCrashes, exploreMutants, SimulatedMemory } from 'pmem/testing';
import { rejectsCode, throwsCode } from '../support/errors.js';

const SIZE = 4096;
const TYPE = 'ERR_INVALID_ARG_TYPE';
const VALUE = 'ERR_INVALID_ARG_VALUE';
const RANGE = 'ERR_OUT_OF_RANGE';

const BAD_NUMBERS = [-1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53, 1e300, SIZE + 1];
const NO_NUMBERS: unknown[] = [undefined, null, true, '0', 8n, {}, [8], Symbol('8'), () => 8, { valueOf: () => 8 }];
const NO_BYTES: unknown[] = [undefined, null, 8, 'text', [], new ArrayBuffer(8), new Uint16Array(8), { length: 8 }];
const NO_MODES: unknown[] = [null, 0, {}, ['store']];
const UNKNOWN_MODES = ['', 'Persist', 'toString'];

const METHODS = {
  read: ['number', 'bytes'],
  write: ['number', 'bytes', 'mode'],
  fill: ['number', 'number', 'byte', 'mode'],
  load64: ['number'],
  store64: ['number', 'word'],
  flush: ['number', 'number'],
  persist: ['number', 'number'],
  crc32c: ['number', 'number', 'seed'],
  view: ['optional', 'optional'],
  slice: ['number', 'optional'],
} as const satisfies Partial<Record<keyof Memory, readonly string[]>>;

function all(values: readonly unknown[], code: string): [unknown, string][] {
  return values.map((value) => [value, code]);
}

const KINDS: Record<string, { good: unknown; bad: [unknown, string][] }> = {
  number: { good: 8, bad: [...all(BAD_NUMBERS, RANGE), ...all(NO_NUMBERS, TYPE)] },
  optional: { good: 8, bad: [...all(BAD_NUMBERS, RANGE), ...all(NO_NUMBERS.slice(1), TYPE)] },
  seed: { good: 1, bad: [...all([-1, 2 ** 32, 0.5, Number.NaN], RANGE), ...all([null, '1', 1n, {}], TYPE)] },
  bytes: { good: Buffer.alloc(8), bad: all(NO_BYTES, TYPE) },
  mode: { good: 'store', bad: [...all(NO_MODES, TYPE), ...all(UNKNOWN_MODES, VALUE)] },
  byte: { good: 1, bad: [...all([-1, 256, 0.5, Number.NaN], RANGE), ...all([null, '1', 1n, {}], TYPE)] },
  word: { good: 1n, bad: [...all([undefined, null, 1, '1', {}], TYPE), ...all([-1n, 2n ** 64n], RANGE)] },
};

describe('SimulatedMemory', () => {
  let memory: SimulatedMemory;
  before(() => {
    memory = SimulatedMemory.create({ size: SIZE });
    memory.fill(0, SIZE, 0xa5, 'persist');
  });
  afterEach('nothing was stored', () => assert(memory.view(0, SIZE).equals(Buffer.alloc(SIZE, 0xa5))));

  for (const [name, kinds] of Object.entries(METHODS)) {
    it(`refuses in ${name} what a Region refuses`, () => {
      kinds.forEach((kind, place) => {
        for (const [value, code] of KINDS[kind]?.bad ?? []) {
          const values = kinds.map((other, i) => (i === place ? value : KINDS[other]?.good));
          const method = memory[name as keyof typeof METHODS] as (...args: unknown[]) => unknown;
          throwsCode(() => method.apply(memory, values), code, { name: code === RANGE ? 'RangeError' : 'TypeError' });
        }
      });
    });
  }

  it('is made by SimulatedMemory.create: its constructor refuses', () => {
    throwsCode(() => Reflect.construct(SimulatedMemory, []), VALUE);
  });

  it('refuses misaligned offsets in load64 and store64', () => {
    for (let offset = 1; offset < 8; offset++) {
      throwsCode(() => memory.load64(offset), RANGE, { message: /multiple of 8/ });
      throwsCode(() => memory.store64(offset, 1n), RANGE, { message: /multiple of 8/ });
    }
    throwsCode(() => memory.load64(SIZE), RANGE);
  });

  it('refuses in persistAll what a Region refuses', () => {
    for (const ranges of [undefined, null, {}, [null], [1], [{}], [{ offset: 0 }], [{ offset: '0', length: 8 }]]) {
      throwsCode(() => memory.persistAll(ranges as never), TYPE);
    }
    throwsCode(() => memory.persistAll([{ offset: SIZE, length: 1 }]), RANGE);
  });

  it('rejects in asynchronous calls what the others refuse, and unknown options', async () => {
    const bytes = Buffer.alloc(8);
    await rejectsCode(memory.readAsync(SIZE, bytes), RANGE);
    await rejectsCode(memory.writeAsync(0, 'text' as never), TYPE);
    await rejectsCode(memory.writeAsync(0, bytes, { mode: 'persist' } as never), TYPE);
    await rejectsCode(memory.fillAsync(0, 8, 256), RANGE);
    await rejectsCode(memory.persistAsync(0, SIZE + 1), RANGE);
    await rejectsCode(memory.persistAsync(0, 8, { mode: 'persist' } as never), VALUE);
    await rejectsCode(memory.readAsync(0, bytes, { signal: {} as never }), TYPE);
    const reason = new Error('enough');
    await assert.rejects(memory.fillAsync(0, 8, 1, 'store', { signal: AbortSignal.abort(reason) }), reason);
  });

  it('accepts empty ranges at its end, and all of it', () => {
    memory.flush(SIZE, 0);
    memory.persist(0, SIZE);
    memory.read(SIZE, Buffer.alloc(0));
    memory.write(SIZE, Buffer.alloc(0), 'persist');
    memory.fill(SIZE, 0, 255, 'persist');
    assert.equal(memory.view(SIZE, 0).length, 0);
    assert.equal(memory.load64(SIZE - 8), 0xa5a5a5a5a5a5a5a5n);
  });

  it('takes an array at its real length, whatever its property says', () => {
    const scratch = SimulatedMemory.create({ size: 64 });
    const liar = Object.defineProperty(new Uint8Array(16).fill(1), 'length', { value: 4096 });
    scratch.write(0, liar);
    scratch.read(16, liar);
    assert.equal(scratch.load64(8), 0x0101010101010101n);
    assert.equal(scratch.load64(16), 0n);
  });

  it('refuses a size that is not whole cache lines', () => {
    for (const size of [0, 1, 63, 65, -64, 0.5, Number.NaN, Infinity, 2 ** 53, '1', '2PiB', 2 ** 50]) {
      throwsCode(() => SimulatedMemory.create({ size }), RANGE, { name: 'RangeError' });
    }
    for (const size of [undefined, null, true, 64n, {}, []])
      throwsCode(() => SimulatedMemory.create({ size: size as never }), TYPE);
    throwsCode(() => SimulatedMemory.create({ size: '64 lines' }), VALUE);
    assert.equal(SimulatedMemory.create({ size: 64 }).size, 64);
  });

  it('refuses in losePower wrong and unknown options', () => {
    for (const cut of [undefined, null, 1, 'nothing']) throwsCode(() => memory.losePower(cut as never), TYPE);
    for (const keep of [undefined, 'Nothing', 'toString', '__proto__']) {
      throwsCode(() => memory.losePower({ keep } as never), VALUE);
    }
    for (const keep of [null, 1]) throwsCode(() => memory.losePower({ keep } as never), TYPE);
    throwsCode(() => memory.losePower({ keep: 'nothing', sead: 1 } as never), VALUE);
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 32])
      throwsCode(() => memory.losePower({ keep: 'random', seed }), RANGE);
    throwsCode(() => memory.losePower({ keep: 'random', seed: '1' as never }), TYPE);
  });
});

type Options = CrashOptions<number, number>;

function options(changes: object = {}): Options {
  const workload = (memory: Memory) => memory.store64(0, 1n);
  return { size: 64, workload, recover: () => 0, check: () => true, ...changes } as Options;
}

describe('exploreCrashes and exploreMutants', () => {
  const bad: [string, readonly unknown[], string][] = [
    ['size', [undefined, null, {}, 64n], TYPE],
    ['size', [0, 32, 65, -64, Number.NaN, 2 ** 60], RANGE],
    ['setup', [null, 1, 'setup', {}], TYPE],
    ['workload', [undefined, null, 1, {}], TYPE],
    ['recover', [undefined, null, 1, {}], TYPE],
    ['check', [undefined, null, 1, {}], TYPE],
    ['budget', [null, '100', 100n, {}], TYPE],
    ['budget', [0, -1, 0.5, Number.NaN, Infinity, 2 ** 53], RANGE],
    ['seed', [null, '1', 1n, {}], TYPE],
    ['seed', [-1, 0.5, Number.NaN, 2 ** 32], RANGE],
    ['recoveryDepth', [null, '1', {}], TYPE],
    ['recoveryDepth', [-1, 0.5, Number.NaN, 4], RANGE],
    ['prune', [null, 0, 'no'], TYPE],
    ['skipFrames', [null, 'lib', {}], TYPE],
    ['replay', [null, 1, {}], TYPE],
    ['bugdet', [100], VALUE],
  ];
  for (const [name, values, code] of bad) {
    it(`refuse a wrong ${name} with ${code}`, () => {
      for (const value of values) {
        throwsCode(() => exploreCrashes(options({ [name]: value })), code);
        // It takes no replay at all.
        const expected = name === 'replay' ? VALUE : code;
        throwsCode(() => exploreMutants(options({ [name]: value })), expected);
      }
    });
  }

  it('take a skipFrames of another realm', () => {
    exploreCrashes(options({ skipFrames: vm.runInNewContext('/lib/') }));
  });

  it('refuse to run without options', () => {
    for (const value of [undefined, null, 1, 'x']) throwsCode(() => exploreCrashes(value as never), TYPE);
  });

  it('refuse a budget below the number of crash points, and name the least', () => {
    const workload = (memory: Memory) => {
      for (let i = 0; i < 9; i++) memory.persist(0, 8);
    };
    throwsCode(() => exploreCrashes(options({ workload, budget: 9 })), RANGE, { message: /at least 10, one image/ });
    assert.equal(exploreCrashes(options({ workload, budget: 10 })).crashPoints, 10);
  });

  it('never make more images than the budget', () => {
    const workload = (memory: Memory) => {
      for (let i = 0; i < 5; i++) {
        memory.write(0, Buffer.alloc(1024, i + 1));
        memory.drain();
      }
    };
    const recover = (memory: Memory) => {
      if (memory.load64(0) !== 9n) memory.fill(1024, 512, 7, 'persist');
      return 0;
    };
    for (const budget of [6, 7, 20, 100, 150, 1000]) {
      const { images } = exploreCrashes(options({ size: 2048, workload, recover, budget }));
      assert(images <= budget && images >= budget * 0.8, `${images} of ${budget}`);
    }
  });

  it('check the options by and report, and take no replay', () => {
    throwsCode(() => exploreMutants({ ...options(), by: 'line' as never }), VALUE);
    for (const by of [null, 1]) throwsCode(() => exploreMutants({ ...options(), by: by as never }), TYPE);
    throwsCode(() => exploreMutants({ ...options(), report: 1 as never }), TYPE);
    throwsCode(() => exploreMutants({ ...options(), replay: '1:01234567:0:' } as never), VALUE);
  });
});

describe('exploreCrashes', () => {
  it('refuses functions that return promises, and handles their rejections', () => {
    const rejected = async () => {
      throw new Error('nobody looks at this');
    };
    for (const name of ['setup', 'workload', 'recover', 'check']) {
      throwsCode(() => exploreCrashes(options({ [name]: rejected })), 'ERR_PMEM_ASYNC', {
        message: new RegExp(`^${name} `),
      });
    }
    const workload = (_: Memory, context: CrashContext<number>) => context.operation('later', rejected) as never;
    throwsCode(() => exploreCrashes(options({ workload })), 'ERR_PMEM_ASYNC', { message: /operation 'later'/ });
  });

  it('refuses an operation within an operation', () => {
    const workload = (_: Memory, context: CrashContext<number>) =>
      context.operation('outer', () => context.operation('inner', () => {}));
    throwsCode(() => exploreCrashes(options({ workload })), 'ERR_PMEM_NESTED_OPERATION', {
      message: /'inner'.*'outer'/,
    });
  });

  it('takes an operation that throws as finished', () => {
    const workload = (_: Memory, context: CrashContext<number>) => {
      const fail = () => {
        throw new Error('of the user');
      };
      assert.throws(() => context.operation('one', fail), /of the user/);
      context.operation('two', () => {});
    };
    assert.equal(exploreCrashes(options({ workload })).operations, 2);
  });

  it('refuses an operation without a name or a function', () => {
    const run = (name: unknown, what: unknown) => () =>
      exploreCrashes(
        options({
          workload: (_: Memory, context: CrashContext<number>) => context.operation(name as string, what as () => void),
        }),
      );
    for (const name of [undefined, null, 1, {}])
      throwsCode(
        run(name, () => {}),
        TYPE,
      );
    for (const what of [undefined, null, 1, {}]) throwsCode(run('x', what), TYPE);
  });

  it('throws what setup and workload throw', () => {
    const fail = () => {
      throw new Error('of the user');
    };
    for (const name of ['setup', 'workload']) {
      assert.throws(() => exploreCrashes(options({ [name]: fail })), /^Error: of the user$/);
    }
  });

  it('takes whatever recover or check throw as a violation', () => {
    for (const thrown of [undefined, null, 'text', 7, Symbol('s'), Object.create(null), new Error('of the user')]) {
      for (const name of ['recover', 'check']) {
        const fail = () => {
          throw thrown;
        };
        throwsCode(() => exploreCrashes(options({ [name]: fail })), 'ERR_PMEM_CRASH_CONSISTENCY');
      }
    }
    throwsCode(() => exploreCrashes(options({ check: () => false })), 'ERR_PMEM_CRASH_CONSISTENCY', {
      message: /the check fails: check returned false/,
    });
  });

  it('ends memory and context with the function that got them', () => {
    const kept: Memory[] = [];
    let context: CrashContext<number> | undefined;
    const keep = (memory: Memory) => {
      kept.push(memory);
      return 0;
    };
    const workload = (memory: Memory, given: CrashContext<number>) => {
      memory.store64(0, 1n);
      context = given;
      keep(memory);
    };
    exploreCrashes(options({ setup: (memory: Memory) => void keep(memory), workload, recover: keep }));
    assert(kept.length >= 3);
    for (const memory of kept) {
      throwsCode(() => memory.load64(0), 'ERR_PMEM_CLOSED');
      throwsCode(() => memory.drain(), 'ERR_PMEM_CLOSED');
    }
    throwsCode(() => context?.operation('late', () => {}), 'ERR_PMEM_CLOSED');
    throwsCode(() => context?.acknowledge(1), 'ERR_PMEM_CLOSED');
  });
});

/** Handlers of SIGSEGV and SIGBUS that others install do not notice ours, whichever was there first. */

import assert from 'node:assert/strict';
import { type ChildResult, childValue, inChild, startChild } from '../support/child.js';
import { FAULTING, type Faulting } from '../support/faulting.js';
import { buildNative } from '../support/native.js';
import type { SignalsAddon } from '../support/signals.js';
import { onDisk } from '../support/temp.js';

const SIGBUS = 7;
const SIGSEGV = 11;
const SA_ONSTACK = 0x08000000;
const SA_NODEFER = 0x40000000;
const SA_RESETHAND = -0x80000000;

/** What a foreign handler does; `chain` calls what was there before it. */
type Mode = 'return' | 'chain' | 'repair' | 'jump';

interface Handler {
  readonly mode: Mode;
  readonly flags?: number;
  /** Without SA_SIGINFO. */
  readonly plain?: boolean;
}

interface Order {
  /** Installed before the first region is opened, as number 0. */
  readonly before?: Handler;
  /** Installed after it, as number 1. */
  readonly after?: Handler;
  /** Open another region then, which brings our own handler to the front again. */
  readonly again?: boolean;
  /** Faults outside of our mappings. */
  readonly faults?: readonly number[];
}

type Steps = [faulting: string, addon: string, path: string, installs: number[][], again: boolean, faults: number[]];

interface Observed {
  /** For each fault outside: whether a handler jumped out of it. */
  readonly jumped: boolean[];
  /** Calls of handler 0 by SIGSEGV and SIGBUS, of handler 1 likewise, wrong addresses, whether either is blocked. */
  readonly state: number[];
  /** How reads of pages that are gone ended. */
  readonly codes: string[];
  /** What Buffers read there. */
  readonly touched: number[];
}

/** Runs in the child. */
async function perform(...[faulting, file, path, installs, again, faults]: Steps): Promise<Observed> {
  const { loadAddon, openNew, readLost, truncate } = (await import(faulting)) as Faulting;
  const addon = loadAddon<SignalsAddon>(file);
  const install = ([place = 0, mode = 0, flags = 0, plain = 0]: number[]) => addon.install(place, mode, flags, plain);

  for (const one of installs.filter(([place]) => place === 0)) install(one);
  const read = openNew(`${path}read`);
  const touched = openNew(`${path}touched`);
  for (const one of installs.filter(([place]) => place === 1)) install(one);
  if (again) openNew(`${path}again`).close();

  const view = touched.view();
  truncate(`${path}read`);
  truncate(`${path}touched`);
  const codes: string[] = [];
  const seen: number[] = [];
  const jumped: boolean[] = [];
  // Our own faults before, between and after those outside: one that left its signal blocked would make the next deadly.
  const ownFaults = (round: number) => {
    codes.push(readLost(read, 32768));
    seen.push(view[8192 + 4096 * round] ?? -1);
  };
  faults.forEach((signal, round) => {
    ownFaults(round);
    jumped.push(addon.fault(signal));
  });
  ownFaults(faults.length);
  return { jumped, state: addon.state(), codes, touched: seen };
}

describe('our handler of SIGSEGV and SIGBUS', () => {
  const file = onDisk();
  let addon = '';
  before(() => {
    addon = buildNative('signals');
  });

  const MODES: readonly Mode[] = ['return', 'chain', 'repair', 'jump'];

  function run({ before, after, again = false, faults = [] }: Order): Promise<ChildResult<Observed>> {
    const installs = [before, after].flatMap((one, place) =>
      one === undefined ? [] : [[place, MODES.indexOf(one.mode), one.flags ?? 0, one.plain === true ? 1 : 0]],
    );
    return inChild(perform, [FAULTING, addon, file('signals'), installs, again, [...faults]]);
  }

  const FAULTS = [SIGSEGV, SIGBUS, SIGSEGV, SIGBUS];

  const orders: { name: string; order: Order; calls: number[]; jumped: boolean; more?: number }[] = [];
  for (const flags of [0, SA_NODEFER, SA_ONSTACK]) {
    const shown = { 0: 'no flags', [SA_NODEFER]: 'SA_NODEFER', [SA_ONSTACK]: 'SA_ONSTACK' }[flags];
    for (const mode of ['repair', 'jump'] as const) {
      const jumped = mode === 'jump';
      const last = { mode, flags };
      const chain = { mode: 'chain', flags } as const;
      orders.push({ name: `before us: ${mode}, ${shown}`, order: { before: last }, calls: [2, 2, 0, 0], jumped });
      for (const again of [false, true]) {
        const since = again ? ', with a region opened since' : '';
        orders.push(
          { name: `after us: ${mode}, ${shown}${since}`, order: { after: last, again }, calls: [0, 0, 2, 2], jumped },
          {
            name: `before us: ${mode}; after us: chain, ${shown}${since}`,
            order: { before: last, after: chain, again },
            calls: [2, 2, 2, 2],
            jumped,
            // In front of us it sees our own faults as well, until ours is put first.
            more: again ? 0 : 6,
          },
        );
      }
    }
  }
  for (const { name, order, calls, jumped, more = 0 } of orders) {
    // A handler that came after ours and does not chain keeps our own faults from us until the next region is opened.
    const oursToo = order.after === undefined || order.after.mode === 'chain' || order.again === true;
    if (!oursToo) continue;
    it(`passes each fault outside of regions to each other handler once (${name})`, async () => {
      const { code, signal, value, stderr } = await run({ ...order, faults: FAULTS });
      assert.equal(`${code} ${signal}`, '0 null', stderr);
      const state = value?.state.slice() ?? [];
      const seen = (state[3] ?? 0) - (calls[3] ?? 0);
      assert(seen >= 0 && seen <= more, `${seen} of our own faults`);
      state[3] = calls[3] ?? 0;
      assert.deepEqual(state, [...calls, 0, 0], 'calls, wrong addresses, blocked');
      assert.deepEqual(value?.jumped, Array(4).fill(jumped));
      assert.deepEqual(value?.codes, Array(5).fill('ERR_PMEM_TRUNCATED'));
      assert.deepEqual(value?.touched, Array(5).fill(0));
    });
  }

  it('passes faults to a handler without SA_SIGINFO as well', async () => {
    const { value, stderr } = await run({ before: { mode: 'repair', plain: true }, faults: [] });
    assert.deepEqual(value?.state, [0, 0, 0, 0, 0, 0], stderr);
    const jumping = await run({ before: { mode: 'jump', plain: true }, faults: [SIGSEGV] });
    assert.deepEqual(jumping.value?.jumped, [true], jumping.stderr);
  });

  for (const [name, number] of [
    ['SIGSEGV', SIGSEGV],
    ['SIGBUS', SIGBUS],
  ] as const) {
    it(`lets a wild pointer die of ${name}`, async () => {
      const { signal, stdout } = await run({ faults: [number] });
      assert.equal(signal, name);
      assert.equal(stdout, '');
    });

    it(`lets a wild pointer die of ${name} after a handler with SA_RESETHAND`, async () => {
      const { signal, code } = await run({ before: { mode: 'return', flags: SA_RESETHAND }, faults: [number] });
      assert.equal(signal, name, `ended with code ${code}: the handler was called again and again`);
    });

    it(`lets a wild pointer die of ${name} where a later handler chains`, async () => {
      for (const again of [false, true]) {
        const { signal } = await run({ after: { mode: 'chain' }, again, faults: [number] });
        assert.equal(signal, name);
      }
    });

    it(`lets ${name} from outside kill the process`, async () => {
      const child = startChild(
        async (path: string) => {
          const { Region } = await import('pmem');
          Region.open(path, { create: true, size: 4096 });
          process.stdout.write('ready\n');
          process.stdin.resume();
        },
        [file('outside')],
      );
      assert.equal(await child.line(), 'ready');
      child.kill(name);
      assert.equal((await child.ended).signal, name);
    });
  }

  it('lets SIGBUS from outside reach a listener of process, added before or after the region', async () => {
    for (const early of [true, false]) {
      const child = startChild(
        async (path: string, first: boolean) => {
          const { Region } = await import('pmem');
          const listen = () =>
            process.on('SIGBUS', () => {
              process.stdout.write('signalled\n');
              process.exit(0);
            });
          if (first) listen();
          Region.open(path, { create: true, size: 4096 });
          if (!first) listen();
          process.stdout.write('ready\n');
          process.stdin.resume();
        },
        [file('listener'), early],
      );
      assert.equal(await child.line(), 'ready');
      child.kill('SIGBUS');
      assert.equal(await child.line(), 'signalled');
      assert.equal((await child.ended).code, 0);
    }
  });

  it('lets WebAssembly trap accesses out of bounds', async () => {
    const traps = await childValue(
      async (path: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        // (module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))
        const bytes = Buffer.from(
          '0061736d0100000001060160017f017f030201000503010001070501016600000a0901070020002802000b',
          'hex',
        );
        const { WebAssembly } = globalThis as unknown as {
          WebAssembly: { instantiate(bytes: Buffer): Promise<{ instance: { exports: { f: typeof Math.abs } } }> };
        };
        const load = (await WebAssembly.instantiate(bytes)).instance.exports.f;
        const region = Region.open(path, { create: true, size: 65536, assumePersistent: true });
        truncateSync(path, 4096);
        const seen: string[] = [];
        for (let round = 0; round < 3; round++) {
          for (const call of [() => load(0x7fff_0000), () => region.read(8192, Buffer.alloc(8))]) {
            try {
              call();
              seen.push('nothing');
            } catch (error) {
              seen.push((error as NodeJS.ErrnoException).code ?? (error as Error).constructor.name);
            }
          }
          seen.push(String(load(0)));
        }
        return seen;
      },
      [file('wasm')],
    );
    const round = ['RuntimeError', 'ERR_PMEM_TRUNCATED', '0'];
    assert.deepEqual(traps, [...round, ...round, ...round]);
  });
});

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import { type CrashOptions, exploreCrashes, SimulatedMemory } from 'pmem/testing';
import { AppendOnlyLog } from '../../examples/append-only-log.js';
import { runExample } from '../support/examples.js';
import { onDisk } from '../support/temp.js';

const LATER = 'later';

/** Lengths around a word and around a cache line, and one that is longer than what comes after it. */
const TEXTS = ['a', 'eight ch', 'a line of 64 bytes and more '.repeat(4), 'short', 'x'.repeat(56), 'last'];

function exploration(appended: readonly string[]): CrashOptions<string[], string> {
  return {
    size: 1024,
    workload(memory, context) {
      const log = new AppendOnlyLog(memory);
      for (const text of appended) context.operation(`append ${text}`, () => log.append(Buffer.from(text)), text);
    },
    recover(memory) {
      const log = new AppendOnlyLog(memory);
      const found = log.entries.map(String);
      log.append(Buffer.from(LATER)); // work goes on: its crashes are explored, too
      return found;
    },
    check(found, { finished, running, duringRecovery }) {
      const entries = found.filter((text) => text !== LATER);
      assert(found.length - entries.length <= duringRecovery);
      const before = finished.map(({ detail }) => detail);
      const after = running === undefined ? before : [...before, running.detail];
      assert(
        [before, after].some((state) => JSON.stringify(state) === JSON.stringify(entries)),
        `found ${entries}`,
      );
    },
  };
}

/** Passes everything on, but for `write`, which drains nothing. */
function withoutDurableWrites(memory: Memory): Memory {
  return new Proxy(memory, {
    get(target, name) {
      if (name === 'write') return (offset: number, source: Uint8Array) => target.write(offset, source);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('examples/append-only-log.js', () => {
  const file = onDisk();

  it('prints what earlier runs appended', () => {
    const path = file('log');
    assert.equal(runExample('append-only-log.js', [path, 'one', 'two']), '');
    assert.equal(runExample('append-only-log.js', [path, 'three']), 'one\ntwo\n');
    assert.equal(runExample('append-only-log.js', [path]), 'one\ntwo\nthree\n');
  });

  it('survives power cuts at every append, and in the appends after recovery', () => {
    const { duringRecovery, crashPoints } = exploreCrashes(exploration(TEXTS));
    assert(crashPoints >= TEXTS.length);
    assert(duringRecovery > 0);
  });

  it('fails the exploration if an append is not durable', () => {
    const good = exploration(TEXTS);
    const broken = {
      ...good,
      workload: (...[memory, context]: Parameters<typeof good.workload>) => {
        good.workload(withoutDurableWrites(memory), context);
      },
    };
    assert.throws(() => exploreCrashes(broken), { code: 'ERR_PMEM_CRASH_CONSISTENCY' });
  });

  it('refuses a record that does not fit, and one that is empty or too long', () => {
    const log = new AppendOnlyLog(SimulatedMemory.create({ size: 64 }));
    assert.throws(() => log.append(Buffer.alloc(0)), RangeError);
    assert.throws(() => log.append(Buffer.alloc(4097)), RangeError);
    log.append(Buffer.alloc(56, 'x'));
    assert.throws(() => log.append(Buffer.from('y')), /full/);
  });

  it('ends at a record whose length or payload was damaged', () => {
    for (const at of [16, 20, 24]) {
      const memory = SimulatedMemory.create({ size: 128 });
      const log = new AppendOnlyLog(memory);
      for (const text of ['one', 'two', 'three']) log.append(Buffer.from(text));
      memory.write(at, Buffer.of(0xff));
      assert.deepEqual(new AppendOnlyLog(memory).entries.map(String), ['one']);
    }
  });
});

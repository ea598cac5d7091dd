/** Programs with the structures, as options of exploreCrashes. */

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { CrashOptions } from 'pmem/testing';
import { AppendLog, type Flaw as LogFlaw } from './structures/append-log.js';
import { type Pair, type Flaw as PairFlaw, UndoPair } from './structures/undo-pair.js';

const TEXTS = ['one', 'a text that goes on into the second line, and that is not all of it', 'three'];

/** Appends. Expects all appended entries, with or without the one under way. */
export function appends(flaw?: LogFlaw): CrashOptions<string[], string> {
  return {
    size: 1024,
    workload(memory, context) {
      const log = new AppendLog(memory, flaw);
      for (const text of TEXTS) context.operation(`append ${text.slice(0, 5)}`, () => log.append(text), text);
    },
    recover: (memory) => new AppendLog(memory, flaw).entries(),
    check(entries, { finished, running }) {
      const before = finished.map(({ detail }) => detail);
      if (running !== undefined && isDeepStrictEqual(entries, [...before, running.detail])) return;
      assert.deepEqual(entries, before);
    },
  };
}

/**
 * Recovery takes `steps` durable steps of two lines each. In one of them a marker can arrive before its data. Only the next recovery sees
 * that.
 */
export function longRecovery(steps: number, flawed: number | undefined): CrashOptions<boolean, never> {
  const data = 128 * (steps + 1);
  const marker = data + 64;
  return {
    size: marker + 64,
    workload(memory) {
      memory.store64(0, 1n);
      memory.persist(0, 8);
    },
    recover(memory) {
      const isSound = memory.load64(marker) === 0n || memory.load64(data) !== 0n;
      for (let step = 0; step < steps; step++) {
        const line = 128 * (step + 1);
        memory.store64(line, 1n);
        memory.store64(line + 64, 1n);
        memory.persist(line, 128);
        if (step !== (flawed ?? steps - 1)) continue;
        memory.store64(data, 1n);
        if (flawed === undefined) memory.persist(data, 8);
        memory.store64(marker, 1n);
        memory.persist(data, 128);
      }
      return isSound;
    },
    check: (isSound) => isSound,
  };
}

const START: Pair = [50n, 50n];
const PAIRS: readonly Pair[] = [
  [10n, 90n],
  [20n, 80n],
];
/** Recovery's next update. Crashes in it show whether the recovered state is usable. */
const NEXT: Pair = [30n, 70n];

/** Updates. Expects the pair before or after the update under way. Recovery goes on to work. */
export function updates(flaw?: PairFlaw): CrashOptions<Pair, Pair> {
  return {
    size: 512,
    setup(memory) {
      memory.store64(64, START[0]);
      memory.store64(128, START[1]);
    },
    workload(memory, context) {
      const pair = new UndoPair(memory);
      for (const next of PAIRS) context.operation(`set ${next.join(' and ')}`, () => pair.set(next), next);
    },
    recover(memory) {
      const pair = new UndoPair(memory, flaw);
      const found = pair.get();
      pair.set(NEXT);
      return found;
    },
    check(found, { finished, running, duringRecovery }, memory) {
      const allowed: (Pair | undefined)[] = [finished.at(-1)?.detail ?? START, running?.detail];
      if (duringRecovery > 0) allowed.push(NEXT);
      assert(
        allowed.some((one) => isDeepStrictEqual(one, found)),
        `found ${found.join(' and ')}`,
      );
      assert.deepEqual(new UndoPair(memory).get(), NEXT);
    },
  };
}

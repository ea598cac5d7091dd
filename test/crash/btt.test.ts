/** The whole crash exploration of the BTT: `npm run test:crash`. */

import assert from 'node:assert/strict';
import { type CrashStatistics, exploreCrashes, exploreMutants } from 'pmem/testing';
import { exploration } from '../support/btt-crash.js';
import { DAMAGES, FORMATTING, repairing, rewriting } from '../support/btt-upkeep.js';
import { NEEDING_EVERYTHING, randomWorkload, WORKLOADS } from '../support/btt-workloads.js';

/** What all of it must come to. */
const DISTINCT = 200_000;

describe('A BTT under power cuts', () => {
  let [images, distinct, inRecovery] = [0, 0, 0];

  function count(statistics: CrashStatistics): void {
    images += statistics.images;
    distinct += statistics.distinct;
    inRecovery += statistics.duringRecovery;
  }

  for (const [name, workload] of Object.entries(WORKLOADS)) {
    it(`survives ${name}`, () => {
      count(exploreCrashes({ ...exploration(workload), budget: 20_000, seed: 1 }));
    });
  }

  for (const sectorSize of [512, 4096] as const) {
    for (let seed = 0; seed < 12; seed++) {
      it(`survives random operations with seed ${seed}, ${sectorSize} B`, () => {
        count(exploreCrashes({ ...exploration(randomWorkload(sectorSize, seed, 20)), budget: 12_000, seed }));
      });
    }
  }

  it('survives recovery that is interrupted twice', () => {
    const workload = WORKLOADS['recovery that goes on writing, 512 B'];
    assert.ok(workload !== undefined);
    count(exploreCrashes({ ...exploration(workload), budget: 20_000, recoveryDepth: 2 }));
  });

  it('survives formatting', () => {
    count(exploreCrashes({ ...FORMATTING, budget: 20_000 }));
  });

  for (const second of [1, 2] as const) {
    it(`survives the rewriting of a flog in slots 0 and ${second}`, () => {
      count(exploreCrashes({ ...rewriting(second), budget: 10_000 }));
    });
  }

  for (const [name, damage] of Object.entries(DAMAGES)) {
    it(`survives the repair of ${name}`, () => {
      count(exploreCrashes({ ...repairing(damage), budget: 10_000 }));
    });
  }

  it(`was explored in ${DISTINCT} distinct images or more`, () => {
    console.log(`      ${images} images, ${distinct} of them distinct, ${inRecovery} of crashes during recovery`);
    assert.ok(distinct >= DISTINCT, `${distinct}`);
  });

  it('needs each of its flushes and drains', () => {
    const killed = new Set<string>();
    const survived = new Set<string>();
    const programs = [
      ...NEEDING_EVERYTHING.map((name) => exploration(WORKLOADS[name] as (typeof WORKLOADS)[string])),
      FORMATTING,
      ...Object.values(DAMAGES).map(repairing),
      rewriting(2),
    ];
    for (const program of programs) {
      const report = exploreMutants({ ...(program as typeof FORMATTING), budget: 5000, report: true });
      for (const { omitted, source } of report.killed) killed.add(`${omitted} at ${source}`);
      for (const { omitted, source } of report.survivors) survived.add(`${omitted} at ${source}`);
    }
    assert.deepEqual(
      [...survived].filter((one) => !killed.has(one)),
      [],
    );
    console.log(`      ${killed.size} mutants killed`);
  });
});

/** A share of the crash exploration that fits into every test run; all of it: npm run test:crash. */

import assert from 'node:assert/strict';
import { exploreCrashes, exploreMutants } from 'pmem/testing';
import { brokenBtt, FAULTS } from '../../support/btt-broken.js';
import { exploration } from '../../support/btt-crash.js';
import { DAMAGES, FORMATTING, repairing, rewriting } from '../../support/btt-upkeep.js';
import { NEEDING_EVERYTHING, randomWorkload, WORKLOADS } from '../../support/btt-workloads.js';
import { throwsCode } from '../../support/errors.js';

describe('A BTT under power cuts, in the share of npm test,', () => {
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    it(`survives ${name}`, () => {
      exploreCrashes({ ...exploration(workload), budget: 600, seed: 20 });
    });
  }

  for (const sectorSize of [512, 4096] as const) {
    it(`survives random operations, ${sectorSize} B`, () => {
      exploreCrashes({ ...exploration(randomWorkload(sectorSize, 7)), budget: 600, seed: 21 });
    });
  }

  for (const fault of FAULTS) {
    it(`is found to be broken where it stores in a wrong order (${fault})`, () => {
      const workload = WORKLOADS['first writes and overwrites, 512 B'];
      assert.ok(workload !== undefined);
      const options = exploration(workload, (memory) => brokenBtt(memory, fault));
      throwsCode(() => exploreCrashes({ ...options, budget: 3000 }), 'ERR_PMEM_CRASH_CONSISTENCY');
    });
  }

  it('needs each of its flushes and drains', () => {
    const killed = new Set<string>();
    const survived = new Set<string>();
    for (const name of NEEDING_EVERYTHING) {
      const workload = WORKLOADS[name];
      assert.ok(workload !== undefined);
      const report = exploreMutants({ ...exploration(workload), budget: 700, report: true });
      for (const { omitted, source } of report.killed) killed.add(`${omitted} at ${source}`);
      for (const { omitted, source } of report.survivors) survived.add(`${omitted} at ${source}`);
    }
    assert.deepEqual(
      [...survived].filter((one) => !killed.has(one)),
      [],
    );
    assert.ok(killed.size >= 10, [...killed].join('\n'));
    for (const one of killed) assert.match(one, /lib\/block\/btt\//);
  });

  it('survives formatting', () => {
    exploreCrashes({ ...FORMATTING, budget: 500 });
  });

  for (const second of [1, 2] as const) {
    it(`survives the rewriting of a flog in slots 0 and ${second}`, () => {
      exploreCrashes({ ...rewriting(second), budget: 500 });
    });
  }

  for (const [name, damage] of Object.entries(DAMAGES)) {
    it(`survives the repair of ${name}`, () => {
      exploreCrashes({ ...repairing(damage), budget: 500 });
    });
  }
});

/**
 * Mocha's reporter `spec`, which also appends the line `{"passed":N,"failed":N,"skipped":N}` to the file that the environment variable
 * PMEM_TEST_RESULTS names, so that several runs can be added up.
 */

import { appendFileSync } from 'node:fs';
import Mocha, { type MochaOptions, type Runner } from 'mocha';

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Runner, options?: MochaOptions) {
    super(runner, options);
    const file = process.env['PMEM_TEST_RESULTS'];
    if (file === undefined || file === '') return;
    // Failed hooks count: because of them tests did not run.
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const { EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_TEST_PENDING, EVENT_RUN_END } = Mocha.Runner.constants;
    runner.on(EVENT_TEST_PASS, () => {
      counts.passed++;
    });
    runner.on(EVENT_TEST_FAIL, () => {
      counts.failed++;
    });
    runner.on(EVENT_TEST_PENDING, () => {
      counts.skipped++;
    });
    runner.once(EVENT_RUN_END, () => appendFileSync(file, `${JSON.stringify(counts)}\n`));
  }
}

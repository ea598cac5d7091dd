/** Scripts that are ended at whatever point they have come to. */

import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { codeOf } from './errors.js';

/**
 * Calls the function again and again until the script that does so is ended, after some ms: between any two steps of it, and with no
 * `catch` or `finally` being run. Where that is differs each time; what is asserted afterwards must hold wherever it was.
 */
export function endInside(call: () => unknown, ms = 2): void {
  const run = (): unknown => runInNewContext('for (;;) call()', { call }, { timeout: ms });
  assert.equal(codeOf(run), 'ERR_SCRIPT_EXECUTION_TIMEOUT');
}

/** Protection keys, which QEMU's CPU has whatever this machine's has: V8 keeps its code behind one where it can. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { childValue } from '../../support/child.js';
import { FAULTING } from '../../support/faulting.js';
import { buildNative } from '../../support/native.js';
import { faultWithKey } from '../../support/protection-key.js';
import { small } from '../machines.js';
import { place } from '../places.js';

export const machines = [small];

describe('The protection keys of a thread', () => {
  it('are the same before and after a fault in a guarded copy', async () => {
    const seen = await childValue(faultWithKey, [FAULTING, buildNative('faults'), join(place('ext4').path, 'keys')]);
    assert.notEqual(seen, null, 'this CPU has no keys');
    assert.deepEqual(seen, { code: 'ERR_PMEM_TRUNCATED', before: seen?.before, after: seen?.before, touched: 7 });
  });
});

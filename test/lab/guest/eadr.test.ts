/** A platform that flushes the CPU caches on power failure (eADR). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, Region } from 'pmem';
import { eadr } from '../machines.js';
import { place } from '../places.js';

export const machines = [eadr];

describe('A platform with eADR', () => {
  for (const name of ['ext4', 'dax-2m']) {
    it(`needs only a fence for a store into ${name}`, () => {
      const { path } = place(name);
      const options = name === 'ext4' ? { create: true, size: 4096 } : {};
      using region = Region.open(name === 'ext4' ? join(path, 'eadr') : path, { ...options, granularity: 'byte' });
      assert.equal(region.durability.granularity, 'byte');
      assert.match(region.durability.reason, /eADR/);
      assert.equal(explain(region.path).persistenceDomain, 'cpu_cache');
      region.write(0, Buffer.from('durable at once'), 'persist');
      using second = Region.open(region.path, { readOnly: true, shared: true });
      assert.equal(second.view(0, 15).toString(), 'durable at once');
    });
  }

  it('has no deep flush, as the kernel says too', () => {
    using region = Region.open(place('dax-2m').path);
    region.write(0, Buffer.from('deep'), 'persist');
    assert.equal(readFileSync('/sys/bus/nd/devices/region0/deep_flush', 'utf8').trim(), '0');
    assert.equal(region.deepFlush(), 'unavailable');
  });
});

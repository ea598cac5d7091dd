/** On a kernel whose tmpfs takes back what an interrupted fallocate has (before Linux 6.9), and files that get their name last on DAX. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { buildRefusingShim } from '../../support/refusing-shim.js';
import { small } from '../machines.js';
import { place } from '../places.js';

export const machines = [small];

const MIB = 2 ** 20;
const DIRECTORY = '/pmem-interrupts';

describe('Region.open under a constant stream of signals', () => {
  before(() => {
    mkdirSync(DIRECTORY);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300m', 'none', DIRECTORY]);
    buildRefusingShim(join(DIRECTORY, 'shim.so'));
  });
  after(() => execFileSync('umount', ['-l', DIRECTORY]));

  it('allocates a file on tmpfs', async () => {
    const path = join(DIRECTORY, 'file');
    const size = await childValue(
      async (target: string) => {
        const { Region } = await import('pmem');
        const region = Region.open(target, { create: true, size: '192MiB', assumePersistent: true });
        const { size } = region;
        region.close();
        return size;
      },
      [path],
      { env: { LD_PRELOAD: join(DIRECTORY, 'shim.so'), SHIM_TIMER: '2000' } },
    );
    assert.equal(size, 192 * MIB);
    assert(statSync(path).blocks * 512 >= size);
  });
});

for (const name of ['ext4'] as const) {
  it(`maps a new file on ${name} with MAP_SYNC, and leaves no other file`, () => {
    const directory = join(place(name).path, 'made');
    mkdirSync(directory);
    const region = Region.open(join(directory, 'file'), { create: true, exclusive: true, size: 4 * MIB });
    assert.deepEqual(
      { granularity: region.durability.granularity, mapSync: region.durability.mapSync },
      { granularity: 'cache-line', mapSync: true },
    );
    region.write(0, Buffer.from('here'), 'persist');
    region.close();
    assert.deepEqual(readdirSync(directory), ['file']);
    assert.equal(statSync(join(directory, 'file')).mode & 0o777, 0o600);
  });
}

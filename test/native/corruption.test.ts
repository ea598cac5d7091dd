/** The kernel's reports of corrupt memory that no thread touched (SIGBUS with BUS_MCEERR_AO), which interrupt anything. */

import assert from 'node:assert/strict';
import { type ChildResult, inChild } from '../support/child.js';
import { FAULTING, type Faulting } from '../support/faulting.js';
import { buildNative } from '../support/native.js';
import type { SignalsAddon } from '../support/signals.js';
import { onDisk } from '../support/temp.js';

type Handler = 'none' | 'returning' | 'ignoring';

interface Outcome {
  /** How a guarded fault ended after the report. */
  readonly after: string;
  readonly state: number[];
}

/** Runs in the child. */
async function reportElsewhere(faulting: string, file: string, path: string, handler: Handler): Promise<Outcome> {
  const { loadAddon, openNew, readLost, truncate } = (await import(faulting)) as Faulting;
  const addon = loadAddon<SignalsAddon>(file);
  if (handler === 'returning') addon.install(0, 0, 0, 0);
  if (handler === 'ignoring') addon.ignore();
  const region = openNew(path);
  addon.announce();
  truncate(path);
  return { after: readLost(region), state: addon.state() };
}

describe('a report of corrupt memory', () => {
  const file = onDisk();
  let addon = '';
  before(() => {
    addon = buildNative('signals');
  });

  const run = (handler: Handler): Promise<ChildResult<Outcome>> =>
    inChild(reportElsewhere, [FAULTING, addon, file(handler), handler]);

  it('outside of all regions kills the process, as without this package', async () => {
    const { signal } = await run('none');
    assert.equal(signal, 'SIGBUS');
  });

  it('outside of all regions goes to the handler that was there before, and guarded reads still fail with a code', async () => {
    const { value, stderr } = await run('returning');
    assert.equal(value?.after, 'ERR_PMEM_TRUNCATED', stderr);
    assert.equal(value.state[1], 1, 'calls of the handler');
  });

  it('outside of all regions is ignored where SIGBUS is ignored, and guarded reads still fail with a code', async () => {
    const { value, stderr } = await run('ignoring');
    assert.equal(value?.after, 'ERR_PMEM_TRUNCATED', stderr);
  });

  it('in a region on the page cache makes every later call throw ERR_PMEM_MEDIA: what was stored there is gone', async () => {
    const { value, stderr } = await inChild(
      async (faulting: string, path: string, binary: string) => {
        const { loadAddon } = (await import(faulting)) as Faulting;
        const { Region } = await import('pmem');
        const signals = loadAddon<SignalsAddon>(binary);
        const region = Region.open(path, { create: true, size: 65536 });
        region.write(0, Buffer.from('before'));
        signals.announce(region.view(), 8192);
        return [() => region.persist(0, 8), () => region.read(0, Buffer.alloc(8))].map((call) => {
          try {
            call();
            return 'done';
          } catch (error) {
            const { code, offset } = error as { code: string; offset: number };
            return `${code} at ${offset}`;
          }
        });
      },
      [FAULTING, file('cache'), addon],
    );
    assert.deepEqual(value, ['ERR_PMEM_MEDIA at 8192', 'ERR_PMEM_MEDIA at 8192'], stderr);
  });
});

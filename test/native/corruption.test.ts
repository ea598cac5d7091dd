/** News from the kernel of memory that turned out corrupt (SIGBUS with BUS_MCEERR_AO), which interrupts anything. */

import assert from 'node:assert/strict';
import { inChild } from '../support/child.js';
import { buildNative } from '../support/native.js';
import type { SignalsAddon } from '../support/signals.js';
import { onDisk } from '../support/temp.js';

type Handler = 'none' | 'returning' | 'ignoring';

interface Outcome {
  /** How a read of a page that is gone ended after the news: our handler is still there. */
  readonly after: string | undefined;
  readonly state: number[];
}

/** In a child: news of memory that is not ours. */
async function foreignNews(file: string, path: string, handler: Handler): Promise<Outcome> {
  const { createRequire } = await import('node:module');
  const { truncateSync } = await import('node:fs');
  const { Region } = await import('pmem');
  const addon = createRequire('/')(file) as SignalsAddon;
  if (handler === 'returning') addon.install(0, 0, 0, 0);
  if (handler === 'ignoring') addon.ignore();
  const region = Region.open(path, { create: true, size: 65536 });
  addon.announce();
  truncateSync(path, 4096);
  let after: string | undefined;
  try {
    region.read(8192, Buffer.alloc(8));
  } catch (error) {
    after = (error as NodeJS.ErrnoException).code;
  }
  return { after, state: addon.state() };
}

describe('news of corrupt memory', () => {
  const file = onDisk();
  let addon = '';
  before(() => {
    addon = buildNative('signals');
  });

  it('that is not ours ends the process, as it would without us', async () => {
    const { signal } = await inChild(foreignNews, [addon, file('none'), 'none' as Handler]);
    assert.equal(signal, 'SIGBUS');
  });

  it('that is not ours goes to the handler that was there, and ours stays', async () => {
    const { value, stderr } = await inChild(foreignNews, [addon, file('returning'), 'returning' as Handler]);
    assert.equal(value?.after, 'ERR_PMEM_TRUNCATED', stderr);
    assert.equal(value.state[1], 1, 'calls of the handler');
  });

  it('that is not ours is ignored by who ignores the signal, and our handler stays', async () => {
    const { value, stderr } = await inChild(foreignNews, [addon, file('ignoring'), 'ignoring' as Handler]);
    assert.equal(value?.after, 'ERR_PMEM_TRUNCATED', stderr);
  });

  it('in a region on the page cache: what was stored there is gone, and every call says so', async () => {
    const { value, stderr } = await inChild(
      async (path: string, binary: string) => {
        const { createRequire } = await import('node:module');
        const { Region } = await import('pmem');
        const signals = createRequire('/')(binary) as SignalsAddon;
        const region = Region.open(path, { create: true, size: 65536 });
        region.write(0, Buffer.from('before'));
        signals.announce(region.view(), 8192);
        const codes: string[] = [];
        for (const call of [() => region.persist(0, 8), () => region.read(0, Buffer.alloc(8))]) {
          try {
            call();
          } catch (error) {
            const { code, offset } = error as { code: string; offset: number };
            codes.push(`${code} at ${offset}`);
          }
        }
        return codes;
      },
      [file('cache'), addon],
    );
    assert.deepEqual(value, ['ERR_PMEM_MEDIA at 8192', 'ERR_PMEM_MEDIA at 8192'], stderr);
  });
});

/** What every BlockDevice must do, as tests that its author runs. */

import { wrongType } from '../../errors.js';
import { dataTests } from './data.js';
import { lifeTests } from './life.js';
import { refusalTests } from './refusals.js';
import type { BlockDeviceSetup, DeclareTest, SuiteRunner } from './setup.js';
import { storageTests } from './storage.js';

export type { BlockDeviceMedia, BlockDeviceSetup, SuiteRunner } from './setup.js';

function checkedRunner(runner: SuiteRunner | undefined): SuiteRunner {
  const { describe, it } = runner ?? (globalThis as Partial<SuiteRunner>);
  if (typeof describe === 'function' && typeof it === 'function') return { describe, it };
  throw wrongType('runner', 'the { describe, it } of your test runner, as there are no global ones', runner);
}

/**
 * Declares the tests that every `BlockDevice` passes: data, bounds, wrong arguments, read-only and closed devices,
 * and, by what `supports` says, discarding, zeroes and direct access.
 *
 * ```ts
 * blockDeviceSuite('my disk', {
 *   supports: { fua: true, discard: false, discardZeroes: false, writeZeroes: true, directAccess: false, atomicSectors: true },
 *   create: () => {
 *     const media = makeMedia('1MiB');
 *     return { open: ({ readOnly }) => MyDisk.open(media, { readOnly }), release: () => media.remove() };
 *   },
 * });
 * ```
 *
 * @param runner default: the global `describe` and `it`
 */
export function blockDeviceSuite(name: string, setup: BlockDeviceSetup, runner?: SuiteRunner): void {
  if (typeof name !== 'string') throw wrongType('name', 'a string', name);
  if (typeof setup?.create !== 'function' || typeof setup.supports !== 'object' || setup.supports === null) {
    throw wrongType('setup', '{ supports, create }', setup);
  }
  const { describe, it } = checkedRunner(runner);
  const declare: DeclareTest = (title, run) => {
    it(title, async () => {
      const media = await setup.create();
      try {
        await run(media);
      } finally {
        await media.release?.();
      }
    });
  };
  describe(`${name}: a block device`, () => {
    describe('data', () => dataTests(declare, setup.supports));
    describe('storage', () => storageTests(declare, setup.supports));
    describe('refusals', () => refusalTests(declare));
    describe('life', () => lifeTests(declare, setup.supports));
  });
}

/** The conformance tests of block devices, for their authors to run. */

import { wrongType } from '../../errors.js';
import { ownOptions } from '../../options.js';
import { dataTests } from './data.js';
import { lifeTests } from './life.js';
import { refusalTests } from './refusals.js';
import type { BlockDeviceSetup, DeclareTest, SuiteRunner } from './setup.js';
import { storageTests } from './storage.js';

function checkedRunner(runner: SuiteRunner | undefined): SuiteRunner {
  const { describe, it } = runner ?? (globalThis as Partial<SuiteRunner>);
  if (typeof describe === 'function' && typeof it === 'function') return { describe, it };
  throw wrongType('runner', 'the { describe, it } of your test runner, as there are no global ones', runner);
}

function checkedSetup(setup: BlockDeviceSetup): BlockDeviceSetup {
  const { supports, create } = ownOptions(setup, ['supports', 'create'], 'setup');
  if (typeof supports !== 'object' || supports === null) throw wrongType('setup.supports', 'an object', supports);
  if (typeof create !== 'function') throw wrongType('setup.create', 'a function', create);
  return { supports, create };
}

/**
 * Declares the tests that every `BlockDevice` must pass: data, bounds, wrong arguments, durability, read-only and closed devices, and
 * what `supports` names of discarding, zeroes and direct access.
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
 * @param name of the device, with which the titles of the tests begin
 * @param runner default: the global `describe` and `it`
 * @throws TypeError with a code for wrong arguments, and without a runner
 */
export function blockDeviceSuite(name: string, setup: BlockDeviceSetup, runner?: SuiteRunner): void {
  if (typeof name !== 'string') throw wrongType('name', 'a string', name);
  const { supports, create } = checkedSetup(setup);
  const { describe, it } = checkedRunner(runner);
  const declare: DeclareTest = (title, run) => {
    it(title, async () => {
      const media = await create();
      try {
        await run(media);
      } finally {
        await media.release?.();
      }
    });
  };
  describe(name, () => {
    dataTests(declare, supports);
    storageTests(declare, supports);
    refusalTests(declare);
    lifeTests(declare, supports);
  });
}

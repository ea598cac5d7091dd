/** Two copies of the package in one process, because a dependency brings its own: signals do what they do without either. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { childValue, inChild, startChild } from '../support/child.js';
import { buildNative } from '../support/native.js';
import { ROOT } from '../support/paths.js';
import type { SignalsAddon } from '../support/signals.js';
import { onDisk } from '../support/temp.js';

type Package = typeof import('pmem');

describe('two copies of the addon in one process', () => {
  const file = onDisk();
  let signals = '';
  /** The other copy's URL. */
  let copy = '';

  before(function () {
    this.timeout(60_000);
    signals = buildNative('signals');
    const home = file('copy');
    mkdirSync(home);
    for (const name of ['package.json', 'dist', join('build', 'Release', 'pmem.node')]) {
      cpSync(join(ROOT, name), join(home, name), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
    copy = pathToFileURL(join(home, 'dist', 'index.js')).href;
  });

  for (const signal of ['SIGSEGV', 'SIGBUS'] as const) {
    for (const listens of ['never', 'before the first region', 'after the last region'] as const) {
      it(`let ${signal} from outside kill the process (listener: ${listens})`, async () => {
        const child = startChild(
          async (path: string, other: string, name: 'SIGSEGV' | 'SIGBUS', when: string) => {
            const { Region } = await import('pmem');
            const { Region: OtherRegion } = (await import(other)) as Package;
            const listen = () =>
              process.once(name, () => {
                process.stdout.write('signalled\n');
              });
            if (when === 'before the first region') listen();
            for (const [i, Class] of [Region, OtherRegion, Region, OtherRegion].entries()) {
              Class.open(`${path}-${i}`, { create: true, size: 4096 });
            }
            if (when === 'after the last region') listen();
            process.stdout.write('ready\n');
            process.stdin.resume();
          },
          [file('outside'), copy, signal, listens],
        );
        assert.equal(await child.line(), 'ready');
        if (listens !== 'never') {
          child.kill(signal);
          assert.equal(await child.line(), 'signalled');
        }
        child.kill(signal);
        assert.equal((await child.ended).signal, signal);
      });
    }

    it(`let a wild pointer die of ${signal}, with and without a listener`, async () => {
      for (const listens of [false, true]) {
        const { signal: seen } = await inChild(
          async (path: string, other: string, addon: string, name: 'SIGSEGV' | 'SIGBUS', listening: boolean) => {
            const { createRequire } = await import('node:module');
            const { Region } = await import('pmem');
            const { Region: OtherRegion } = (await import(other)) as Package;
            Region.open(path, { create: true, size: 4096 });
            OtherRegion.open(`${path}-other`, { create: true, size: 4096 });
            if (listening) process.on(name, () => {});
            (createRequire('/')(addon) as SignalsAddon).fault(name === 'SIGBUS' ? 7 : 11);
          },
          [file('wild'), copy, signals, signal, listens],
        );
        assert.equal(seen, signal);
      }
    });
  }

  it('each turn faults in their own memory into errors, whichever opened a region last', async () => {
    const seen = await childValue(
      async (path: string, other: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const { Region: OtherRegion } = (await import(other)) as Package;
        const codes: string[] = [];
        const touched: (number | undefined)[] = [];
        for (const order of [
          [Region, OtherRegion],
          [OtherRegion, Region],
        ]) {
          const regions = order.map((Class, i) => {
            const region = Class.open(`${path}-${i}`, {
              create: true,
              size: 65536,
              assumePersistent: true,
              shared: true,
            });
            return { region, view: region.view() };
          });
          for (const [i] of regions.entries()) truncateSync(`${path}-${i}`, 4096);
          for (const { region } of regions) {
            try {
              region.read(8192, Buffer.alloc(8));
            } catch (error) {
              codes.push((error as { code: string }).code);
            }
          }
          for (const { view } of regions) touched.push(view[8192]);
          for (const [i] of regions.entries()) truncateSync(`${path}-${i}`, 65536);
        }
        return { codes, touched };
      },
      [file('own'), copy],
    );
    assert.deepEqual(seen, { codes: Array(4).fill('ERR_PMEM_TRUNCATED'), touched: Array(4).fill(0) });
  });

  it('let listeners come and go without a change to faults', async () => {
    const seen = await childValue(
      async (path: string, other: string) => {
        const { truncateSync } = await import('node:fs');
        const { Region } = await import('pmem');
        const { Region: OtherRegion } = (await import(other)) as Package;
        const open = (Class: typeof Region, name: string) =>
          Class.open(`${path}-${name}`, { create: true, size: 65536, assumePersistent: true });
        const regions = [open(Region, 'one'), open(OtherRegion, 'two')];
        for (const { path } of regions) truncateSync(path, 4096);
        const listener = (): void => {};
        const codes: string[] = [];
        for (const change of [
          () => process.on('SIGBUS', listener),
          () => process.off('SIGBUS', listener),
          () => process.on('SIGBUS', listener),
        ]) {
          change();
          for (const region of regions) {
            try {
              region.read(8192, Buffer.alloc(8));
            } catch (error) {
              codes.push((error as { code: string }).code);
            }
          }
        }
        return codes;
      },
      [file('listeners'), copy],
    );
    assert.deepEqual(seen, Array(6).fill('ERR_PMEM_TRUNCATED'));
  });
});

/** Memory that stays out of core dumps, as /proc/self/smaps tells: `dd` is MADV_DONTDUMP (proc(5)). */

import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { DaxDevice } from 'pmem/devdax';
import { childValue } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
import { mapsOf } from '../support/maps.js';
import { onDisk } from '../support/temp.js';

describe('A core dump', () => {
  const file = onDisk();

  for (const dontDump of [true, false]) {
    const has = dontDump ? 'does not have' : 'has';

    it(`${has} a Region with dontDump ${dontDump}`, () => {
      const path = file('region');
      using region = Region.open(path, { create: true, size: 65536, dontDump });
      assert.equal(region.size, 65536);
      const maps = mapsOf(path);
      assert.ok(maps.length > 0);
      for (const { flags } of maps) assert.equal(flags.includes('dd'), dontDump);
    });

    it(`${has} a mapping of a DaxDevice with dontDump ${dontDump}`, () => {
      const path = file('device');
      Region.open(path, { create: true, size: 2 ** 21 }).close();
      using device = DaxDevice.open(path, { emulate: true, align: 4096 });
      using region = device.map({ dontDump });
      assert.equal(region.size, 2 ** 21);
      for (const { flags } of mapsOf(path)) assert.equal(flags.includes('dd'), dontDump);
    });

    it(`${has} the private copies of pages that are gone or read-only, with dontDump ${dontDump}`, async () => {
      const flags = await childValue<[string, boolean], string[][]>(
        async (path, asked) => {
          const { readFileSync, truncateSync } = await import('node:fs');
          const { Region } = await import('pmem');
          Region.open(path, { create: true, size: 65536 }).close();
          const readOnly = Region.open(path, { readOnly: true, shared: true, dontDump: asked });
          const kept = readOnly.view();
          kept[8192] = 1;
          const gone = Region.open(path, { shared: true, dontDump: asked });
          const view = gone.view();
          truncateSync(path, 4096);
          view[16384] = 1;
          // Anonymous pages between the file's, by the file's own neighbours.
          const found: string[][] = [];
          let before = '';
          let end = 0;
          let inside = false;
          for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
            const head = /^([0-9a-f]+)-[0-9a-f]+ \S+ ([0-9a-f]+) (\S+) \d+ *(.*)$/.exec(line);
            if (head !== null) {
              const [, begin = '', offset = '', device, name = ''] = head;
              const at = Number.parseInt(begin, 16);
              if (name.startsWith(path)) end = at - Number.parseInt(offset, 16) + 65536;
              inside = before.startsWith(path) && name === '' && device === '00:00' && at < end;
              before = name;
            } else if (inside && line.startsWith('VmFlags:')) {
              found.push(line.slice('VmFlags:'.length).trim().split(' '));
            }
          }
          return kept.length + view.length > 0 ? found : [];
        },
        [file('replaced'), dontDump],
      );
      assert.ok(flags.length >= 2, JSON.stringify(flags));
      for (const one of flags) assert.equal(one.includes('dd'), dontDump, JSON.stringify(flags));
    });

    it(`${has} an arena with dontDump ${dontDump}, and none by default`, async () => {
      const size = 7 * 2 ** 20;
      const flags = await childValue<[number, boolean], boolean[][]>(
        async (bytes, asked) => {
          const { readFileSync } = await import('node:fs');
          const { VolatileArena, NodeMemory } = await import('pmem/volatile');
          const flagsOf = () =>
            [...readFileSync('/proc/self/smaps', 'utf8').matchAll(/^Size: +(\d+) kB$[\s\S]*?^VmFlags: (.*)$/gm)]
              .filter(([, kib, names]) => Number(kib) * 1024 === bytes && names?.includes('dc') === true)
              .map(([, , names]) => names?.trim().split(' ').includes('dd') ?? false);
          const seen: boolean[][] = [];
          const options = [{ dontDump: asked }, {}];
          for (const one of options) {
            const arena = VolatileArena.open({ node: 0, size: bytes, ...one });
            seen.push(flagsOf());
            arena.close();
            const memory = NodeMemory.open({ node: 0, size: bytes, ...one });
            seen.push(flagsOf());
            memory.close();
          }
          return seen;
        },
        [size, dontDump],
      );
      assert.deepEqual(flags, [[dontDump], [dontDump], [true], [false]]);
    });
  }

  it('is controlled by dontDump, which must be a boolean', () => {
    throwsCode(() => Region.open(file('x'), { dontDump: 1 as never }), 'ERR_INVALID_ARG_TYPE');
  });
});

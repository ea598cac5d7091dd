/** Options are own properties: what a property of `Object.prototype` says is no option, and what is inherited otherwise is refused. */

import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { BadBlocks, Btt, carve, openPartition, PmemDisk, SubDisk, writePartitionTable } from 'pmem/block';
import { copyDevice, DaxDevice, DaxRegion, reconfigure } from 'pmem/devdax';
import { exploreCrashes, exploreMutants, SimulatedMemory } from 'pmem/testing';
import { NodeMemory, VolatileArena } from 'pmem/volatile';
import { childValue } from '../support/child.js';
import { rejectsCode } from '../support/errors.js';
import { onTmpfs } from '../support/temp.js';

/** Every call that takes options, with an option that it knows. */
const CALLS: Readonly<Record<string, [option: string, call: (options: never, region: Region) => unknown]>> = {
  'Region.open': ['readOnly', (options, { path }) => Region.open(path, options)],
  'Region.writeAsync': ['signal', (options, region) => region.writeAsync(0, Buffer.alloc(8), 'store', options)],
  'Region.readAsync': ['signal', (options, region) => region.readAsync(0, Buffer.alloc(8), options)],
  'Region.fillAsync': ['signal', (options, region) => region.fillAsync(0, 8, 0, 'store', options)],
  'Region.persistAsync': ['signal', (options, region) => region.persistAsync(0, 8, options)],
  'Region.populateAsync': ['onProgress', (options, region) => region.populateAsync(0, 8, options)],
  'DaxDevice.open': ['emulate', (options, { path }) => DaxDevice.open(path, options)],
  'DaxRegion.open': ['align', (options, { path }) => DaxRegion.open(path, options)],
  'DaxRegion.list': ['id', (options) => DaxRegion.list(options)],
  'DaxRegion.create': ['size', (options, { path }) => DaxRegion.open(path, { align: 4096 }).create(options)],
  'DaxInstance.open': [
    'readOnly',
    (options, { path }) => DaxRegion.open(path, { align: 4096 }).create({ size: 4096 }).open(options),
  ],
  reconfigure: ['destroyData', (options) => reconfigure('dax99.99', 'system-ram', options)],
  copyDevice: ['zero', (options) => copyDevice(options)],
  'PmemDisk.open': ['readOnly', (options, region) => PmemDisk.open(region, options)],
  'PmemDisk.write': ['fua', (options, region) => PmemDisk.open(region).write(0, Buffer.alloc(512), options)],
  'SubDisk.open': ['readOnly', (options, region) => SubDisk.open(PmemDisk.open(region), options)],
  openPartition: ['firstSector', (options, region) => openPartition(PmemDisk.open(region), options)],
  carve: ['readOnly', (options, region) => carve(region, options)],
  'BadBlocks.add': ['lasting', (options) => new BadBlocks().add(0, 1, options)],
  BadBlocks: ['count', (range) => new BadBlocks([range])],
  writePartitionTable: ['alignment', (table, region) => writePartitionTable(PmemDisk.open(region), table)],
  'writePartitionTable of a GPT': [
    'name',
    (one, region) => writePartitionTable(PmemDisk.open(region), { label: 'gpt', partitions: [one] }),
  ],
  'writePartitionTable of an MBR': [
    'bootable',
    (one, region) => writePartitionTable(PmemDisk.open(region), { label: 'mbr', partitions: [one] }),
  ],
  'Btt.format': ['force', (options, region) => Btt.format(region, options)],
  'Btt.formatAsync': ['force', (options, region) => Btt.formatAsync(region, options)],
  'Btt.check': ['repair', (options, region) => Btt.check(region, options)],
  'Btt.checkAsync': ['repair', (options, region) => Btt.checkAsync(region, options)],
  'Btt.open': ['readOnly', (options, region) => Btt.open(region, options)],
  'NodeMemory.open': ['strict', (options) => NodeMemory.open(options)],
  'VolatileArena.open': ['strict', (options) => VolatileArena.open(options)],
  exploreCrashes: ['prune', (options) => exploreCrashes(options)],
  exploreMutants: ['report', (options) => exploreMutants(options)],
  'SimulatedMemory.losePower': ['keep', (options) => SimulatedMemory.create({ size: 64 }).losePower(options)],
};

describe('Options', () => {
  const file = onTmpfs();

  for (const [name, [option, call]] of Object.entries(CALLS)) {
    it(`of ${name} that are inherited from a class or from defaults are refused rather than left out`, async () => {
      using region = Region.open(file('region'), { create: true, size: 65536, shared: true, assumePersistent: true });
      const label = name === 'writePartitionTable' ? { label: 'gpt' } : {};
      const inherited = Object.assign(Object.create({ [option]: true }), label);
      await rejectsCode((async () => await call(inherited as never, region))(), 'ERR_INVALID_ARG_VALUE', {
        message: new RegExp(`an inherited ${option}`),
      });
    });
  }

  it('have their getters run once, before anything is done', () => {
    const path = file('getters');
    let calls = 0;
    const options = {
      create: true,
      get size(): number {
        calls++;
        return calls === 1 ? 4096 : 8192;
      },
    };
    using region = Region.open(path, options);
    assert.equal(region.size, 4096);
    assert.equal(calls, 1);
  });

  it('are those of the call, whatever properties Object.prototype was given', async () => {
    const path = file('polluted');
    Region.open(path, { create: true, size: 16 * 2 ** 20 }).close();
    const found = await childValue(
      async (there) => {
        const pmem = {
          ...(await import('pmem')),
          ...(await import('pmem/block')),
          ...(await import('pmem/devdax')),
          ...(await import('pmem/volatile')),
        };
        const look = async () => {
          const facts: Record<string, unknown> = {};
          const note = async (name: string, run: () => unknown) => {
            try {
              facts[name] = JSON.parse(JSON.stringify((await run()) ?? null));
            } catch (error) {
              facts[name] = (error as { code: string }).code;
            }
          };
          const region = pmem.Region.open(there);
          const real = pmem.Region.open(there, { assumePersistent: true, shared: true });
          await note('durability', () => region.durability);
          await note('extents', () => region.extents);
          await note('persist', () => region.persist(0, 64));
          await note('writeAsync', () => region.writeAsync(0, Buffer.alloc(8)));
          await note('range', () => region.persistAll([{} as never]));
          await note('missing', () => pmem.Region.open(`${there}-missing`));
          await note('disk', () => {
            const { readOnly, sectorSize, sectorCount } = pmem.PmemDisk.open(real, {});
            return { readOnly, sectorSize, sectorCount };
          });
          await note('write', () => pmem.PmemDisk.open(region).write(0, Buffer.alloc(512), {}));
          real.fill(0, 4096, 0x55);
          await note('format', () => pmem.Btt.format(real, {}));
          await note('dax', () => pmem.DaxDevice.open(there, {}));
          const whole = pmem.DaxDevice.open(there, { emulate: true, shared: true });
          await note('map', () => whole.map({}).size);
          whole.close();
          await note('table', () =>
            pmem
              .writePartitionTable(pmem.PmemDisk.open(real), {
                label: 'gpt',
                guid: undefined,
                partitions: [{}],
              } as never)
              .partitions.map(({ firstSector, sectorCount }) => [firstSector, sectorCount]),
          );
          await note('reconfigure', () => pmem.reconfigure('dax99.99', 'system-ram', {}));
          await note('arena', () => {
            const arena = pmem.VolatileArena.open({ node: 0, size: 65536 });
            const buffer = arena.allocate(64, {});
            buffer.fill(1);
            arena.free(buffer, {});
            const { used, pending } = arena.statistics();
            arena.close();
            return { used, pending };
          });
          region.close();
          real.close();
          return facts;
        };
        const before = await look();
        // Without signal: node:fs itself takes an inherited one, and fails.
        const names = [
          'size create mode sparse offset length readOnly granularity assumePersistent align populate shared onProgress',
          'emulate flags address id contiguous ranges numaNode targetNode force destroyData online movable sectorSize start',
          'badBlocks count lasting fua version uuid parentUuid nfree zeroed verify repair rewriteLog reuse zero zeroOnFree',
          'dontDump node device hugePages strict extents noReserve lock smallPages mustAlign firstSector sectorCount number',
          'type name attributes bootable alignment media mapSync problems exclusive inLines holders descriptor whole volatile',
        ]
          .join(' ')
          .split(' ');
        const changed: string[] = [];
        for (const name of names) {
          for (const value of [true, 1, 'persist', 4096]) {
            Object.defineProperty(Object.prototype, name, {
              value,
              configurable: true,
              writable: true,
              enumerable: true,
            });
            const now = await look();
            delete (Object.prototype as Record<string, unknown>)[name];
            for (const fact of Object.keys(before)) {
              const [one, other] = [JSON.stringify(before[fact]), JSON.stringify(now[fact])];
              if (one !== other) changed.push(`${name} = ${value}: ${fact} is ${other}, was ${one}`);
            }
          }
        }
        return changed;
      },
      [path],
    );
    assert.deepEqual(found, []);
  });
});

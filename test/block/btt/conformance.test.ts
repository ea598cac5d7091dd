import { Btt } from 'pmem/block';
import { type BlockDeviceMedia, SimulatedMemory } from 'pmem/testing';
import { blockDeviceSuite } from '#dist/testing/block-device/suite.js';
import { formatSmall, SMALL } from '../../support/btt-images.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const SUPPORTS = {
  fua: true,
  discard: true,
  discardZeroes: true,
  writeZeroes: true,
  directAccess: false,
  atomicSectors: true,
};

describe('Conformance of a BTT:', () => {
  const file = onDisk();
  let seed = 0;

  /** After a power cut the memory is another one, as it is to the next process: who had the old one open is gone. */
  function losingPower(formatted: SimulatedMemory): BlockDeviceMedia {
    let memory = formatted;
    return {
      open: (options) => Btt.open(memory, options),
      cutPower: () => {
        memory.losePower({ keep: 'random', seed: ++seed });
        const next = SimulatedMemory.create({ size: memory.size });
        next.write(0, memory.view(0, memory.size), 'persist');
        memory = next;
      },
    };
  }

  for (const sectorSize of [512, 520, 528, 4096, 4104, 4160, 4224] as const) {
    for (const version of ['1.1', '2.0'] as const) {
      for (const nfree of [1, 256]) {
        blockDeviceSuite(`Btt ${version}, ${sectorSize} B, ${nfree} free`, {
          supports: SUPPORTS,
          create: () => {
            const memory = SimulatedMemory.create({ size: nfree === 1 ? 2 ** 18 : 2 ** 21 });
            formatSmall(memory, { sectorSize, version, nfree });
            return losingPower(memory);
          },
        });
      }
    }
  }

  blockDeviceSuite('Btt of several arenas', {
    supports: SUPPORTS,
    create: () => {
      const memory = SimulatedMemory.create({ size: 2 ** 17 });
      formatSmall(memory, { sectorSize: 512, nfree: 2 }, { ...SMALL, largest: 2 ** 15 });
      return losingPower(memory);
    },
  });

  blockDeviceSuite('Btt of several arenas with fewer sectors than a test writes', {
    supports: SUPPORTS,
    create: () => {
      const memory = SimulatedMemory.create({ size: 2 ** 19 });
      formatSmall(memory, { nfree: 2 }, { ...SMALL, largest: 2 ** 16 });
      return { open: (options) => Btt.open(memory, options) };
    },
  });

  blockDeviceSuite('Btt on a Region', {
    supports: SUPPORTS,
    create: () => {
      const region = newRegion(file('btt'), '16772KiB');
      Btt.format(region, { sectorSize: 512 });
      return { open: (options) => Btt.open(region, options), release: () => region.close() };
    },
  });

  blockDeviceSuite('Btt where durable means msync', {
    supports: SUPPORTS,
    create: () => {
      const region = newRegion(file('page'), '256KiB', { assumePersistent: false });
      formatSmall(region);
      return { open: (options) => Btt.open(region, options), release: () => region.close() };
    },
  });
});

import { PmemDisk, SubDisk } from 'pmem/block';
import { blockDeviceSuite } from 'pmem/testing';
import { LossyMemory } from '../support/lossy-memory.js';
import { Random } from '../support/random.js';
import { newRegion } from '../support/regions.js';
import { onDisk } from '../support/temp.js';

const SUPPORTS = {
  fua: true,
  discard: true,
  discardZeroes: false,
  writeZeroes: true,
  directAccess: true,
  atomicSectors: false,
};

describe('Conformance of disks on memory:', () => {
  const file = onDisk();

  for (const sectorSize of [512, 4096] as const) {
    blockDeviceSuite(`PmemDisk on a Region, ${sectorSize} B`, {
      supports: SUPPORTS,
      create: () => {
        const region = newRegion(file('disk'), '256KiB');
        return { open: (options) => PmemDisk.open(region, { sectorSize, ...options }), release: () => region.close() };
      },
    });

    blockDeviceSuite(`PmemDisk on memory that loses power, ${sectorSize} B`, {
      supports: SUPPORTS,
      create: () => {
        const memory = new LossyMemory(2 ** 17);
        const random = new Random(sectorSize);
        return {
          open: (options) => PmemDisk.open(memory, { sectorSize, ...options }),
          cutPower: () => memory.cutPower(random),
        };
      },
    });
  }

  blockDeviceSuite('PmemDisk where durable means msync', {
    supports: SUPPORTS,
    create: () => {
      const region = newRegion(file('page'), '64KiB', { assumePersistent: false });
      return { open: (options) => PmemDisk.open(region, options), release: () => region.close() };
    },
  });

  blockDeviceSuite('PmemDisk on a part of a slice', {
    supports: SUPPORTS,
    create: () => {
      const region = newRegion(file('slice'), '256KiB');
      const slice = region.slice(4096, 128 * 1024);
      const open = (options: { readOnly: boolean }) => PmemDisk.open(slice, { start: 1536, size: '16KiB', ...options });
      return { open, release: () => region.close() };
    },
  });

  blockDeviceSuite('SubDisk', {
    supports: SUPPORTS,
    create: () => {
      const memory = new LossyMemory(2 ** 17);
      const disk = PmemDisk.open(memory);
      const random = new Random(3);
      return {
        open: (options) => SubDisk.open(disk, { start: 63, count: 40, ...options }),
        cutPower: () => memory.cutPower(random),
      };
    },
  });

  blockDeviceSuite('SubDisk of a SubDisk', {
    supports: SUPPORTS,
    create: () => {
      const outer = SubDisk.open(PmemDisk.open(new LossyMemory(2 ** 18), { sectorSize: 4096 }), {
        start: 3,
        count: 50,
      });
      return { open: (options) => SubDisk.open(outer, { start: 1, count: 20, ...options }) };
    },
  });
});

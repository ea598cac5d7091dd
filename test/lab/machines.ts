/** The machines that tests choose from. */

import type { Machine } from './machine.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** One of everything. */
export const everything: Machine = {
  name: 'everything',
  nvdimms: [
    {
      size: GIB,
      namespaces: [
        { name: 'ext4', mode: 'fsdax', fileSystem: 'ext4', size: 256 * MIB },
        { name: 'xfs', mode: 'fsdax', fileSystem: 'xfs', size: 400 * MIB },
        { name: 'sector', mode: 'sector', sectorSize: 4096, size: 64 * MIB },
        { name: 'raw', mode: 'raw', size: 64 * MIB },
        { name: 'blank', mode: 'fsdax', fileSystem: 'none', size: 64 * MIB },
      ],
    },
    {
      size: 4 * GIB,
      namespaces: [
        { name: 'dax-1g', mode: 'devdax', align: GIB, size: 3 * GIB },
        { name: 'dax-2m', mode: 'devdax', align: 2 * MIB, size: 128 * MIB },
        { name: 'dax-4k', mode: 'devdax', align: 4096, size: 64 * MIB },
      ],
    },
  ],
  reserved: { start: 0x5000_0000, size: 64 * MIB },
  legacy: { start: 0x6000_0000, size: 64 * MIB },
  bar: 16 * MIB,
  disks: { ext4: 64 * MIB, empty: 64 * MIB },
};

/** Small and quick to start: one device-DAX namespace and one ext4. */
export const small: Machine = {
  name: 'small',
  memory: GIB,
  nvdimms: [
    {
      size: 256 * MIB,
      namespaces: [
        { name: 'ext4', mode: 'fsdax', fileSystem: 'ext4', size: 128 * MIB },
        { name: 'dax-2m', mode: 'devdax', align: 2 * MIB, size: 64 * MIB },
      ],
    },
  ],
};

/** A namespace in mode sector. */
export const sector: Machine = {
  name: 'sector',
  memory: GIB,
  nvdimms: [{ size: 128 * MIB, namespaces: [{ name: 'sector', mode: 'sector', sectorSize: 4096, size: 64 * MIB }] }],
};

/** A platform that flushes the CPU caches on power failure, with devices that tests may spoil. */
export const eadr: Machine = {
  name: 'eADR',
  persistence: 'cpu',
  nvdimms: [
    {
      size: GIB,
      namespaces: [
        { name: 'ext4', mode: 'fsdax', fileSystem: 'ext4', size: 128 * MIB },
        { name: 'dax-2m', mode: 'devdax', align: 2 * MIB, size: 64 * MIB },
        // As ordinary memory it comes in blocks of 128 MiB.
        { name: 'spare', mode: 'devdax', align: 2 * MIB, size: 512 * MIB },
        { name: 'reshaped', mode: 'devdax', align: 2 * MIB, size: 256 * MIB },
      ],
    },
  ],
};

/** A dynamic DAX region: of memory that firmware set apart for a purpose, devices are made, resized and destroyed. */
export const hmem: Machine = {
  name: 'hmem',
  memory: 2 * GIB,
  nvdimms: [],
  soft: { start: 0x4000_0000, size: 512 * MIB },
};

/** Two NUMA nodes: the second has nothing but an NVDIMM, so that it has memory only while that is ordinary memory. */
export const numa: Machine = {
  name: 'NUMA',
  memory: GIB,
  nvdimms: [
    {
      size: GIB,
      node: 1,
      namespaces: [
        { name: 'other', mode: 'devdax', align: 2 * MIB, size: 64 * MIB },
        // As ordinary memory it comes in aligned blocks of 128 MiB.
        { name: 'spare', mode: 'devdax', align: 2 * MIB, size: 768 * MIB },
      ],
    },
  ],
};

/** Devices that a test may make something else of. */
export const convertible: Machine = {
  name: 'convertible',
  memory: GIB,
  nvdimms: [
    {
      size: GIB,
      namespaces: [
        { name: 'ext4', mode: 'fsdax', fileSystem: 'ext4', size: 128 * MIB },
        { name: 'xfs', mode: 'fsdax', fileSystem: 'xfs', size: 400 * MIB },
        { name: 'sector', mode: 'sector', sectorSize: 4096, size: 64 * MIB },
        { name: 'raw', mode: 'raw', size: 64 * MIB },
        { name: 'blank', mode: 'fsdax', fileSystem: 'none', size: 64 * MIB },
      ],
    },
  ],
  legacy: { start: 0x3000_0000, size: 64 * MIB },
  virtioPmem: 64 * MIB,
  disks: { ext4: 64 * MIB, empty: 64 * MIB },
};

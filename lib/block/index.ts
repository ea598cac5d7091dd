/**
 * Block devices on persistent memory: disks of sectors, sectors that a power cut never tears (BTT), and partitions.
 *
 * @packageDocumentation
 */

export { type BadBlockOptions, BadBlocks } from './bad-blocks/bad-blocks.js';
export {
  BlockDevice,
  type BlockDeviceOptions,
  type BlockDeviceSupport,
  type BlockWriteOptions,
  type SectorArray,
} from './block-device.js';
export { Btt } from './btt/btt.js';
export type { BttReport } from './btt/check.js';
export type { BttArenaInfo, BttInfo } from './btt/info.js';
export type { ArenaLayout, BttSectorSize, BttVersion } from './btt/layout.js';
export type { BttCheckOptions, BttFormatOptions, BttOpenOptions } from './btt/options.js';
export { BttCorruptError, type BttProblem, type BttProblemCode } from './btt/problems.js';
export { type CarveOptions, carve } from './carve.js';
export type { PmemDiskOptions } from './disk-options.js';
export type { Geometry } from './geometry.js';
export type { NewGpt, NewGptPartition } from './partitions/gpt-write.js';
export type { NewPartition } from './partitions/layout.js';
export type { NewMbr, NewMbrPartition } from './partitions/mbr-write.js';
export {
  type GptPartition,
  type GptTable,
  type MbrPartition,
  type MbrTable,
  openPartition,
  type Partition,
  type PartitionTable,
  readPartitionTable,
  type WriteTableOptions,
  writePartitionTable,
} from './partitions/partition-table.js';
export { PmemDisk } from './pmem-disk.js';
export type { SectorRange } from './sector-ranges.js';
export { SubDisk, type SubDiskOptions } from './sub-disk.js';

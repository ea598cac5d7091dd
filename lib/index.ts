/**
 * Persistent memory for Node.js.
 *
 * @packageDocumentation
 */

export { type BadBlockOptions, BadBlocks } from './block/bad-blocks.js';
export type { BlockDevice, BlockDeviceSupport, BlockWriteOptions } from './block/block-device.js';
export { Btt } from './block/btt/btt.js';
export type { BttReport } from './block/btt/check.js';
export type { BttArenaInfo, BttInfo } from './block/btt/info.js';
export type { ArenaLayout, BttSectorSize, BttVersion } from './block/btt/layout.js';
export type {
  BttAsyncOptions,
  BttCheckOptions,
  BttFormatOptions,
  BttOpenOptions,
  BttProgress,
} from './block/btt/options.js';
export { BttCorruptError, type BttProblem, type BttProblemCode } from './block/btt/problems.js';
export { type CarveOptions, carve } from './block/carve.js';
export type { PmemDiskOptions } from './block/disk-options.js';
export type { Geometry } from './block/geometry.js';
export type { NewGpt, NewGptPartition } from './block/partitions/gpt-write.js';
export type { NewPartition } from './block/partitions/layout.js';
export type { NewMbr, NewMbrPartition } from './block/partitions/mbr-write.js';
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
} from './block/partitions/partition-table.js';
export { PmemDisk } from './block/pmem-disk.js';
export type { SectorRange } from './block/sector-ranges.js';
export { SubDisk, type SubDiskOptions } from './block/sub-disk.js';
export { type CopyReport, copyDevice } from './devdax/copy/copy.js';
export type { CopyOptions, CopyProgress } from './devdax/copy/options.js';
export { DaxDevice, type FaultCount } from './devdax/dax-device.js';
export { type DaxDestroyAsyncOptions, type DaxDestroyOptions, DaxInstance } from './devdax/dax-instance.js';
export {
  type DaxCreateOptions,
  DaxRegion,
  type DaxRegionFilter,
  type DaxRegionOptions,
} from './devdax/dax-region.js';
export type { FaultGuarantee } from './devdax/granularity.js';
export { MapFlags } from './devdax/map-flags.js';
export type { DaxMapAsyncOptions, DaxMapOptions, DaxOpenOptions, DaxSharedOptions } from './devdax/options.js';
export {
  type DaxMode,
  type OnlineMemory,
  type Reconfigured,
  type ReconfigureOptions,
  reconfigure,
} from './devdax/reconfigure.js';
export type { DaxMapping } from './devdax/region-backend.js';
export { type LockHolder, PmemError, type PmemErrorDetails } from './errors.js';
export type { Backing, BackingKind, FileSystem } from './memory/backing.js';
export { type CpuPaths, cpuPaths } from './memory/cpu.js';
export type { DeepFlush } from './memory/deep-flush.js';
export { type DeviceMode, listDevices, type PmemDevice } from './memory/devices.js';
export { type Explanation, explain } from './memory/explain.js';
export type { Host } from './memory/host.js';
export type { Below, ByteRange, Durability, Granularity, Memory, WriteMode } from './memory/memory.js';
export type { Obstacle } from './memory/obstacles.js';
export type { RegionOptions } from './memory/options.js';
export { type AsyncOptions, type AsyncStoreOptions, Region, type RegionToken } from './memory/region.js';
export { formatSize, parseSize, type Size } from './units.js';
export {
  type AllocateOptions,
  type ArenaAsyncOptions,
  type ArenaOptions,
  type ArenaStatistics,
  type FreeOptions,
  VolatileArena,
} from './volatile/arena.js';
export type { NodeMapAsyncOptions, NodeMapOptions } from './volatile/map-options.js';
export type { PagePlacement } from './volatile/node-mapping.js';
export {
  type MapOnNodeAsyncOptions,
  type MapOnNodeOptions,
  mapOnNode,
  mapOnNodeAsync,
  NodeMemory,
} from './volatile/node-memory.js';

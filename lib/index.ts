/**
 * Persistent memory for Node.js.
 *
 * @packageDocumentation
 */

export { PmemError, type PmemErrorDetails } from './errors.js';
export type { Backing, BackingKind, FileSystem } from './memory/backing.js';
export { type CpuPaths, cpuPaths } from './memory/cpu.js';
export type { DeepFlush } from './memory/deep-flush.js';
export { type DeviceMode, listDevices, type PmemDevice } from './memory/devices.js';
export { type Explanation, explain } from './memory/explain.js';
export type { Host } from './memory/host.js';
export type { ByteRange, Durability, Granularity, Memory, WriteMode } from './memory/memory.js';
export type { Obstacle } from './memory/obstacles.js';
export type { RegionOptions } from './memory/options.js';
export { type AsyncOptions, type AsyncStoreOptions, Region, type RegionToken } from './memory/region.js';
export { formatSize, parseSize, type Size } from './units.js';

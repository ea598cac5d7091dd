/**
 * Persistent memory for Node.js: regions of it, what makes stores in them durable, and the devices that there are.
 *
 * @packageDocumentation
 */

export { type LockHolder, PmemError, type PmemErrorDetails } from './errors.js';
export type { BackingKind, FileSystem } from './memory/backing.js';
export { type CpuPaths, cpuPaths } from './memory/cpu.js';
export { type DeviceMode, listDevices, type PmemDevice } from './memory/devices.js';
export type { DeepFlush } from './memory/durability/deep-flush.js';
export { type Explanation, explain } from './memory/durability/explain.js';
export type { Obstacle } from './memory/durability/obstacles.js';
export type { Below, ByteRange, Durability, Granularity, Memory, WriteMode } from './memory/memory.js';
export type { RegionOptions } from './memory/region/options.js';
export { Region } from './memory/region/region.js';
export type { RegionToken } from './memory/region/token.js';
export type { JobOptions, Progress } from './options.js';
export { formatSize, parseSize, type Size } from './units.js';

/**
 * Memory of a NUMA node that is not persistent: persistent or high-bandwidth memory used as RAM.
 *
 * @packageDocumentation
 */

export { type ArenaStatistics, VolatileArena } from './arena.js';
export type { AllocateOptions, ArenaAsyncOptions, ArenaOptions, FreeOptions } from './arena-options.js';
export type { PagePlacement } from './node-mapping.js';
export { NodeMemory, type NodeMemoryAsyncOptions, type NodeMemoryOptions } from './node-memory.js';
export type { NodeMapAsyncOptions, NodeMapOptions } from './options.js';

/**
 * Memory of a NUMA node that forgets: persistent or high-bandwidth memory used as RAM.
 *
 * @packageDocumentation
 */

export {
  type AllocateOptions,
  type ArenaAsyncOptions,
  type ArenaOptions,
  type ArenaStatistics,
  type FreeOptions,
  VolatileArena,
} from './arena.js';
export type { NodeMapAsyncOptions, NodeMapOptions } from './map-options.js';
export type { PagePlacement } from './node-mapping.js';
export {
  type MapOnNodeAsyncOptions,
  type MapOnNodeOptions,
  mapOnNode,
  mapOnNodeAsync,
  NodeMemory,
} from './node-memory.js';

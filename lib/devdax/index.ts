/**
 * Device-DAX: devices, the regions that they are made of, copies, and their other use as ordinary memory.
 *
 * @packageDocumentation
 */

export { type CopyReport, copyDevice } from './copy/copy.js';
export type { CopyOptions } from './copy/options.js';
export { DaxDevice, type FaultCount } from './device/dax-device.js';
export type { FaultGuarantee } from './device/granularity.js';
export { MapFlags } from './device/map-flags.js';
export type { DaxMapAsyncOptions, DaxMapOptions, DaxOpenOptions, DaxSharedOptions } from './options.js';
export {
  type DaxMode,
  type OnlineMemory,
  type Reconfigured,
  type ReconfigureOptions,
  reconfigure,
} from './reconfigure/reconfigure.js';
export type { DaxMapping } from './region/backend.js';
export {
  type DaxDestroyAsyncOptions,
  type DaxDestroyOptions,
  DaxInstance,
  type DaxWaitOptions,
} from './region/dax-instance.js';
export {
  type DaxCreateAsyncOptions,
  type DaxCreateOptions,
  DaxRegion,
  type DaxRegionFilter,
  type DaxRegionOptions,
} from './region/dax-region.js';

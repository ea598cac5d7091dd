/**
 * For authors of persistent data structures: memory that loses power, an explorer of power cuts, and the conformance tests of block
 * devices. Needs no addon, and works on every platform.
 *
 * @packageDocumentation
 */

export type { BlockDeviceMedia, BlockDeviceSetup, SuiteRunner } from './block-device/setup.js';
export { blockDeviceSuite } from './block-device/suite.js';
export { exploreCrashes } from './crash/explore.js';
export {
  exploreMutants,
  type KilledMutant,
  type Mutant,
  type MutantOptions,
  type MutantReport,
  MutantSurvivedError,
} from './crash/mutants.js';
export type { Crash, CrashContext, CrashOptions, CrashStatistics, Operation } from './crash/options.js';
export { type CrashConsistencyDetails, CrashConsistencyError } from './crash/report/crash-consistency-error.js';
export { type PowerCut, SimulatedMemory, type SimulatedMemoryOptions } from './simulation/simulated-memory.js';

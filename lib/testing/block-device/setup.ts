/** What the conformance suite of block devices needs from its user. */

import type { BlockDevice, BlockDeviceSupport } from '../../block/block-device.js';

/** Media on which the suite opens devices. */
export interface BlockDeviceMedia {
  /** Opens a device on the media, with what is stored there. The suite closes it, or cuts the power, before it opens the next one. */
  open(options: { readonly readOnly: boolean }): BlockDevice;
  /**
   * Cuts the power: stores that are not durable may be lost. The suite neither uses nor closes a device that is open then, because
   * closing might make its stores durable. If that device blocks the next one, by a lock for example, end it here as the end of its
   * process would. Without this method the suite tests of durability only that the calls succeed.
   */
  cutPower?(): void | Promise<void>;
  /** Called after each test. Devices that were open at a power cut still are. */
  release?(): void | Promise<void>;
}

/** An implementation of block devices, for the suite. */
export interface BlockDeviceSetup {
  /** What the devices must say they support. Calls that they do not support must throw EOPNOTSUPP. */
  readonly supports: BlockDeviceSupport;
  /** New media for a device of 16 sectors or more, with any contents. 64 KiB are enough. */
  create(): BlockDeviceMedia | Promise<BlockDeviceMedia>;
}

/** The two functions of a test runner: mocha's, node:test's, vitest's, jest's. */
export interface SuiteRunner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => void | Promise<void>) => unknown;
}

/** Declares a test, which gets media of its own. */
export type DeclareTest = (name: string, run: (media: BlockDeviceMedia) => void | Promise<void>) => void;

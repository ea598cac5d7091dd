/** What the conformance suite of block devices is told, and runs on. */

import type { BlockDevice, BlockDeviceSupport } from '../../block/block-device.js';

/** Media that a device of the suite is opened on. */
export interface BlockDeviceMedia {
  /** A device on the media, with what is stored there. Before it opens the next one the suite closes it, or cuts the power. */
  open(options: { readonly readOnly: boolean }): BlockDevice;
  /**
   * Cuts the power: what was stored and not made durable may be lost. A device that is open then is abandoned: the suite
   * does not use it again, and does not close it, because closing might make durable what was not. If it is in the way of
   * the next one (by a lock, say), end it here as the end of its process would. Without this method nothing is tested of
   * durability but that the calls succeed.
   */
  cutPower?(): void | Promise<void>;
  /** Called when a test has ended. Devices that a power cut met are still open. */
  release?(): void | Promise<void>;
}

/** What the suite needs to know of an implementation. */
export interface BlockDeviceSetup {
  /** What the devices must say they support; what they do not must throw EOPNOTSUPP. */
  readonly supports: BlockDeviceSupport;
  /** New media for a device of 16 sectors or more, whatever is stored there. 64 KiB are plenty. */
  create(): BlockDeviceMedia | Promise<BlockDeviceMedia>;
}

/** The two functions of a test runner: mocha's, node:test's, vitest's, jest's. */
export interface SuiteRunner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => void | Promise<void>) => unknown;
}

/** Declares a test that has media to itself. */
export type DeclareTest = (name: string, run: (media: BlockDeviceMedia) => void | Promise<void>) => void;

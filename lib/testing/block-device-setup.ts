/** What the conformance suite of block devices is told, and runs on. */

import type { BlockDevice, BlockDeviceSupport } from '../block/block-device.js';

/** Media that a device of the suite is opened on. */
export interface BlockDeviceMedia {
  /** A device on the media, with what is stored there. The suite closes it before it opens the next one. */
  open(options: { readonly readOnly: boolean }): BlockDevice;
  /**
   * Cuts the power, the device being closed: what was stored and not made durable may be lost. Without it nothing is
   * tested of durability but that the calls succeed.
   */
  cutPower?(): void;
  /** Called when a test has ended. */
  release?(): void;
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

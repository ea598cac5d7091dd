/** What a guest is asked to do, and what it answers: passed as JSON. */

import type { Machine } from './machine.js';

/** The virtio port on which the guest's command prints, and the one on which process 1 tells how it went. */
export const OUTPUT = 'output';
export const STATUS = 'status';
/** The port to which tests in the guest report their counts. */
export const RESULTS = 'results';

/** What the guest does once it is up. */
export interface Plan {
  readonly machine: Machine;
  /** Make the namespaces and file systems; else they are there from an earlier start, and only mounted. */
  readonly format: boolean;
  /** The program and its arguments; none: an interactive shell on the console. */
  readonly command: readonly string[] | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** How the guest's command ended, or why it was never started. */
export interface Status {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error?: string;
}

/** Where a part of the machine is, in the guest. */
export interface Place {
  /** The file system's directory, or the device's node. */
  readonly path: string;
  /** The block or character device, where there is one: `/dev/pmem0`. */
  readonly device: string | undefined;
  /** ndctl's name of the namespace: `namespace0.0`. */
  readonly namespace: string | undefined;
}

/** The environment variable in which tests get their places, as JSON. */
export const PLACES = 'PMEM_LAB_PLACES';
/** The environment variable with the machine's name. */
export const MACHINE = 'PMEM_LAB_MACHINE';

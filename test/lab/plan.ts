/** The request to a guest and its answer, both JSON. */

import type { Machine } from './machine.js';

/** The virtio port of the command's output, and the port on which process 1 reports the command's end. */
export const OUTPUT = 'output';
export const STATUS = 'status';
/** The port to which tests in the guest report their counts. */
export const RESULTS = 'results';

/** What the guest does after its boot. */
export interface Plan {
  readonly machine: Machine;
  /** Make the namespaces and file systems. Else they exist from an earlier start, and are only mounted. */
  readonly format: boolean;
  /** The program and its arguments; none: an interactive shell on the console. */
  readonly command: readonly string[] | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** How the guest's command ended, or why it did not start. */
export interface Status {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error?: string;
}

/** A part of the machine, in the guest. */
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

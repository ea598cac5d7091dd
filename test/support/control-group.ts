/** A new control group with a limit on memory. */

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseMounts } from '#dist/linux/mounts.js';

export interface ControlGroup {
  /** The file to which a process writes its id to join. */
  readonly processes: string;
  remove(): void;
}

/** Makes one at the top of the mounted hierarchy. Prints the reason and returns undefined if that is not allowed, as in most containers; the lab always allows it. */
export function limitedGroup(bytes: number): ControlGroup | undefined {
  let directory: string | undefined;
  try {
    const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
    const v1 = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('memory'));
    const mount = v1 ?? mounts.find(({ type }) => type === 'cgroup2');
    if (mount === undefined) throw new Error('no control groups are mounted');
    const made = join(mount.mountPoint, `pmem-test-${process.pid}`);
    mkdirSync(made);
    directory = made;
    writeFileSync(join(made, v1 === undefined ? 'memory.max' : 'memory.limit_in_bytes'), String(bytes));
    return { processes: join(made, 'cgroup.procs'), remove: () => rmdirSync(made) };
  } catch (error) {
    if (directory !== undefined) rmdirSync(directory);
    console.log(`      skipped: ${(error as Error).message}`);
    return undefined;
  }
}

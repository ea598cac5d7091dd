/** Running the programs of examples/ as a reader would: by a path, in a directory of their own. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './paths.js';

export const EXAMPLES = join(ROOT, 'examples');

/** Runs one to its end, which must be a success; returns what it printed. */
export function runExample(name: string, args: readonly string[] = []): string {
  const { PMEM_ASSUME_PERSISTENT, ...env } = process.env;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [join(EXAMPLES, name), ...args], {
    encoding: 'utf8',
    env,
    timeout: 600_000, // ends what hangs
  });
  if (status !== 0 || stderr !== '') {
    throw new Error(`${name} ended with ${signal ?? status}\n${stdout}${stderr}`);
  }
  return stdout;
}

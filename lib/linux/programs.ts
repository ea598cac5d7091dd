/**
 * Runs programs of the system. This process may be root's, and its environment and current directory somebody else's: so a program
 * is named by its whole path, never looked for in PATH, and gets nothing of this process's environment.
 */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PmemError } from '../errors.js';

/** Where the administrator's programs are; only root can put one there. */
export const SYSTEM_DIRECTORIES: readonly string[] = ['/sbin', '/usr/sbin'];

/**
 * What a program gets to know. Commands that modprobe.d(5) names are looked for in PATH. Without a prototype, because Node.js
 * hands inherited properties on, too.
 */
function environment(): NodeJS.ProcessEnv {
  const clean: NodeJS.ProcessEnv = Object.create(null);
  clean['PATH'] = '/usr/sbin:/usr/bin:/sbin:/bin';
  clean['LC_ALL'] = 'C';
  return clean;
}

/**
 * Runs the program to its end.
 *
 * @throws PmemError `ERR_PMEM_NO_PROGRAM` where there is none, with the paths that were tried; else what
 *   `child_process.execFileSync` throws, with what the program wrote to stderr.
 */
export function runSystemProgram(
  name: string,
  words: readonly string[],
  directories: readonly string[] = SYSTEM_DIRECTORIES,
): void {
  const paths = directories.map((directory) => join(directory, name));
  const path = paths.find((one) => existsSync(one));
  if (path === undefined) {
    throw new PmemError(
      'ERR_PMEM_NO_PROGRAM',
      `there is no ${name}: neither ${paths.join(' nor ')} exists; install it`,
    );
  }
  execFileSync(path, [...words], {
    cwd: '/',
    env: environment(),
    shell: false,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
}

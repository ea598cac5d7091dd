/**
 * Runs programs of the system. This process may run as root in an environment and directory that another user chose. So a program is
 * named by its full path, not searched for in PATH, and gets nothing of this process's environment.
 */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PmemError } from '../errors.js';

/** Directories of the administrator's programs, to which only root can write. */
export const SYSTEM_DIRECTORIES: readonly string[] = ['/sbin', '/usr/sbin'];

/**
 * The environment of a program. PATH is for the commands in modprobe.d(5). The object has no prototype, because Node.js passes
 * inherited properties on.
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
 * @throws PmemError `ERR_PMEM_NO_PROGRAM` where none of the directories has the program; else the error of
 *   `child_process.execFileSync`, with the program's stderr
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

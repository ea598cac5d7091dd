/** Paths that must exist, in the words of the command line: the library's advice names options of its functions. */

import { PmemError, posixError } from '../errors.js';

/** Runs what opens the path. */
export function withExisting<Result>(path: string, open: () => Result): Result {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof PmemError) || error.code !== 'ENOENT') throw error;
    const sentence = `there is no '${path}'. Name an existing file or device; 'pmem list' shows the devices`;
    throw posixError('ENOENT', sentence, { path, cause: error });
  }
}

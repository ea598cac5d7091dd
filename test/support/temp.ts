/** Directories for the files of one suite. They are removed after it. */

import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './paths.js';

const TMPFS_MAGIC = 0x01021994;

/** Whether files in the directory are lost at power-off. */
export function isTmpfs(directory: string): boolean {
  try {
    return statfsSync(directory).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
}

/** A directory on a disk, where persist is an msync. (The system's temporary directory is a tmpfs on many machines.) */
function diskDirectory(): string {
  if (!isTmpfs(tmpdir())) return tmpdir();
  const own = join(ROOT, '.cache');
  mkdirSync(own, { recursive: true });
  return own;
}

function inDirectory(parent: () => string | undefined, reason: string): (name: string) => string {
  let directory: string | undefined;
  let count = 0;
  before(function () {
    const where = parent();
    if (where === undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    directory = mkdtempSync(join(where, 'pmem-test-'));
  });
  after(() => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });
  return (name) => join(directory ?? '', `${count++}-${name}`);
}

/** Gives the suite a directory on a disk. Call it in `describe`. The returned function names a new file in the directory. */
export function onDisk(): (name: string) => string {
  return inDirectory(diskDirectory, '');
}

/** Gives the suite a directory on tmpfs, or skips the suite if there is none. */
export function onTmpfs(): (name: string) => string {
  return inDirectory(() => ['/dev/shm', tmpdir()].find(isTmpfs), 'no tmpfs that can be written to');
}

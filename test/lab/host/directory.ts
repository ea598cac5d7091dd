/** A directory for the images of one test file, kept when `--keep` is given. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from '../toolbox.js';

let count = 0;
let own: string | undefined;

/** A new, empty directory; the whole is removed in the end by whoever gave it, or here. */
export function jobDirectory(): string {
  const given = process.env['PMEM_LAB_DIRECTORY'];
  if (given === undefined && own === undefined) {
    mkdirSync(CACHE, { recursive: true });
    own = mkdtempSync(join(CACHE, 'job-'));
  }
  const directory = join(given ?? own ?? '', String(count++));
  mkdirSync(directory, { recursive: true });
  return directory;
}

after(() => {
  if (own !== undefined) rmSync(own, { recursive: true, force: true });
});

/** What the host gives to tests that start guests. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { killAll } from '../guest.js';
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

/** Seconds without a sign of life after which a guest counts as hanging. */
export function guestLimit(): number {
  return Number(process.env['PMEM_LAB_LIMIT'] ?? 900);
}

// A test that failed half-way must not leave its guests behind.
afterEach(killAll);

after(() => {
  if (own !== undefined) rmSync(own, { recursive: true, force: true });
});

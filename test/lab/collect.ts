/** Assigns test files to machines. */

import { deepStrictEqual } from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import { ROOT } from '../support/paths.js';
import type { Machine } from './machine.js';
import { everything } from './machines.js';

/** Test files that run in one start of a machine. */
export interface GuestJob {
  readonly machine: Machine;
  readonly files: readonly string[];
}

const HERE = dirname(fileURLToPath(import.meta.url));

/** The lab's own tests. */
export function testFiles(folder: 'guest' | 'host'): string[] {
  const names = readdirSync(join(HERE, folder)).filter((name) => name.endsWith('.test.js'));
  return names.sort().map((name) => join(HERE, folder, name));
}

/** The compiled file of a source that somebody named. */
export function compiled(file: string): string {
  const path = resolve(file);
  const source = join(ROOT, 'test');
  if (!path.startsWith(`${source}/`) || !path.endsWith('.ts')) return path;
  return join(ROOT, 'out', 'test', `${path.slice(source.length + 1, -'.ts'.length)}.js`);
}

/** The machines that the file exports, and whether a title of its tests matches. */
async function look(file: string, grep: RegExp | undefined): Promise<{ machines: Machine[]; matches: boolean }> {
  const mocha = new Mocha({ ui: 'bdd' });
  let machines: Machine[] = [];
  mocha.suite.on(Mocha.Suite.constants.EVENT_FILE_REQUIRE, (module: { machines?: Machine[] }) => {
    machines = module.machines ?? [];
  });
  await mocha.addFile(file).loadFilesAsync();
  let matches = false;
  mocha.suite.eachTest((test: Mocha.Test) => {
    if (grep === undefined || grep.test(test.fullTitle())) matches = true;
  });
  return { machines, matches };
}

/** The value of `--grep`: a text, or a regular expression between slashes. */
export function pattern(grep: string): RegExp {
  const [, source, flags] = /^\/(.*)\/(i?)$/.exec(grep) ?? [];
  return source === undefined ? new RegExp(grep.replace(/[|\\{}()[\]^$+*?.]/g, '\\$&')) : new RegExp(source, flags);
}

/** The tests in guests, by machine. A file that declares no machine runs on the one with everything. */
export async function guestJobs(files: readonly string[], grep: RegExp | undefined): Promise<GuestJob[]> {
  const jobs = new Map<string, { machine: Machine; files: string[] }>();
  for (const file of files) {
    const { machines, matches } = await look(file, grep);
    if (!matches) continue;
    for (const machine of machines.length > 0 ? machines : [everything]) {
      const job = jobs.get(machine.name) ?? { machine, files: [] };
      deepStrictEqual(machine, job.machine, `two machines are called '${machine.name}'`);
      job.files.push(file);
      jobs.set(machine.name, job);
    }
  }
  // The longest first, so that no worker is idle at the end.
  return [...jobs.values()].sort((a, b) => b.files.length - a.files.length);
}

/** The files with a matching test. */
export async function matching(files: readonly string[], grep: RegExp | undefined): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) if ((await look(file, grep)).matches) found.push(file);
  return found;
}

/** Whether the file's tests start guests themselves. */
export function isForHost(file: string): boolean {
  return dirname(file) === join(HERE, 'host');
}

/** The package as users get it: made once for all suites, from a copy, so that neither dist/ nor build/ is disturbed. */

import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { npm, succeed } from './npm.js';

const created: string[] = [];

/** A new directory outside of the repository, where no node_modules above can help; removed after the last suite. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pmem-package-'));
  created.push(directory);
  return directory;
}

after(() => {
  for (const directory of created) rmSync(directory, { recursive: true, force: true });
});

const LEFT_OUT = new Set(['node_modules', 'build', '.git', '.cache', 'out', 'prebuilds']);

function isSource(path: string): boolean {
  const status = lstatSync(path);
  return status.isFile() || (status.isDirectory() && basename(path) !== 'build');
}

/** A copy of the repository, to build in. */
export function copyOfRepository(): string {
  const copy = join(scratch(), 'repository');
  mkdirSync(copy);
  for (const name of readdirSync(ROOT)) {
    if (LEFT_OUT.has(name)) continue;
    cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter: isSource });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

export interface Packed {
  readonly tarball: string;
  /** The tarball's contents. */
  readonly unpacked: string;
}

let made: Packed | undefined;

/** `npm pack`, with everything lying about that must not get in. */
export function packed(): Packed {
  if (made !== undefined) return made;
  const copy = copyOfRepository();
  for (const stale of ['dist/stale.js', 'dist/memory/stale.d.ts', 'prebuilds/linux-s390x/stale.node']) {
    mkdirSync(join(copy, stale, '..'), { recursive: true });
    writeFileSync(join(copy, stale), 'stale');
  }
  const place = scratch();
  npm(['pack', '--pack-destination', place], { cwd: copy });
  const [tarball = ''] = readdirSync(place).filter((name) => name.endsWith('.tgz'));
  succeed('tar', ['-xzf', tarball], { cwd: place });
  made = { tarball: join(place, tarball), unpacked: join(place, 'package') };
  return made;
}

/** An empty project with the tarball installed and no script run, on a machine without a compiler. */
export function installed(): string {
  const { tarball } = packed();
  const project = join(scratch(), 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }\n');
  npm(['install', '--ignore-scripts', tarball], { cwd: project, env: { PATH: bareBin() } });
  return project;
}

/** A directory for PATH with Node.js and what npm starts programs by, and no compiler, make or python. */
export function bareBin(node: string = process.execPath): string {
  const bin = join(scratch(), 'bin');
  mkdirSync(bin);
  symlinkSync(node, join(bin, 'node'));
  for (const file of ['/bin/sh', '/usr/bin/env']) symlinkSync(file, join(bin, basename(file)));
  return bin;
}

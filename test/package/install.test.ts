/** Installing the tarball: with scripts and without, with a compiler and without. */

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { npm, run, succeed } from './npm.js';
import { bareBin, installed, packed, scratch } from './packed.js';

const LOADED = `import { cpuPaths } from 'pmem';
import { readFileSync } from 'node:fs';
cpuPaths();
console.log(/\\S+pmem\\.node$/m.exec(readFileSync('/proc/self/maps', 'utf8'))[0]);`;

/** Path of the addon that a program in the directory gets. */
function loadedBy(cwd: string): string {
  return succeed(process.execPath, ['--input-type=module', '--eval', LOADED], { cwd }).trim();
}

const PREBUILD = join('prebuilds', `linux-${process.arch}`, 'pmem.node');

describe('Installing the tarball', () => {
  it('needs neither scripts nor a compiler', () => {
    const project = installed();
    const home = join(project, 'node_modules', 'pmem');
    assert.equal(loadedBy(project), join(home, PREBUILD));
    assert(!existsSync(join(home, 'build')));
  });

  it('compiles nothing, even if install scripts run', () => {
    const project = scratch();
    writeFileSync(join(project, 'package.json'), '{ "private": true, "allowScripts": { "pmem": true } }\n');
    const bin = bareBin();
    const output = npm(['install', '--foreground-scripts', packed().tarball], { cwd: project, env: { PATH: bin } });
    assert.match(output, /> node native\/install\.cjs/);
    assert.doesNotMatch(output, /node-gyp|gyp info/);
    const home = join(project, 'node_modules', 'pmem');
    assert(!existsSync(join(home, 'build')));
    assert.equal(loadedBy(project), join(home, PREBUILD));

    // From the lockfile, where npm has its own idea of what a package with a binding.gyp needs.
    rmSync(join(project, 'node_modules'), { recursive: true });
    const again = npm(['ci', '--foreground-scripts'], { cwd: project, env: { PATH: bin } });
    assert.match(again, /> node native\/install\.cjs/);
    assert.doesNotMatch(again, /node-gyp|gyp info/);
    assert(!existsSync(join(home, 'build')));
  });

  it('installs only what the addon and its build need', () => {
    const lock: unknown = JSON.parse(readFileSync(join(installed(), 'package-lock.json'), 'utf8'));
    assert(typeof lock === 'object' && lock !== null && 'packages' in lock);
    assert.deepEqual(Object.keys(lock.packages as object).sort(), [
      '',
      'node_modules/bindings',
      'node_modules/file-uri-to-path',
      'node_modules/node-addon-api',
      'node_modules/pmem',
    ]);
  });

  describe('if the binary does not load', () => {
    let home: string;

    beforeEach(() => {
      // A package by itself, with the dependencies that it names.
      const modules = join(scratch(), 'node_modules');
      home = join(modules, 'pmem');
      mkdirSync(modules);
      cpSync(packed().unpacked, home, { recursive: true });
      for (const name of ['bindings', 'file-uri-to-path', 'node-addon-api']) {
        symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
      }
      rmSync(join(home, 'prebuilds'), { recursive: true });
    });

    it('builds from the sources in the package', () => {
      const path = `${join(ROOT, 'node_modules', '.bin')}:${process.env['PATH']}`;
      succeed(process.execPath, ['native/install.cjs'], { cwd: home, env: { PATH: path, JOBS: 'max' } });
      assert.equal(loadedBy(home), join(home, 'build', 'Release', 'pmem.node'));
    });

    it('fails without a compiler, and says what it needs', () => {
      const { status, stderr } = run('node', ['native/install.cjs'], { cwd: home, env: { PATH: bareBin() } });
      assert.equal(status, 1);
      assert.match(stderr, /pmem: the addon could not be built\. It needs python3, make and a C\+\+17 compiler\./);
    });
  });
});

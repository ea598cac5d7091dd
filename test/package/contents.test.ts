/** What `npm pack` puts into the tarball: what a user needs, and nothing else. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { run, succeed } from './npm.js';
import { bareBin, copyOfRepository, packed } from './packed.js';

const ARCHITECTURES = ['arm64', 'x64'] as const;

/** Paths of all files below the directory, sorted. */
function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(directory, name)).isFile())
    .sort();
}

/** 2.9 is before 2.10. */
function compareVersions(one: string, other: string): number {
  const [left, right] = [one, other].map((version) => version.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

describe('The packed tarball', () => {
  let root: string;
  let files: string[];

  const pathOf = (arch: string): string => join(root, 'prebuilds', `linux-${arch}`, 'pmem.node');

  before(() => {
    root = packed().unpacked;
    files = filesOf(root);
  });

  it('holds every compiled module with its types, those of CommonJS for each subpath, and no stale one', () => {
    const modules = filesOf(join(ROOT, 'lib')).map((name) => name.replace(/\.ts$/, ''));
    const expected = modules.flatMap((name) => {
      const isSubpath = /^(\w+\/)?index$/.test(name);
      return ['.d.ts', '.js', ...(isSubpath ? ['.d.cts'] : [])].map((end) => `dist/${name}${end}`);
    });
    assert.deepEqual(
      files.filter((name) => name.startsWith('dist/')),
      expected.sort(),
    );
  });

  it('holds what a build from source needs', () => {
    const sources = filesOf(join(ROOT, 'native'));
    assert.deepEqual(
      files.filter((name) => name.startsWith('native/')),
      sources.map((name) => `native/${name}`).sort(),
    );
  });

  it('holds the pages and examples that README.md links to', () => {
    for (const place of ['docs', 'examples']) {
      assert.deepEqual(
        files.filter((name) => name.startsWith(`${place}/`)),
        filesOf(join(ROOT, place)).map((name) => `${place}/${name}`),
      );
    }
  });

  it('holds nothing else but the binaries, the manifest and the documents', () => {
    assert.deepEqual(
      files.filter((name) => !/^(dist|native|docs|examples)\//.test(name)),
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'SECURITY.md',
        'binding.gyp',
        'package.json',
        'prebuilds/linux-arm64/pmem.node',
        'prebuilds/linux-x64/pmem.node',
      ],
    );
  });

  it('is at most 2.75 MiB unpacked and 1 MiB packed', () => {
    const total = files.reduce((sum, name) => sum + statSync(join(root, name)).size, 0);
    assert(total < 11 * 2 ** 18, `${total} bytes unpacked`);
    const { size } = statSync(packed().tarball);
    assert(size < 2 ** 20, `${size} bytes packed`);
  });

  it('names files that exist as main, types, exports and bin', () => {
    const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const named = JSON.stringify(manifest).match(/"\.\/[^"*]+"/g) ?? [];
    const missing = named
      .map((name) => name.slice(3, -1))
      .filter((name) => /^dist\//.test(name) && !files.includes(name));
    assert(named.length >= 4);
    assert.deepEqual(missing, []);
  });

  it('has a command that Node.js runs', () => {
    assert.match(readFileSync(join(root, 'dist/cli/main.js'), 'utf8'), /^#!\/usr\/bin\/env node\n/);
  });

  for (const arch of ARCHITECTURES) {
    describe(`the binary for ${arch}`, () => {
      let binary: Buffer;

      before(() => {
        binary = readFileSync(pathOf(arch));
      });

      it('is for that architecture', () => {
        assert.equal(binary.subarray(1, 4).toString(), 'ELF');
        assert.equal(binary.readUInt16LE(18), { x64: 62, arm64: 183 }[arch]); // e_machine: elf(5)
      });

      it('is stripped', () => {
        const text = binary.toString('latin1');
        assert(!/\.symtab|\.debug_/.test(text));
      });

      const readelf = (...options: string[]) => succeed('readelf', ['--wide', ...options, pathOf(arch)], { cwd: root });

      it('is linked with full RELRO, and without an executable stack', () => {
        assert.match(readelf('--program-headers'), /^ *GNU_RELRO /m);
        assert.match(readelf('--dynamic'), /\(FLAGS\) .*BIND_NOW/);
        assert.match(readelf('--dynamic'), /\(FLAGS_1\) .*NOW/);
        assert.match(readelf('--program-headers'), /^ *GNU_STACK .* RW /m);
      });

      it('is built with the stack protector and FORTIFY, and calls no strcpy', () => {
        const symbols = readelf('--dyn-syms');
        assert.match(symbols, / UND __stack_chk_fail\b/);
        assert.match(symbols, / UND __\w+_chk\b/); // FORTIFY
        assert.doesNotMatch(symbols, / UND (strcpy|strcat|sprintf|vsprintf|gets)\b/);
      });

      // What Node.js 20 itself was linked to: where it runs, the addon loads.
      for (const [library, newest] of [
        ['GLIBC', '2.28'],
        ['GLIBCXX', '3.4.21'],
        ['CXXABI', '1.3.9'],
      ] as const) {
        it(`needs no newer ${library} than Node.js does`, () => {
          const text = binary.toString('latin1');
          const needed = [...text.matchAll(new RegExp(`\\0${library}_([0-9.]+)(?=\\0)`, 'g'))].map(
            ([, version]) => version,
          );
          assert(needed.length > 0);
          assert.deepEqual(
            needed.filter((version) => version === undefined || compareVersions(version, newest) > 0),
            [],
          );
        });
      }
    });
  }
});

describe('Packing', () => {
  it('fails without a cross compiler, and says what to install', () => {
    const cwd = copyOfRepository();
    const { status, stderr } = run('node', ['.ci/prebuild.mjs'], { cwd, env: { PATH: bareBin() } });
    assert.equal(status, 1);
    assert.match(stderr, /no compiler for x64 and arm64\. On Debian: apt-get install make .*g\+\+-aarch64-linux-gnu/);
  });

  it('leaves no prebuilds/ after a build that fails', () => {
    const cwd = copyOfRepository();
    writeFileSync(join(cwd, 'native', 'addon.cc'), '#error broken\n');
    const { status, stderr } = run('node', ['.ci/prebuild.mjs'], { cwd });
    assert.equal(status, 1);
    assert.match(stderr, /prebuild: the build for x64 failed/);
    assert(!readdirSync(cwd).includes('prebuilds'));
  });
});

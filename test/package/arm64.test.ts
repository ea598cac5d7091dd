/**
 * The binary for arm64, from the tarball, under qemu-user: the tests of the mapping, the kernels and the fault handlers run
 * once with each instruction that flushes and each way to a checksum.
 */

import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { ARM64_VERSION, fetchNode } from './nodes.js';
import { type RunResult, start, succeed } from './npm.js';
import { packed, scratch } from './packed.js';

const QEMU = 'qemu-aarch64-static';
const PREFIX = 'aarch64-linux-gnu-';
const LIBRARIES = '/usr/aarch64-linux-gnu';
const SOURCES = join(ROOT, 'test', 'package', 'arm64');

/** What a copy, a checksum and a fault do: worth running with both instructions. */
const COPIES = ['memory/region/crc32c', 'memory/region/overlap', 'memory/region/truncation'];

/** Beside them, what goes through the addon. Each process takes seconds to start, so not all that have many are here. */
const REST = [
  'memory/region/after-close',
  'memory/region/arguments',
  'memory/region/async',
  'memory/region/fast-sector',
  'memory/region/create',
  'memory/region/options',
  'memory/region/paths',
  'memory/region/read-only',
  'memory/region/slices',
  'memory/region/transfer',
];

/** Titles of tests in them that ask for what qemu-user is not. */
const LEFT_OUT = [
  'no address space', // it notes the protection of every page of a mapping: 64 TiB of them are no small matter
  'files of proc and sysfs', // its /proc/self/maps is an ordinary file
];

const CVAP = { PMEM_FLUSH: 'dc cvap', PMEM_CRC32C: 'instruction' };
const CVAC = { PMEM_FLUSH: 'dc cvac', PMEM_CRC32C: 'table' };

const RUNS = [
  { env: CVAP, suites: ['native/signals'], leftOut: LEFT_OUT },
  { env: CVAP, suites: ['native/kernels', ...COPIES, ...REST], leftOut: LEFT_OUT }, // the first runs children with both
  // Up to qemu 8.0, `dc cvac` does nothing, not even where there is no page.
  { env: CVAC, suites: COPIES, leftOut: [...LEFT_OUT, 'with cache-line granularity makes every call past the end'] },
];

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

function available(): boolean {
  const directory = join(ROOT, '.cache');
  mkdirSync(directory, { recursive: true });
  try {
    succeed(QEMU, ['--version'], { cwd: directory });
    succeed(`${PREFIX}g++`, ['--version'], { cwd: directory });
    return true;
  } catch {
    return false;
  }
}

/** A program that starts Node.js for arm64; a shell script, so that the kernel of another architecture can execute it. */
function startingNode(home: string, setup: string): string {
  const program = join(home, 'node');
  // The limit, in KiB, is for a test that qemu-user cannot take: it must not take the machine with it.
  const start = `exec ${QEMU} -L ${LIBRARIES} '${fetchNode('arm64', ARM64_VERSION)}'`;
  writeFileSync(program, `#!/bin/sh\nulimit -d 6000000\n${start} --require '${setup}' "$@"\n`);
  chmodSync(program, 0o755);
  return program;
}

/** The tests beside the package as it was packed, and the addons that they need. */
function laidOut(): { home: string; node: string } {
  const home = join(scratch(), 'arm64');
  cpSync(packed().unpacked, home, { recursive: true });
  cpSync(join(ROOT, 'out', 'test'), join(home, 'out', 'test'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
  copyFileSync(join(SOURCES, 'setup.cjs'), join(home, 'setup.cjs'));
  const shared = ['-shared', '-fPIC', '-O1', '-Wall', '-Werror'];
  succeed(`${PREFIX}gcc`, [...shared, '-o', join(home, 'cvap.node'), join(SOURCES, 'cvap.c')], { cwd: home });

  const native = join(home, 'test', 'native');
  const release = join(native, 'build', 'Release');
  mkdirSync(release, { recursive: true });
  for (const name of ['call.h', 'signals.cc']) copyFileSync(join(ROOT, 'test', 'native', name), join(native, name));
  const include = join(fetchNode('arm64', ARM64_VERSION), '..', '..', 'include', 'node');
  const options = ['-std=c++17', '-DNAPI_VERSION=8', `-I${include}`, '-o', join(release, 'signals.node'), 'signals.cc'];
  succeed(`${PREFIX}g++`, [...shared, ...options], { cwd: native });
  return { home, node: startingNode(home, join(home, 'setup.cjs')) };
}

describe('The binary for arm64', () => {
  let home: string;
  let node: string;
  /** They run side by side. */
  let runs: Promise<RunResult>[];

  before(function () {
    if (!available()) {
      const reason = `needs ${QEMU} and a cross compiler: apt-get install qemu-user-static g++-aarch64-linux-gnu`;
      if (process.env['CI'] === 'true') throw new Error(reason);
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    ({ home, node } = laidOut());
    runs = RUNS.map((_, index) => mocha(index));
  });

  const resultsOf = (index: number): string => join(home, `results-${index}.json`);

  function mocha(index: number): Promise<RunResult> {
    const { env, suites, leftOut } = RUNS[index] ?? assert.fail();
    const files = suites.map((name) => `out/test/${name}.test.js`);
    const missing = files.filter((name) => !existsSync(join(home, name)));
    assert.deepEqual(missing, []);
    const options = ['--no-package', '--no-config', '--exit', '--reporter', './out/test/support/reporter.js'];
    const selection = ['--timeout', '3600000', '--invert', '--grep', leftOut.join('|'), ...files];
    return start(
      node,
      ['--expose-gc', '--enable-source-maps', 'node_modules/mocha/bin/mocha.js', ...options, ...selection],
      { cwd: home, env: { ...env, PMEM_TEST_NODE: node, PMEM_TEST_RESULTS: resultsOf(index) } },
    );
  }

  for (const env of [CVAP, CVAC]) {
    it(`is loaded, and takes ${env.PMEM_FLUSH} and the CRC ${env.PMEM_CRC32C}`, () => {
      const program = "import('pmem').then(({ cpuPaths }) => console.log(JSON.stringify([process.arch, cpuPaths()])))";
      const output = succeed(node, ['--eval', program], { cwd: home, env });
      const [arch, paths] = JSON.parse(output) as [string, { flush: string; crc32c: string }];
      assert.deepEqual([arch, paths.flush, paths.crc32c], ['arm64', env.PMEM_FLUSH, env.PMEM_CRC32C]);
    });
  }

  for (const [index, { env, suites }] of RUNS.entries()) {
    it(`passes ${suites.join(', ')} with ${env.PMEM_FLUSH}`, async () => {
      const { status, stdout, stderr } = (await runs[index]) ?? assert.fail();
      assert.equal(status, 0, stdout + stderr);
      const { passed, failed, skipped } = JSON.parse(readFileSync(resultsOf(index), 'utf8')) as Counts;
      console.log(`      ${passed} tests passed, ${skipped} were skipped`);
      assert.equal(failed, 0);
      assert(passed >= 4 * suites.length, `only ${passed} tests ran`);
    });
  }
});

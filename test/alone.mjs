// Runs each test file of `npm test` in a process of its own, so that none can lean on what another one did; on request several times,
// and beside busy loops, so that none can lean on the machine's speed. `npm run test:alone -- --help` tells how.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const mochaBin = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');

const USAGE = `Usage: npm run test:alone -- [options] [FILE…]

  --load N      beside N busy loops (default: 0)
  --rounds N    each file N times (default: 1)
  --together    all files in one process, as npm test runs them
  -h, --help

FILE is a test file, test/memory/lock/locks.test.ts. 'taskset -c 0,1 npm run test:alone -- --load 4 --rounds 3' has two CPUs for all.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    load: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '1' },
    together: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

function count(name) {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`test:alone: --${name} must be a number from 0 on; got '${values[name]}'\n\n${USAGE}`);
  process.exit(2);
}

const { mocha } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const options = [
  ...['--no-package', '--reporter', mocha.reporter, '--timeout', String(mocha.timeout)],
  ...mocha['node-option'].map((option) => `--${option}`),
];

/** The test files, compiled. */
function testFiles() {
  if (positionals.length > 0) {
    return positionals.map((file) => join('out', relative(root, resolve(file))).replace(/\.ts$/, '.js'));
  }
  const left = mocha.ignore.map((pattern) => pattern.replace(/\*\*$/, ''));
  const all = readdirSync(join(root, 'out', 'test'), { recursive: true })
    .map((file) => join('out', 'test', file))
    .filter((file) => file.endsWith('.test.js'));
  return all.filter((file) => !left.some((directory) => file.startsWith(directory))).sort();
}

// Threads of this process: whatever ends it, they end with it.
for (let i = 0; i < count('load'); i++) new Worker('for (;;);', { eval: true });

const files = testFiles();
const groups = values.together ? [files] : files.map((file) => [file]);
const scratch = mkdtempSync(join(tmpdir(), 'pmem-alone-'));
const failed = [];
for (let round = 1; round <= count('rounds'); round++) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const [number, group] of groups.entries()) {
    const results = join(scratch, `${round}-${number}`);
    const begin = performance.now();
    const { status, stdout, stderr } = spawnSync(process.execPath, [mochaBin, ...options, ...group], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, PMEM_TEST_RESULTS: results },
      maxBuffer: 2 ** 28,
    });
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    let counts = { passed: 0, failed: 0, skipped: 0 };
    try {
      counts = JSON.parse(readFileSync(results, 'utf8'));
    } catch {
      // It ended before it could tell.
    }
    for (const kind of Object.keys(total)) total[kind] += counts[kind];
    const name = values.together ? 'all files' : group[0];
    const verdict = status === 0 && counts.passed + counts.skipped > 0 ? 'ok' : 'FAILED';
    console.log(`${verdict} ${name}: ${counts.passed} passed, ${counts.skipped} skipped, ${seconds} s`);
    if (verdict === 'ok') continue;
    failed.push(`${name}, round ${round}`);
    console.log(stdout + stderr);
  }
  const beside = `beside ${count('load')} busy loops, on ${availableParallelism()} CPUs`;
  console.log(`round ${round}: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped, ${beside}\n`);
}
rmSync(scratch, { recursive: true });
for (const one of failed) console.log(`FAILED ${one}`);
process.exit(failed.length === 0 ? 0 : 1);

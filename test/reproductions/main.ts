/**
 * Runs a directory of reproductions of faults against this checkout, and prints which of them still show the fault:
 * `npm run test:reproductions -- DIRECTORY [WORD…]`; with words, only those whose name contains one.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../support/paths.js';
import { type Ended, run } from './run.js';
import { REPRODUCTIONS, type Reproduction } from './table.js';

/** Lines of output to print for a failure. */
const MOST_LINES = 12;

/** Paths in this checkout of what the package's subpaths export. */
function subpaths(): string[] {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, { readonly default: string } | string>;
  };
  return Object.values(exports).flatMap((one) => (typeof one === 'string' ? [] : [one.default]));
}

/** A package `pmem` that exports all of this checkout from one place, as it did when the programs were written. */
function makePackage(directory: string): void {
  mkdirSync(join(directory, 'dist'), { recursive: true });
  const manifest = {
    name: 'pmem',
    type: 'module',
    exports: { '.': './dist/index.js', './testing': './dist/index.js' },
  };
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest));
  const lines = subpaths().map((path) => `export * from ${JSON.stringify(pathToFileURL(join(ROOT, path)).href)};\n`);
  writeFileSync(join(directory, 'dist', 'index.js'), lines.join(''));
}

/** A copy of the directory in which `pmem` is this checkout, under both names that the programs use. */
function scratchOf(directory: string): string {
  const scratch = mkdtempSync(join(tmpdir(), 'pmem-reproductions-'));
  cpSync(directory, scratch, { recursive: true });
  const pmem = join(scratch, 'pmem');
  makePackage(pmem);
  mkdirSync(join(scratch, 'node_modules'));
  symlinkSync(pmem, join(scratch, 'node_modules', 'pmem'));
  for (const folder of ['memory', 'wild']) mkdirSync(join(scratch, folder, 't', 'img'), { recursive: true });
  return scratch;
}

const INTERPRETERS: Readonly<Record<string, string>> = { '.sh': 'bash', '.py': 'python3', '.mjs': process.execPath };

function commandOf({ file, execArgv = [], args = [], tool, mounts }: Reproduction, scratch: string): string[] {
  const program = [INTERPRETERS[extname(file)] ?? '', ...execArgv, join(scratch, file), ...args];
  const traced = tool === 'strace' ? ['strace', '-f', '-e', 'trace=msync', ...program] : program;
  if (mounts === undefined) return traced;
  return ['unshare', '-m', '--propagation', 'private', 'sh', '-c', `${mounts} && exec "$@"`, 'sh', ...traced];
}

/** Why it cannot run here; undefined if it can. */
function obstacle({ tool, mounts }: Reproduction): string | undefined {
  if (mounts !== undefined && process.getuid?.() !== 0) return 'not root';
  if (tool !== undefined && spawnSync(tool, ['-V']).error !== undefined) return `no ${tool}`;
  return undefined;
}

/** Brings the copy of the program up to what the API is now. */
function bringUpToDate({ file, since = [] }: Reproduction, scratch: string): void {
  const path = join(scratch, file);
  const text = since.reduce((so, [before, now]) => so.replaceAll(before, now), readFileSync(path, 'utf8'));
  if (since.length > 0) writeFileSync(path, text);
}

/** The last lines of its output, each once. */
function excerpt({ stdout, stderr }: Ended): string {
  const lines = new Set(`${stdout}${stderr}`.split('\n').filter((line) => line !== ''));
  return [...lines]
    .slice(-MOST_LINES)
    .map((line) => `         | ${line.slice(0, 160)}`)
    .join('\n');
}

const [directory, ...words] = process.argv.slice(2);
if (directory === undefined || !existsSync(join(directory, 'memory'))) {
  console.error(
    'usage: npm run test:reproductions -- DIRECTORY [WORD…]   (a directory with the folders memory and wild)',
  );
  process.exit(2);
}

const counts = { passed: 0, failed: 0, skipped: 0 };
const scratch = scratchOf(directory);
try {
  for (const one of REPRODUCTIONS) {
    if (words.length > 0 && !words.some((word) => one.file.includes(word))) continue;
    const name = [one.file, ...(one.args ?? [])].join(' ');
    const missing = existsSync(join(scratch, one.file)) ? obstacle(one) : 'not in the directory';
    if (missing !== undefined) {
      counts.skipped++;
      console.log(`skipped  ${name}: ${missing}`);
      continue;
    }
    bringUpToDate(one, scratch);
    const ended = await run(commandOf(one, scratch), dirname(join(scratch, one.file)));
    const wrong = one.judge(ended);
    counts[wrong === undefined ? 'passed' : 'failed']++;
    console.log(wrong === undefined ? `mended   ${name}` : `STILL    ${name}: ${wrong}`);
    if (wrong !== undefined) console.log(excerpt(ended));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;

/** `npm run bench -- SUITE [--json FILE] [--quick] [--directory DIRECTORY]` */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { blockSuite } from './block.js';
import { devdaxSuite } from './devdax.js';
import { machine } from './machine.js';
import { type CaseResult, type Effort, FULL, QUICK } from './measure.js';
import { openSuite } from './open.js';
import { peersSuite } from './peers.js';
import { persistSuite } from './persist.js';

/** What a suite gets. */
export interface SuiteContext {
  /** An empty directory for files. */
  directory: string;
  /** The repository. */
  root: string;
}

interface Suite {
  run: (context: SuiteContext, effort: Effort) => CaseResult[];
  /** The default directory of its files. */
  directory: string;
}

const SUITES: Record<string, Suite> = {
  persist: { run: persistSuite, directory: '/dev/shm' },
  open: { run: openSuite, directory: tmpdir() },
  block: { run: blockSuite, directory: '/dev/shm' },
  devdax: { run: devdaxSuite, directory: '/dev/shm' },
  peers: { run: peersSuite, directory: '/dev/shm' },
};

function table(cases: readonly CaseResult[]): string {
  const lines = cases.map((one) => {
    const peers = Object.entries(one.peers).map(
      ([name, { median_ns }]) =>
        `${name} ${median_ns.toFixed(0).padStart(9)} ns   ratio ${one.ratio[name]?.toFixed(3)}`,
    );
    return [one.case.padEnd(44), `${one.ours.median_ns.toFixed(0).padStart(9)} ns`, ...peers].join('   ');
  });
  return `${lines.join('\n')}\n`;
}

function usage(): never {
  process.stderr.write(
    `usage: npm run bench -- ${Object.keys(SUITES).join('|')} [--json FILE] [--quick] [--directory DIRECTORY]\n`,
  );
  process.exit(2);
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, quick: { type: 'boolean' }, directory: { type: 'string' } },
  });
  const [name = '', ...rest] = positionals;
  const suite = SUITES[name];
  if (suite === undefined || rest.length > 0) usage();
  const directory = mkdtempSync(join(values.directory ?? suite.directory, 'pmem-bench-'));
  const root = fileURLToPath(new URL('../..', import.meta.url));
  try {
    const cases = suite.run({ directory, root }, values.quick ? QUICK : FULL);
    process.stdout.write(table(cases));
    if (values.json !== undefined) {
      writeFileSync(values.json, `${JSON.stringify({ suite: name, machine: machine(), cases }, null, 2)}\n`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

main();

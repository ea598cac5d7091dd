/** The installed package's types, with every check that a user may have switched on. */

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { run } from './npm.js';
import { installed } from './packed.js';

const CONSUMER = `import { type Durability, type Explanation, explain, formatSize, type Memory, PmemError, Region, type RegionOptions, type RegionToken } from 'pmem';
import {
  CrashConsistencyError, type CrashOptions, type CrashStatistics, exploreCrashes, exploreMutants, type MutantReport, SimulatedMemory,
} from 'pmem/testing';

const options: RegionOptions = { create: true, size: '1MiB' };
{
  using region: Region = Region.open('file', options);
  const memory: Memory = region;
  const durability: Durability = memory.durability;
  const bytes: Buffer = region.view(0, 64);
  const word: bigint = region.load64(0);
  const token: RegionToken = region.share();
  const attached: Region = Region.attach(token);
  console.log(formatSize(region.size), durability.granularity, bytes.length, word, attached.size);
}
const explanation: Explanation = explain('file');
const error: unknown = new PmemError('EACCES', 'no');
if (error instanceof PmemError) console.log(error.code.length, error.path?.length, explanation);
const simulated: Memory = SimulatedMemory.create({ size: '4KiB' });
const crashes: CrashOptions<bigint, string> = {
  size: simulated.size,
  workload: (memory, context) => context.operation('one', () => memory.persist(0, 8), 'detail'),
  recover: (memory) => memory.load64(0),
  check: (word, { finished, running }) => word === 0n && finished[0]?.detail?.length === running?.detail?.length,
};
const statistics: CrashStatistics = exploreCrashes(crashes);
const report: MutantReport = exploreMutants({ ...crashes, by: 'occurrence' });
exploreCrashes({
  size: 64,
  workload: (memory) => memory.drain(),
  recover: (memory) => memory.load64(0).toString(),
  check: (found) => found.length > 0,
});
if (error instanceof CrashConsistencyError) console.log(error.story.length, error.replay, statistics.images, report.survivors.length);
`;

const WRONG = `import { Region } from 'pmem';
Region.open('file', { created: true });
Region.open('file').persist('0');
`;

const STRICTEST = {
  target: 'es2022',
  lib: ['es2022', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
};

describe("the installed package's types", () => {
  let project: string;

  before(() => {
    project = installed();
    mkdirSync(join(project, 'node_modules', '@types'));
    symlinkSync(join(ROOT, 'node_modules', '@types', 'node'), join(project, 'node_modules', '@types', 'node'));
  });

  function compile(name: string, source: string, options: object = {}) {
    writeFileSync(join(project, name), source);
    const compilerOptions = { ...STRICTEST, ...options };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [name] }));
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    return run(process.execPath, [tsc, '--project', '.', '--pretty', 'false'], { cwd: project });
  }

  it('serve a module', () => {
    const { status, stdout } = compile('consumer.ts', CONSUMER);
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  it('serve CommonJS', () => {
    const { status, stdout } = compile('consumer.cts', CONSUMER);
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  it('need nothing of the library for explicit resource management', () => {
    const { status, stdout } = compile('plain.ts', CONSUMER.replace('using', 'const'), { lib: ['es2022'] });
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  it('refuse what the package refuses', () => {
    const { status, stdout } = compile('wrong.ts', WRONG);
    assert.notEqual(status, 0);
    assert.match(stdout, /wrong\.ts\(2,.*'created'/);
    assert.match(stdout, /wrong\.ts\(3,/);
  });
});

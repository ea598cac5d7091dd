/** The installed package's types, with every check that a user may have switched on. */

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { run, succeed } from './npm.js';
import { installed } from './packed.js';

/** A program for each subpath, which is both a module and, as a .cts file, CommonJS. */
const CONSUMERS: Readonly<Record<string, string>> = {
  pmem: `import { type Durability, type Explanation, explain, formatSize, type Memory, PmemError, Region, type RegionOptions, type RegionToken } from 'pmem';

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
class OwnError extends PmemError {}
const explanation: Explanation = explain('file');
const error: unknown = new OwnError('EACCES', 'no');
if (error instanceof PmemError) console.log(error.code.length, error.path?.length, explanation);
`,
  'pmem/block': `import { type BlockDevice, Btt, PmemDisk, readPartitionTable } from 'pmem/block';
import { Region } from 'pmem';

const disk: PmemDisk = PmemDisk.open(Region.open('file'));
const device: BlockDevice = disk;
device.write(0, Buffer.alloc(device.sectorSize), { fua: true });
console.log(device.supports.atomicSectors, readPartitionTable(device), Btt.name);
`,
  'pmem/devdax': `import { type CopyReport, copyDevice, DaxDevice, DaxRegion } from 'pmem/devdax';

const device: DaxDevice = DaxDevice.open('/dev/dax0.0');
const copy: Promise<CopyReport> = copyDevice({ input: '/dev/dax0.0', output: 'file' });
console.log(device.size, copy, DaxRegion.name);
`,
  'pmem/volatile': `import { NodeMemory, VolatileArena } from 'pmem/volatile';

let arena: VolatileArena | undefined;
console.log(NodeMemory.name, VolatileArena.name, arena);
`,
  'pmem/testing': `import type { Memory } from 'pmem';
import {
  blockDeviceSuite, CrashConsistencyError, type CrashOptions, type CrashStatistics, exploreCrashes, exploreMutants, type MutantReport, SimulatedMemory,
} from 'pmem/testing';

const simulated: SimulatedMemory = SimulatedMemory.create({ size: '4KiB' });
const memory: Memory = simulated;
const crashes: CrashOptions<bigint, string> = {
  size: memory.size,
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
const error: unknown = undefined;
if (error instanceof CrashConsistencyError) console.log(error.story.length, error.replay, statistics.images, report.survivors.length);
console.log(blockDeviceSuite.length);
`,
};

/** CommonJS as `verbatimModuleSyntax` wants it. */
const REQUIRED = `import pmem = require('pmem');
import testing = require('pmem/testing');
const region: pmem.Region = pmem.Region.open('file');
const explored: testing.CrashOptions<bigint, string> | undefined = undefined;
console.log(region.size, explored);
`;

const WRONG = `import { Region } from 'pmem';
Region.open('file', { created: true });
Region.open('file').persist('0');
`;

const STRICTEST = {
  target: 'es2022',
  lib: ['es2022', 'esnext.disposable'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  skipLibCheck: false,
  noEmit: true,
};

/** The ways to find a package's types that TypeScript has. */
const WAYS: Readonly<Record<string, { readonly extension: string; readonly options: object }>> = {
  'a module under node16': { extension: '.ts', options: { module: 'node16' } },
  'a module under nodenext': { extension: '.ts', options: { module: 'nodenext' } },
  'a module under bundler': { extension: '.ts', options: { module: 'preserve', moduleResolution: 'bundler' } },
  'CommonJS under node16': { extension: '.cts', options: { module: 'node16' } },
  'CommonJS under node18': { extension: '.cts', options: { module: 'node18' } },
  'CommonJS under nodenext': { extension: '.cts', options: { module: 'nodenext' } },
};

/** Classes that users make, as they make a Map. */
const MADE_BY_USERS = ['BadBlocks'];

/** The names of the values that a subpath exports, and of the classes among them that are no errors. */
const LIST_EXPORTS = `const found = {};
for (const path of JSON.parse(process.argv[1])) {
  const all = Object.entries(await import(path));
  const isClass = (value) => typeof value === 'function' && /^class\\b/.test(Function.prototype.toString.call(value));
  found[path] = {
    values: all.map(([name]) => name),
    classes: all.filter(([, value]) => isClass(value) && !(value.prototype instanceof Error)).map(([name]) => name),
  };
}
console.log(JSON.stringify(found));`;

type Exports = Readonly<Record<string, { readonly values: readonly string[]; readonly classes: readonly string[] }>>;

describe('With the types of the installed package,', () => {
  let project: string;
  let exported: Exports;

  before(() => {
    project = installed();
    mkdirSync(join(project, 'node_modules', '@types'));
    symlinkSync(join(ROOT, 'node_modules', '@types', 'node'), join(project, 'node_modules', '@types', 'node'));
    const args = ['--input-type=module', '--eval', LIST_EXPORTS, JSON.stringify(Object.keys(CONSUMERS))];
    exported = JSON.parse(succeed(process.execPath, args, { cwd: project })) as Exports;
  });

  /** Compiles the sources as one program; what the compiler says, by file. */
  function compile(sources: Readonly<Record<string, string>>, options: object): Record<string, string> {
    for (const [name, source] of Object.entries(sources)) writeFileSync(join(project, name), source);
    const compilerOptions = { ...STRICTEST, ...options };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(sources) }));
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status, stdout } = run(process.execPath, [tsc, '--project', '.', '--pretty', 'false'], { cwd: project });
    assert.equal(status === 0, stdout === '', stdout);
    const said: Record<string, string> = {};
    for (const line of stdout.split('\n').filter((one) => /^\S/.test(one))) {
      const name = line.slice(0, line.indexOf('('));
      said[name] = `${said[name] ?? ''}${line}\n`;
    }
    return said;
  }

  function compiles(name: string, source: string, options: object): void {
    assert.deepEqual(compile({ [name]: source }, options), {});
  }

  /** Imports every value, and uses it. */
  function everyValue(): string {
    const imports = Object.entries(exported).map(([path, { values }]) => {
      return `import { ${values.map((name) => `${name} as ${name}_`)} } from '${path}';\n`;
    });
    const uses = Object.values(exported).flatMap(({ values }) => values.map((name) => `${name}_`));
    return `${imports.join('')}console.log(${uses});\n`;
  }

  /** Calls every constructor, which must be an error. */
  function everyConstructor(): string {
    const calls = Object.entries(exported).flatMap(([path, { classes }]) => {
      const names = classes.filter((name) => !MADE_BY_USERS.includes(name));
      if (names.length === 0) return [];
      const news = names.flatMap((name) => [`// @ts-expect-error: ${name} has factories`, `new ${name}();`]);
      return [`import { ${names} } from '${path}';`, ...news];
    });
    return `${calls.join('\n')}\n`;
  }

  for (const [way, { extension, options }] of Object.entries(WAYS)) {
    describe(way, () => {
      const nameOf = (path: string): string => `${path.replace('/', '-')}${extension}`;
      let said: Record<string, string>;

      before(() => {
        const consumers = Object.entries(CONSUMERS).map(([path, source]) => [nameOf(path), source]);
        const sources = {
          ...Object.fromEntries(consumers),
          [`values${extension}`]: everyValue(),
          [`constructors${extension}`]: everyConstructor(),
          [`wrong${extension}`]: WRONG,
        };
        said = compile(sources, options);
      });

      for (const path of Object.keys(CONSUMERS)) {
        it(`can import ${path}`, () => assert.equal(said[nameOf(path)], undefined));
      }

      it('can import every value', () => assert.equal(said[`values${extension}`], undefined));

      it('cannot call a constructor', () => assert.equal(said[`constructors${extension}`], undefined));

      it('is refused unknown options and missing arguments', () => {
        const wrong = said[`wrong${extension}`] ?? '';
        assert.match(wrong, /^wrong\.c?ts\(2,.*'created'/m);
        assert.match(wrong, /^wrong\.c?ts\(3,/m);
      });

      it('finds no error in the declarations themselves', () => {
        assert.deepEqual(Object.keys(said), [`wrong${extension}`]);
      });
    });
  }

  it('CommonJS can assign what require returns, under verbatimModuleSyntax', () => {
    for (const module of ['node16', 'nodenext']) {
      compiles('required.cts', REQUIRED, { module, verbatimModuleSyntax: true });
    }
  });

  it('a module and CommonJS in one program have the same Region', () => {
    writeFileSync(
      join(project, 'opens.mts'),
      `import { Region } from 'pmem';\nexport const region = Region.open('file');\n`,
    );
    const source = `import type { Region } from 'pmem';
import type { region } from './opens.mjs' with { 'resolution-mode': 'import' };
const same: (given: typeof region) => Region = (given) => given;
console.log(same);
`;
    compiles('both.cts', source, { module: 'node16' });
  });

  it('a program needs no library of explicit resource management', () => {
    const sources = Object.entries(CONSUMERS).map(([path, source]) => {
      return [`plain-${path.replace('/', '-')}.ts`, source.replace('using', 'const')];
    });
    assert.deepEqual(compile(Object.fromEntries(sources), { module: 'nodenext', lib: ['es2022'] }), {});
  });
});

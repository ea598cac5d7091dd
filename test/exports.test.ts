/** What each subpath of the package loads, and that it is there for every kind of program. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './support/paths.js';

/** The rooms of lib/ that a subpath needs; '' is floor 1. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  pmem: ['', 'linux', 'memory'],
  'pmem/block': ['', 'block', 'linux', 'memory'],
  'pmem/devdax': ['', 'devdax', 'linux', 'memory'],
  'pmem/volatile': ['', 'linux', 'memory', 'volatile'],
  'pmem/testing': ['', 'memory', 'testing'],
};

const PROGRAM = `import { Session } from 'node:inspector';
const urls = [];
const session = new Session();
session.connect();
session.on('Debugger.scriptParsed', ({ params }) => urls.push(params.url));
session.post('Debugger.enable');
await import(process.argv[1]);
const dist = new URL(process.argv[2]).href;
const addons = process.report.getReport().sharedObjects.filter((name) => name.endsWith('pmem.node'));
console.log(JSON.stringify({ addons, modules: urls.filter((url) => url.startsWith(dist)).map((url) => url.slice(dist.length)) }));`;

interface Loaded {
  /** Paths in dist/. */
  readonly modules: string[];
  readonly addons: string[];
}

function loadedBy(path: string): Loaded {
  const args = ['--input-type=module', '--eval', PROGRAM, path, `file://${join(ROOT, 'dist')}/`];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })) as Loaded;
}

interface Conditions {
  readonly require: { readonly types: string; readonly default: string };
  readonly types: string;
  readonly default: string;
}

describe("The package's subpaths", () => {
  for (const [path, rooms] of Object.entries(NEEDED)) {
    it(`load with ${path} the rooms ${rooms.filter(Boolean).join(', ')} and no other`, () => {
      const { modules } = loadedBy(path);
      const found = new Set(modules.map((name) => (name.includes('/') ? name.slice(0, name.indexOf('/')) : '')));
      assert.deepEqual([...found].sort(), rooms);
      const indexes = modules.filter((name) => /(^|\/)index\.js$/.test(name));
      assert.deepEqual(indexes, [`${path.slice('pmem/'.length)}/index.js`.replace(/^\//, '')]);
    });
  }

  it('load no addon with pmem/testing', () => {
    const { modules, addons } = loadedBy('pmem/testing');
    assert.deepEqual(addons, []);
    assert(!modules.includes('binding.js'));
    const memory = modules.filter((name) => name.startsWith('memory/'));
    assert.deepEqual(memory, ['memory/checks.js']);
  });

  it('load the addon with pmem, which the test above would see', () => {
    assert.equal(loadedBy('pmem').addons.length, 1);
  });

  it('have one module and types for modules and CommonJS, and are all there are', () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, Conditions | string>;
    };
    const subpaths = Object.fromEntries(
      Object.keys(NEEDED).map((path) => {
        const file = `./dist${path.slice('pmem'.length)}/index`;
        const module = `${file}.js`;
        const conditions = {
          require: { types: `${file}.d.cts`, default: module },
          types: `${file}.d.ts`,
          default: module,
        };
        return [path.replace('pmem', '.'), conditions];
      }),
    );
    assert.deepEqual(exports, { ...subpaths, './package.json': './package.json' });
  });
});

/** The house: a file of lib/ imports from its own room and from floors below. Checked here, and so is the linter that checks it. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { ROOT } from './support/paths.js';

/** The rooms of each floor, the lowest first; '' is the files of lib/ itself. */
const FLOORS: readonly (readonly string[])[] = [
  [''],
  ['linux'],
  ['memory'],
  ['ext4', 'block', 'devdax', 'volatile', 'log', 'rdma'],
  ['namespace', 'transaction'],
  ['files', 'map', 'level', 'sqlite', 'nbd', 'testing'],
  ['cli'],
];
const ROOMS = FLOORS.flat();

function floorOf(room: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(room));
}

/** Whether files of one room may import those of another. */
function mayImport(from: string, to: string): boolean {
  return from === to || floorOf(to) < floorOf(from);
}

/** The room of a path in lib/. The index files of the house and of its rooms are faces, not rooms. */
function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}

/** The paths in lib/ that a source imports, types included. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(ROOT, 'lib', path), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)\.js'/g);
  return [...found].map(([, to = '']) => `${posix.join(posix.dirname(path), to)}.ts`);
}

describe('The floors of lib/', () => {
  const files = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );

  it('have a place for every room', () => {
    for (const file of files) assert(floorOf(roomOf(file)) >= 0, `${file} is on no floor`);
  });

  it('are imported from above only', () => {
    const wrong = files
      .filter((file) => file !== 'index.ts')
      .flatMap((file) => importsOf(file).map((to) => ({ file, to })))
      .filter(({ file, to }) => !mayImport(roomOf(file), roomOf(to)));
    assert.deepEqual(wrong, []);
  });

  it('have a face of the memory alone as the package itself', () => {
    const rooms = new Set(importsOf('index.ts').map(roomOf));
    assert.deepEqual([...rooms].sort(), ['', 'memory']);
  });

  it('have index files that no other file of lib/ imports', () => {
    const wrong = files.filter((file) => importsOf(file).some((to) => /(^|\/)index\.ts$/.test(to)));
    assert.deepEqual(wrong, []);
  });
});

describe('The linter', () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'pmem-floors-'));
    for (const name of ['biome.json', '.gitignore']) copyFileSync(join(ROOT, name), join(directory, name));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  interface Report {
    readonly diagnostics: readonly { readonly category: string; readonly location: { readonly path: unknown } }[];
  }

  /** Lints the sources, by their path in lib/; those in which it found something, each with the rule. */
  function lint(sources: Readonly<Record<string, string>>): Record<string, string> {
    rmSync(join(directory, 'lib'), { recursive: true, force: true });
    for (const [path, text] of Object.entries(sources)) {
      mkdirSync(join(directory, 'lib', dirname(path)), { recursive: true });
      writeFileSync(join(directory, 'lib', path), text);
    }
    const biome = join(ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
    const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '.'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' });
    assert(stdout.startsWith('{'), stderr);
    const { diagnostics } = JSON.parse(stdout) as Report;
    assert.equal(status !== 0, diagnostics.length > 0, 'what it found is no failure');
    return Object.fromEntries(
      diagnostics.map(({ category, location }) => [
        posix.relative('lib', typeof location.path === 'string' ? location.path : JSON.stringify(location.path)),
        category,
      ]),
    );
  }

  /** A source in one room that imports from another. */
  function source(from: string, to: string, name: string): [path: string, text: string] {
    const path = posix.join(from, name);
    const target = posix.relative(posix.dirname(path), posix.join(to, 'deep/thing.js'));
    return [path, `export { thing } from '${target.startsWith('.') ? target : `./${target}`}';\n`];
  }

  it('refuses an import from the same floor or from above, and no other', () => {
    const sources: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const from of ROOMS) {
      for (const to of ROOMS.filter((room) => room !== '')) {
        for (const name of from === '' ? [`to-${to}.ts`] : [`to-${to}.ts`, `room/to-${to}.ts`]) {
          const [path, text] = source(from, to, name);
          sources[path] = text;
          if (!mayImport(from, to)) expected[path] = 'lint/style/noRestrictedImports';
        }
      }
    }
    const found = lint(sources);
    const all = [...new Set([...Object.keys(found), ...Object.keys(expected)])].sort();
    assert.deepEqual(
      all.map((path) => [path, found[path]]),
      all.map((path) => [path, expected[path]]),
    );
  });

  it('refuses an import of an index file', () => {
    const found = lint({ 'memory/a.ts': "export { thing } from './index.js';\n" });
    assert.deepEqual(found, { 'memory/a.ts': 'lint/style/noRestrictedImports' });
  });

  it('refuses files that import each other', () => {
    const found = lint({
      'memory/a.ts': "import { b } from './b.js';\nexport const a = (): unknown => b;\n",
      'memory/b.ts': "import { a } from './a.js';\nexport const b = (): unknown => a;\n",
    });
    assert.deepEqual(Object.values(found), ['lint/suspicious/noImportCycles', 'lint/suspicious/noImportCycles']);
  });
});

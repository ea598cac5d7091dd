/**
 * What the pages say in code and in links. Blocks of TypeScript are compiled in one program, as strictly as a user may; those that are
 * marked `<!-- run -->` are run, each in a process and a directory of its own, and print what the page shows, where `…` stands for
 * anything within a line.
 */

import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { anchorsOf, type Block, blocksOf, linksOf } from './support/markdown.js';
import { ROOT } from './support/paths.js';
import { onDisk } from './support/temp.js';

const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const COMPILER_OPTIONS = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  outDir: 'out',
  rootDir: 'source',
};

/** Languages of blocks that are no program: what a test of their own looks at, or what a program prints. */
const OTHER_LANGUAGES = ['', 'text', 'sh', 'ini'];

interface Placed extends Block {
  readonly page: string;
  /** The file's name without its ending. */
  readonly name: string;
  readonly title: string;
}

function placed(page: string): Placed[] {
  return blocksOf(readFileSync(join(ROOT, page), 'utf8')).map((block) => ({
    ...block,
    page,
    name: `${basename(page, '.md')}-${block.line}`,
    title: `${page}:${block.line}`,
  }));
}

function assertPrints(printed: string, expected: string): void {
  const pattern = expected
    .trimEnd()
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  assert.match(printed.trimEnd(), new RegExp(`^${pattern}$`));
}

const blocks = PAGES.flatMap(placed);

describe('The pages', () => {
  const file = onDisk();
  let home = '';
  let compiled: SpawnSyncReturns<string> | undefined;

  before(() => {
    home = file('blocks');
    mkdirSync(join(home, 'source'), { recursive: true });
    mkdirSync(join(home, 'node_modules'));
    symlinkSync(ROOT, join(home, 'node_modules', 'pmem'));
    symlinkSync(join(ROOT, 'node_modules', '@types'), join(home, 'node_modules', '@types'));
    writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
    writeFileSync(
      join(home, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ['source'] }),
    );
    for (const { language, name, code, given = '' } of blocks) {
      // A module, whatever is in it.
      if (language === 'ts') writeFileSync(join(home, 'source', `${name}.ts`), `${given}\n${code}\nexport {};\n`);
    }
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    compiled = spawnSync(process.execPath, [tsc, '--project', home, '--pretty', 'false'], { encoding: 'utf8' });
  });

  it('have programs in JavaScript that are run, programs in TypeScript, and nothing else that could be wrong', () => {
    const wrong = blocks.filter(
      ({ language, isRun, example }) =>
        !OTHER_LANGUAGES.includes(language) &&
        language !== 'ts' &&
        !(language === 'js' && (isRun || example !== undefined)),
    );
    assert.deepEqual(
      wrong.map(({ title, language }) => `${title} ${language}`),
      [],
    );
  });

  for (const { title, name } of blocks.filter(({ language }) => language === 'ts')) {
    it(`have a program that type-checks at ${title}`, () => {
      const { stdout = '', error } = compiled ?? {};
      assert.ifError(error);
      const complaints = stdout.split('\n').filter((line) => line.includes(`${name}.ts(`));
      assert.deepEqual(complaints, []);
    });
  }

  it('have programs that type-check together', () => {
    assert.equal(compiled?.stdout, '');
    assert.equal(compiled?.status, 0);
  });

  for (const { title, name, code, language, prints, isRun, example } of blocks) {
    if (!isRun && example === undefined) continue;
    it(`have a program that runs at ${title}`, () => {
      const cwd = join(home, `run-${name}`);
      mkdirSync(cwd);
      const program = language === 'ts' ? join(home, 'out', `${name}.js`) : join(home, `${name}.mjs`);
      if (language === 'js') writeFileSync(program, code);
      const { PMEM_ASSUME_PERSISTENT, ...env } = process.env;
      const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program], {
        cwd,
        env,
        encoding: 'utf8',
        timeout: 600_000, // ends what hangs
      });
      assert.equal(stderr, '');
      assert.equal(status, 0, String(signal));
      if (prints !== undefined) assertPrints(stdout, prints);
    });
  }

  it('link to files and headings that there are', () => {
    const missing: string[] = [];
    for (const page of PAGES) {
      for (const target of linksOf(readFileSync(join(ROOT, page), 'utf8'))) {
        const [path = '', anchor] = target.split('#');
        const at = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
        if (!existsSync(at)) missing.push(`${page}: ${target}`);
        else if (anchor !== undefined && !anchorsOf(readFileSync(at, 'utf8')).includes(anchor)) {
          missing.push(`${page}: ${target}`);
        }
      }
    }
    assert.deepEqual(missing, []);
  });

  /** Of the repository, not of what is built in it. */
  function sourceFiles(): string[] {
    return ['.ci', 'lib', 'native', 'test', 'benchmarks'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((path) => /\.(?:ts|cc|h|cjs|mjs)$/.test(path) && !path.includes('/build/'))
        .map((path) => `/${folder}/${path}`),
    );
  }

  it('name functions and classes that there are', () => {
    const all = sourceFiles()
      .filter((path) => !path.startsWith('/test/docs.test.ts'))
      .map((path) => readFileSync(join(ROOT, path), 'utf8'))
      .join('\n');
    const page = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
    const names = [...page.matchAll(/`(?:\w+(?:::|\.))?([A-Za-z]\w*)(?:\(\))?`/g)].map(([, name = '']) => name);
    const missing = names.filter((name) => /[a-z][A-Z]|_/.test(name) && !new RegExp(`\\b${name}\\b`).test(all));
    assert(names.length > 20);
    assert.deepEqual(missing, []);
  });

  it('name source files that there are', () => {
    const sources = sourceFiles();
    const missing = ['ARCHITECTURE.md', 'CONTRIBUTING.md'].flatMap((page) =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/`([\w./-]+\.(?:ts|cc|h|cjs|mjs))`/g)]
        .map(([, name = '']) => name)
        .filter((name) => !sources.some((path) => path.endsWith(`/${name}`)))
        .map((name) => `${page}: ${name}`),
    );
    for (const picture of readdirSync(join(ROOT, 'docs', 'pictures'))) {
      const text = readFileSync(join(ROOT, 'docs', 'pictures', picture), 'utf8');
      for (const [name] of text.matchAll(/\b(?:lib|native)\/[\w/-]+\.(?:ts|cc|h)\b/g)) {
        if (!sources.includes(`/${name}`)) missing.push(`${picture}: ${name}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  it('name tests that there are, by their paths', () => {
    const missing = PAGES.flatMap((page) =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\btest\/[\w/.-]+\.ts\b/g)]
        .filter(([path]) => !existsSync(join(ROOT, path)))
        .map(([path]) => `${page}: ${path}`),
    );
    assert.deepEqual(missing, []);
  });

  it('name scripts of package.json that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
    const known = new Set(Object.keys(scripts));
    const missing = PAGES.flatMap((page) =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/npm run (?:-s |--silent )?([a-z:-]+)/g)]
        .map(([, name = '']) => name)
        .filter((name) => !known.has(name))
        .map((name) => `${page}: npm run ${name}`),
    );
    assert.deepEqual(missing, []);
  });

  it('show commands of pmem with options that the command has', () => {
    const main = join(ROOT, 'dist', 'cli', 'main.js');
    const helps = new Map<string, string>();
    const wrong: string[] = [];
    for (const { title, language, code } of blocks) {
      if (language !== 'sh') continue;
      for (const [, line = ''] of code.replaceAll(/#.*$/gm, '').matchAll(/^(?:npx )?pmem ([^|\n]*)/gm)) {
        const words = line.trim().split(/\s+/);
        const command = words.filter((word, i) => i < 2 && /^[a-z]+$/.test(word)).join(' ');
        let help = helps.get(command);
        if (help === undefined) {
          const names = [command.split(' '), command.split(' ').slice(0, 1)];
          const helped = names.map((name) =>
            spawnSync(process.execPath, [main, 'help', ...name], { encoding: 'utf8' }),
          );
          help = helped.find(({ status }) => status === 0)?.stdout ?? '';
          helps.set(command, help);
        }
        if (help === '') wrong.push(`${title}: pmem ${command}`);
        for (const option of words.filter((word) => word.startsWith('-'))) {
          if (!new RegExp(`(?:^|[\\s,])${option}\\b`, 'm').test(help))
            wrong.push(`${title}: pmem ${command} ${option}`);
        }
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('have pictures that differ in colours only, in the light and in the dark', () => {
    const directory = join(ROOT, 'docs', 'pictures');
    const withoutStyle = (name: string) =>
      readFileSync(join(directory, name), 'utf8').replace(/<style>[\s\S]*<\/style>/, '');
    const pictures = readdirSync(directory);
    for (const name of pictures) {
      assert.match(name, /^[a-z]+-(light|dark)\.svg$/);
      const other = name.replace('-light', '-*').replace('-dark', '-light').replace('-*', '-dark');
      assert(pictures.includes(other), `there is no ${other}`);
      assert.equal(withoutStyle(name), withoutStyle(other));
    }
    const used = PAGES.flatMap((page) => linksOf(readFileSync(join(ROOT, page), 'utf8'))).map((link) => basename(link));
    assert.deepEqual(
      pictures.filter((name) => !used.includes(name)),
      [],
    );
  });

  it('include a README of at most 200 lines, which leads to every other page of docs', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    assert(readme.trimEnd().split('\n').length <= 200);
    const links = linksOf(readme).map((link) => link.split('#')[0]);
    assert.deepEqual(
      PAGES.filter((page) => page.startsWith('docs/') && !links.includes(page)),
      [],
    );
  });

  it('lead to examples of at most 100 lines', () => {
    const links = linksOf(readFileSync(join(ROOT, 'README.md'), 'utf8'));
    for (const name of readdirSync(join(ROOT, 'examples'))) {
      assert(links.includes(`examples/${name}`), `the README does not name ${name}`);
      const lines = readFileSync(join(ROOT, 'examples', name), 'utf8')
        .trimEnd()
        .split('\n').length;
      assert(lines <= 100, `${name} has ${lines} lines`);
    }
  });
});

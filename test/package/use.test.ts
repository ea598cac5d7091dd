/** The installed package in use, on every Node.js that is supported. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf } from '../support/markdown.js';
import { ROOT } from '../support/paths.js';
import { fetchNode, X64_VERSIONS } from './nodes.js';
import { npmProgram, run, succeed } from './npm.js';
import { bareBin, installed } from './packed.js';

/** A program on a page, marked `<!-- example: NAME -->`. */
function exampleOf(page: string, name: string): string {
  const found = blocksOf(page).find(({ example }) => example === name);
  assert(found !== undefined, `there is no example '${name}'`);
  return found.code;
}

const REQUIRED = `const { Region } = require('pmem');
const region = Region.open('required.pmem', { create: true, size: 4096, assumePersistent: true });
region.write(0, Buffer.from('required'), 'persist');
region.close();
console.log(require('node:fs').readFileSync('required.pmem', 'latin1').slice(0, 8));`;

describe('The installed package', () => {
  let project: string;
  let version: string;
  /** What docs/testing.md says that a flawed program is told. */
  let told: string;

  before(() => {
    project = installed();
    const home = join(project, 'node_modules', 'pmem');
    ({ version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string });
    const readme = readFileSync(join(home, 'README.md'), 'utf8');
    const page = readFileSync(join(ROOT, 'docs', 'testing.md'), 'utf8');
    const testing = exampleOf(page, 'testing');
    [, told = 'nothing'] = /```\n(after a power cut[\s\S]*?)\n```/.exec(page) ?? [];
    writeFileSync(join(project, 'example.js'), exampleOf(readme, 'readme'));
    writeFileSync(join(project, 'testing.js'), testing);
    writeFileSync(join(project, 'flawed.js'), testing.replace(", 'persist')", ')'));
    writeFileSync(join(project, 'required.cjs'), REQUIRED);
  });

  const nodes: [name: string, path: () => string][] = [
    [process.versions.node, () => process.execPath],
    ...X64_VERSIONS.map((one): [string, () => string] => [one, () => fetchNode('x64', one)]),
  ];
  for (const [name, path] of nodes) {
    describe(`on Node.js ${name}`, () => {
      let node: string;
      let cwd: string;
      let env: { PATH: string };

      before(() => {
        node = path();
        cwd = join(project, name);
        mkdirSync(cwd);
        env = { PATH: bareBin(node) };
        assert.equal(succeed(node, ['--version'], { cwd }).trim(), `v${name}`);
      });

      it('runs the example of the README, which counts its runs', () => {
        assert.match(succeed(node, ['../example.js'], { cwd, env }), /^run 1 times; \S/);
        assert.match(succeed(node, ['../example.js'], { cwd, env }), /^run 2 times; \S/);
      });

      it('runs the example of crash exploration, which fails with a flush left out as the page says', () => {
        assert.match(succeed(node, ['../testing.js'], { cwd, env }), /^survived \d+ power cuts at 9 moments\n$/);
        const { status, stderr } = run(node, ['../flawed.js'], { cwd, env });
        assert.equal(status, 1);
        const bare = (text: string) => text.replaceAll(/\S*\b\w+\.js:/g, 'example.js:');
        assert(bare(stderr).includes(bare(told)), stderr);
      });

      it('can be loaded by require', () => {
        assert.equal(succeed(node, ['../required.cjs'], { cwd, env }), 'required\n');
      });

      it('has the command pmem', () => {
        const npx = npmProgram('npx-cli.js');
        const output = succeed(node, [npx, '--no-install', 'pmem', '--version'], { cwd: project, env });
        assert(output.trim().split(/\s+/).includes(version), output);
        const { status } = run(node, [npx, '--no-install', 'pmem', 'explain', 'nowhere/at-all'], { cwd: project, env });
        assert.equal(status, 1);
      });

      it('shows its demo without arguments', () => {
        const npx = npmProgram('npx-cli.js');
        // The temporary directory may be a tmpfs.
        const assumed = { ...env, PMEM_ASSUME_PERSISTENT: '1' };
        const output = succeed(node, [npx, '--no-install', 'pmem', 'demo'], { cwd: project, env: assumed });
        assert.match(output, /All \d+ acknowledged records are there\./);
        assert.match(output, /Durable writes, measured now/);
      });
    });
  }
});

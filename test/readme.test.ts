/** The examples of the README, as they stand there, and what they print. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './support/paths.js';
import { onDisk } from './support/temp.js';

const PRINTED: Readonly<Record<string, RegExp>> = {
  disk: /^log: 32768 sectors, aabb$/,
  btt: /^aabb 0, clean, 0 problems$/,
  devdax: /^device\.img: guaranteed: false, true\nEINVAL EINVAL: 'device\.img': offset 4096 .*nearest: 0 and 2097152$/,
  node: /^1024 pages, 0 untouched; 1024 used, 1 freed, 1000$/,
};

describe('README', () => {
  const file = onDisk();

  for (const [name, expected] of Object.entries(PRINTED)) {
    it(`has an example '${name}' that prints what it says`, () => {
      const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
      const [, example] = new RegExp(`<!-- example: ${name} -->\\s*\`\`\`js\\n([\\s\\S]*?)\`\`\``).exec(readme) ?? [];
      assert(example !== undefined, 'README.md has no such example');
      // Imported from the package's directory, run in another one.
      const source = `process.chdir(${JSON.stringify(dirname(file('x')))});\n${example}`;
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
        cwd: ROOT,
        encoding: 'utf8',
      });
      assert.equal(stderr, '');
      assert.match(stdout.trimEnd(), expected);
      assert.equal(status, 0);
    });
  }
});

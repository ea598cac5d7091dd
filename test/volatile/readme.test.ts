/** The example of the README, as it stands there. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';

describe('README: memory of a NUMA node', () => {
  it('does what it says', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [, example] = /<!-- example: node -->\s*```js\n([\s\S]*?)```/.exec(readme) ?? [];
    assert(example !== undefined, 'README.md has no example');
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', example], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    assert.equal(stdout, '1024 pages, 0 untouched; 1024 used, 1 freed, 1000\n');
    assert.equal(status, 0);
  });
});

/** The example of the README, as it stands there. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../../support/paths.js';
import { onDisk } from '../../support/temp.js';

describe('README: sectors that do not tear', () => {
  const file = onDisk();

  it('does what it says', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [, example] = /<!-- example: btt -->\s*```js\n([\s\S]*?)```/.exec(readme) ?? [];
    assert(example !== undefined, 'README.md has no example');
    // Imported from the package's directory, run in another one.
    const source = `process.chdir(${JSON.stringify(dirname(file('x')))});\n${example}`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    assert.equal(stdout, 'aabb 0, clean, 0 problems\n');
    assert.equal(status, 0);
  });
});

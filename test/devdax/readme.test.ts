/** The example of the README, as it stands there. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { onDisk } from '../support/temp.js';

describe('README: device-DAX', () => {
  const file = onDisk();

  it('does what it says', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [, example] = /<!-- example: devdax -->\s*```js\n([\s\S]*?)```/.exec(readme) ?? [];
    assert(example !== undefined, 'README.md has no example');
    // Imported from the package's directory, run in another one.
    const source = `process.chdir(${JSON.stringify(dirname(file('x')))});\n${example}`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    const [first, second] = stdout.split('\n');
    assert.equal(first, 'device.img: guaranteed: false, true');
    assert.match(second ?? '', /^EINVAL EINVAL: 'device.img': offset 4096 .*nearest: 0 and 2097152$/);
    assert.equal(status, 0);
  });
});

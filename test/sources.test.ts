/** What must not be in the library's sources, because a test of one place would not find it in the next. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './support/paths.js';

const LIB = join(ROOT, 'lib');

/** Sources by their path in lib/, without comments. */
function sources(): [string, string][] {
  return readdirSync(LIB, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const text = readFileSync(join(LIB, name), 'utf8');
      return [name, text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')];
    });
}

function filesWith(pattern: RegExp): string[] {
  return sources()
    .filter(([, text]) => pattern.test(text))
    .map(([name]) => name)
    .sort();
}

describe('the sources of the library', () => {
  it('start other programs in two places only: by their whole path, and Node.js itself', () => {
    assert.deepEqual(filesWith(/child_process/), ['cli/demo/rounds.ts', 'devdax/programs.ts']);
    assert.deepEqual(filesWith(/\b(?:exec|execFile|spawn|fork)(?:Sync)?\(\s*['"`](?!\/)/), []);
  });
});

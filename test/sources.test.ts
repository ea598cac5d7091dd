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

/**
 * Calls that take the elements of an array as arguments. Each is a place on the stack, and some 120,000 are too many. Left out are
 * parameters, `(...rest: T[])`.
 */
function spreadCalls(text: string): string[] {
  const found: string[] = [];
  const open: string[] = [];
  // Without what strings hold; in templates the expressions stay.
  const code = text.replace(/'(?:[^'\\\n]|\\.)*'/g, "''").replace(/\/(?![*/\s])(?:[^/\\\n]|\\.)+\/[a-z]*/g, '0');
  for (let i = 0; i < code.length; i++) {
    const one = code[i] as string;
    if ('([{'.includes(one)) open.push(one);
    else if (')]}'.includes(one)) open.pop();
    else if (code.startsWith('...', i) && open.at(-1) === '(' && !/^\.\.\.\w+\??:/.test(code.slice(i, i + 80))) {
      found.push(code.slice(code.lastIndexOf('\n', i) + 1, code.indexOf('\n', i)).trim());
    }
  }
  return found;
}

function filesWith(pattern: RegExp): string[] {
  return sources()
    .filter(([, text]) => pattern.test(text))
    .map(([name]) => name)
    .sort();
}

describe('The sources of the library', () => {
  it('start programs in two places only: one by an absolute path, and Node.js itself', () => {
    assert.deepEqual(filesWith(/child_process/), ['cli/demo/rounds.ts', 'linux/programs.ts']);
    assert.deepEqual(filesWith(/\b(?:exec|execFile|spawn|fork)(?:Sync)?\(\s*['"`](?!\/)/), []);
  });

  it('spread no array into a call, as media or the system decide its length', () => {
    const found = sources().flatMap(([name, text]) => spreadCalls(text).map((line) => `${name}: ${line}`));
    assert.deepEqual(found, []);
    assert.deepEqual(filesWith(/\.apply\((?!choices)|fromCharCode\(\s*\.\.\./), ['memory/region/windows.ts']);
  });

  it('write to the terminal in one place only, where control characters are escaped', () => {
    // It is handed the stream; nobody else writes to one.
    assert.deepEqual(filesWith(/process\.std(?:out|err)\.write|\bconsole\./), []);
    const writers = filesWith(/stream\.write\(/).filter((name) => name.startsWith('cli/'));
    assert.deepEqual(writers, ['cli/terminal/emit.ts']);
  });

  it('write messages with a POSIX code by posixError only', () => {
    assert.deepEqual(filesWith(/PmemError\(\s*'E(?!RR_)[A-Z0-9]+'|['`]E(?!RR_)[A-Z0-9]+: /), []);
  });
});

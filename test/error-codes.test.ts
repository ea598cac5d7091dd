/** docs/errors.md has every code that the library throws, and no other. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './support/paths.js';

const LIB = join(ROOT, 'lib');
const PAGE = readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8');

/** What is left of a source without comments, and without the codes that it only compares with. */
function throwing(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/[!=]==\s*'E[A-Z0-9_]+'/g, '')
    .replace(/case 'E[A-Z0-9_]+'/g, '')
    .replace(/\[[^\][]*\]/g, '') // lists and sets of codes
    .replace(/throwsCoded\([^;]*;/g, '') // the conformance suite expects codes
    .replace(/^\s*'?E[A-Z0-9]+'?:.*$/gm, ''); // tables from codes to words
}

const CODE = 'E[A-Z0-9_]+';

/** Codes that sources throw: literals, and errno constants given to the rules of device-DAX. */
function thrown(): Set<string> {
  const names = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const found = names.flatMap((name) => {
    const text = throwing(readFileSync(join(LIB, name), 'utf8'));
    return [...text.matchAll(new RegExp(`'(${CODE})'|refuse\\(\\s*(${CODE})\\b`, 'g'))].map(
      ([, literal, constant]) => literal ?? constant ?? '',
    );
  });
  return new Set(found.filter((code) => code.startsWith('ERR_') || Object.hasOwn(constants.errno, code)));
}

interface Row {
  readonly code: string;
  readonly cells: readonly string[];
}

/** Rows of the table that follows a marker. */
function rows(marker: string): Row[] {
  const begin = PAGE.indexOf(`<!-- ${marker}:`);
  assert(begin >= 0, `docs/errors.md has no '${marker}'`);
  const [, , ...lines] = (/\n(\|[\s\S]*?)\n(?!\|)/.exec(`${PAGE.slice(begin)}\n`)?.[1] ?? '').split('\n');
  return lines.map((line) => {
    const [code = '', ...cells] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    return { code: code.replaceAll('`', ''), cells };
  });
}

function codes(list: readonly Row[]): string[] {
  return list.map(({ code }) => code);
}

describe('docs/errors.md', () => {
  const own = rows('own codes');
  const posix = rows('posix codes');
  const all = [...thrown()].sort();

  it("has exactly the package's codes that the library throws, in order", () => {
    assert.deepEqual(
      codes(own),
      all.filter((code) => code.startsWith('ERR_')),
    );
  });

  it('has exactly the POSIX codes that the library throws, in order', () => {
    assert.deepEqual(
      codes(posix),
      all.filter((code) => !code.startsWith('ERR_')),
    );
  });

  it('says of each code when it is thrown, and the way out', () => {
    for (const { code, cells } of [...own, ...posix]) assert.ok(!cells.includes(''), code);
    assert.ok(own.length > 30 && posix.length > 10);
    for (const { code, cells } of own) assert.equal(cells.length, 3, code);
    for (const { code, cells } of posix) assert.equal(cells.length, 2, code);
  });

  it('names the classes of errors that the library has', () => {
    const sources = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const classes = sources.flatMap((name) =>
      [...readFileSync(join(LIB, name), 'utf8').matchAll(/class (\w+) extends PmemError/g)].map(([, found]) => found),
    );
    const told = new Set(own.map(({ cells }) => cells[0]?.replaceAll('`', '')));
    assert.deepEqual([...told].sort(), ['PmemError', 'RangeError', 'TypeError', ...classes].sort());
  });
});

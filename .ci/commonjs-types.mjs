// Writes dist/**/index.d.cts for the subpaths of package.json's exports: the types of a CommonJS module, which `require` gets. Run it
// after tsc, by `npm run build:ts`.
//
// The package has only ES modules, which CommonJS loads by require(esm). TypeScript believes that under `module: nodenext`, but not
// under `node16` and `node18`: there a CommonJS file may import none but CommonJS modules. So each subpath has a second file of types
// that says it is one. It declares nothing anew and refers to the first, so that a Region is the same type in both.

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** `export { type Memory, Region } from './memory/region.js';` and `export type { … } from …`. */
const EXPORTS = /^export (type )?\{([^}]*)\} from '([^']+)';$/gm;

function without(text, comments) {
  return text.replace(comments, '');
}

/** What the index exports: names, each with whether it is a type alone, and the file that it comes from. */
function exportsOf(index) {
  const text = without(readFileSync(index, 'utf8'), /\/\*[\s\S]*?\*\//g);
  const found = [];
  for (const [, allTypes, names, from] of text.matchAll(EXPORTS)) {
    for (const one of names.split(',').map((name) => name.trim())) {
      if (one === '') continue;
      const [, isType, name] = /^(type )?(\w+)$/.exec(one) ?? [];
      if (name === undefined) throw new Error(`${index}: cannot read the export '${one}'`);
      found.push({ name, isType: Boolean(allTypes ?? isType), from });
    }
  }
  const rest = text.replace(EXPORTS, '').trim();
  if (rest !== '') throw new Error(`${index}: has more than exports from other files: ${rest.slice(0, 80)}`);
  return found;
}

/** Whether the name is also a type, as that of a class is. */
function isClass(index, { name, from }) {
  const text = readFileSync(join(dirname(index), from.replace(/\.js$/, '.d.ts')), 'utf8');
  if (new RegExp(`^export declare (abstract )?class ${name}\\b(?!<)`, 'm').test(text)) return true;
  if (new RegExp(`^export declare (function|const) ${name}\\b`, 'm').test(text)) return false;
  throw new Error(`${index}: '${name}' of ${from} is neither a class without parameters, a function nor a constant`);
}

function commonJs(index) {
  const all = exportsOf(index);
  const values = all.filter(({ isType }) => !isType);
  const types = all.filter(({ isType }) => isType).map(({ name }) => name);
  const lines = ["import type * as esm from './index.js' with { 'resolution-mode': 'import' };"];
  for (const value of values) {
    lines.push(`export declare const ${value.name}: typeof esm.${value.name};`);
    if (isClass(index, value)) lines.push(`export type ${value.name} = esm.${value.name};`);
  }
  if (types.length > 0) {
    lines.push(`export type { ${types.join(', ')} } from './index.js' with { 'resolution-mode': 'import' };`);
  }
  return `${lines.join('\n')}\n`;
}

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const { types, require } of Object.values(exports)) {
  if (types === undefined) continue;
  writeFileSync(join(root, require.types), commonJs(join(root, types)));
}

/** Numbers that TypeScript and C++ share are the same on both sides. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as mailbox from '#dist/mailbox.js';
import { ROOT } from '../support/paths.js';

/** The enumerators of one `enum` in a header, as TypeScript would name them. */
function enumerators(header: string, declaration: string): Record<string, number> {
  const text = readFileSync(join(ROOT, 'native', header), 'utf8').replace(/\/\/.*/g, '');
  const start = text.indexOf(declaration);
  assert(start >= 0, `${declaration} in ${header}`);
  const body = text.slice(start, text.indexOf('}', start));
  return Object.fromEntries(
    [...body.matchAll(/\bk(\w+) = (-?\d+)/g)].map(([, name = '', value]) => [name, Number(value)]),
  );
}

const camel = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
const kebab = (name: string): string => camel(name).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const upper = (name: string): string => kebab(name).replaceAll('-', '_').toUpperCase();

/** The enumerators named by `rename`, without those that TypeScript has no use for. */
function named(found: Record<string, number>, rename: (name: string) => string, ...without: string[]): object {
  return Object.fromEntries(
    Object.entries(found)
      .filter(([name]) => !without.includes(name))
      .map(([name, value]) => [rename(name), value]),
  );
}

describe('lib/mailbox.ts', () => {
  it('has the slots of native/node/mailbox.h', () => {
    const { Status, Damage, NativeGranularity, Completion, MOST_RANGES, SLOTS, ...slots } = mailbox;
    assert.deepEqual(slots, named(enumerators('node/mailbox.h', 'enum Slot'), upper));
    const header = readFileSync(join(ROOT, 'native', 'node', 'mailbox.h'), 'utf8');
    assert.match(header, new RegExp(`kMostRanges = ${MOST_RANGES};`));
    assert.match(header, /kSlots = kRanges \+ 2 \* kMostRanges;/);
    assert.equal(SLOTS, mailbox.RANGES + 2 * MOST_RANGES);
  });

  it('has the statuses and completions of native/store/durable.h', () => {
    assert.deepEqual(mailbox.Status, named(enumerators('store/durable.h', 'enum Status'), camel, 'Ok'));
    assert.deepEqual(mailbox.Completion, named(enumerators('store/durable.h', 'enum class Completion'), camel));
  });

  it('has the damages and granularities of native/mapping/mapping.h', () => {
    assert.deepEqual(mailbox.Damage, named(enumerators('mapping/mapping.h', 'enum class Damage'), camel, 'None'));
    assert.deepEqual(
      mailbox.NativeGranularity,
      named(enumerators('mapping/mapping.h', 'enum class Granularity'), kebab),
    );
  });
});

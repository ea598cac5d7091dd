import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { Region, type RegionOptions } from 'pmem';
import { codeOf, throwsCode } from '../../support/errors.js';
import { onDisk } from '../../support/temp.js';

const TYPE = 'ERR_INVALID_ARG_TYPE';
const VALUE = 'ERR_INVALID_ARG_VALUE';
const RANGE = 'ERR_OUT_OF_RANGE';

describe('Region.open', () => {
  const file = onDisk();

  const bad: [string, unknown, string][] = [
    ['null', null, TYPE],
    ['a number', 1, TYPE],
    ['a string', 'create', TYPE],
    ['an unknown option', { creat: true }, VALUE],
    ['an option of another case', { readonly: true }, VALUE],
    ...['create', 'sparse', 'readOnly', 'assumePersistent', 'populate', 'shared'].flatMap((name) =>
      [null, 1, 0, 'true', {}].map((value): [string, unknown, string] => [
        `${name}: ${JSON.stringify(value)}`,
        { create: true, size: 4096, [name]: value },
        TYPE,
      ]),
    ),
    ...['size', 'offset', 'length', 'align'].flatMap((name) => [
      ...[null, true, {}, 1n].map((value): [string, unknown, string] => [
        `${name}: ${String(value)}`,
        { [name]: value },
        TYPE,
      ]),
      ...[-1, 0.5, Number.NaN, Infinity, 2 ** 53, '1.5'].map((value): [string, unknown, string] => [
        `${name}: ${value}`,
        { [name]: value },
        RANGE,
      ]),
      ...['', 'big', '-1', '4 pages'].map((value): [string, unknown, string] => [
        `${name}: '${value}'`,
        { [name]: value },
        VALUE,
      ]),
    ]),
    ['size: 0', { create: true, size: 0 }, RANGE],
    ['length: 0', { length: 0 }, RANGE],
    ['align: 0', { align: 0 }, RANGE],
    ['align: 3', { align: 3 }, RANGE],
    ['align: 6 MiB', { align: '6MiB' }, RANGE],
    ...[null, 'Page', 'cacheline', 1, {}, 'toString', '__proto__'].map((value): [string, unknown, string] => [
      `granularity: ${String(value)}`,
      { granularity: value },
      typeof value === 'string' ? VALUE : TYPE,
    ]),
    ['mode: "600"', { mode: '600' }, TYPE],
    ['mode: null', { mode: null }, TYPE],
    ['mode: 0.5', { mode: 0.5 }, TYPE],
    ['mode: -1', { mode: -1 }, RANGE],
    ['mode: 0o10000', { mode: 0o10000 }, RANGE],
    ['create without size', { create: true }, TYPE],
    ['create with readOnly', { create: true, size: 4096, readOnly: true }, VALUE],
    ['create with an offset off the page', { create: true, size: 8192, offset: 100 }, 'EINVAL'],
    ['create with an offset at the end', { create: true, size: 8192, offset: 8192 }, RANGE],
    ['create with a length beyond the end', { create: true, size: 8192, offset: 4096, length: 4097 }, RANGE],
  ];
  for (const [name, options, code] of bad) {
    it(`refuses ${name} and makes nothing`, () => {
      const path = file('bad');
      throwsCode(() => Region.open(path, options as RegionOptions), code);
      assert.equal(existsSync(path), false);
    });
  }

  const paths: [string, unknown, string][] = [
    ...[undefined, null, 1, true, {}, [], 1n].map((value): [string, unknown, string] => [String(value), value, TYPE]),
    ['an empty path', '', VALUE],
    ['a null byte', 'a\0b', VALUE],
    ['a null byte in a Buffer', Buffer.from('a\0b'), VALUE],
    ['an http: URL', new URL('http://localhost/x'), 'ERR_INVALID_URL_SCHEME'],
  ];
  for (const [name, path, code] of paths) {
    it(`refuses ${name} as a path`, () => throwsCode(() => Region.open(path as string), code, { name: 'TypeError' }));
  }

  it('takes a path as a string, a Buffer and a URL', () => {
    const path = file('päth #1 %20');
    writeFileSync(path, Buffer.alloc(4096, 5));
    for (const one of [path, Buffer.from(path), pathToFileURL(path)]) {
      const region = Region.open(one);
      assert.equal(region.path, path);
      assert.equal(region.view(0, 1)[0], 5);
      region.close();
    }
  });

  it('takes a path as a Buffer and a URL of another realm', () => {
    const path = file('realm');
    writeFileSync(path, Buffer.alloc(4096, 5));
    const bytes = runInNewContext('Uint8Array.from(bytes)', { bytes: [...Buffer.from(path)] });
    const { href, protocol, hostname, pathname } = pathToFileURL(path);
    for (const one of [bytes, { href, protocol, hostname, pathname }]) {
      using region = Region.open(one);
      assert.equal(region.path, path);
    }
  });

  it('takes a relative path', () => {
    const path = file('relative');
    writeFileSync(path, Buffer.alloc(4096));
    const before = process.cwd();
    process.chdir(dirname(path));
    try {
      const region = Region.open(path.slice(dirname(path).length + 1));
      assert.equal(region.size, 4096);
      region.close();
    } finally {
      process.chdir(before);
    }
  });

  it('takes sizes as strings', () => {
    const path = file('sizes');
    const region = Region.open(path, { create: true, size: '1MiB', offset: '64KiB', length: '4kB' });
    assert.equal(region.size, 4000);
    region.close();
    const whole = Region.open(path, { size: 2 ** 20 });
    assert.equal(whole.size, 2 ** 20);
    whole.close();
  });

  it('maps a part of a file', () => {
    const path = file('part');
    const content = Buffer.alloc(16384);
    for (let page = 0; page < 4; page++) content.fill(page, page * 4096, (page + 1) * 4096);
    writeFileSync(path, content);
    const region = Region.open(path, { offset: 8192, length: 5000 });
    assert.equal(region.size, 5000);
    assert.equal(region.view().compare(content.subarray(8192, 13192)), 0);
    assert.equal(
      codeOf(() => region.read(4999, Buffer.alloc(2))),
      RANGE,
    );
    region.close();
  });

  it('takes undefined as the default', () => {
    const path = file('undefined');
    const none = Object.fromEntries(
      [
        'offset',
        'length',
        'readOnly',
        'granularity',
        'assumePersistent',
        'align',
        'populate',
        'shared',
        'sparse',
        'mode',
      ].map((name) => [name, undefined]),
    );
    const region = Region.open(path, { create: true, size: 4096, ...none });
    assert.equal(region.size, 4096);
    region.close();
  });

  it('refuses ranges that are not within the file', () => {
    const path = file('extent');
    writeFileSync(path, Buffer.alloc(10000));
    const refused: [RegionOptions, string][] = [
      [{ offset: 12288 }, RANGE],
      [{ offset: 8192, length: 1809 }, RANGE],
      [{ length: 10001 }, RANGE],
      [{ offset: 2 ** 52 }, RANGE],
      [{ offset: 4096, length: 2 ** 53 - 1 }, RANGE],
      [{ offset: 1 }, 'EINVAL'],
      [{ offset: 4095 }, 'EINVAL'],
      [{ size: 9999 }, 'ERR_PMEM_SIZE_MISMATCH'],
      [{ size: 10001 }, 'ERR_PMEM_SIZE_MISMATCH'],
    ];
    for (const [options, code] of refused) throwsCode(() => Region.open(path, options), code);
    throwsCode(() => Region.open(path, { offset: 5000 }), 'EINVAL', { message: /4096 and 8192/ });
    const region = Region.open(path, { offset: 8192 });
    assert.equal(region.size, 1808);
    region.close();
  });

  it('leaves nothing behind but the file asked for', () => {
    const path = file('only');
    Region.open(path, { create: true, size: 4096 }).close();
    const names = readdirSync(dirname(path)).filter((name) => path.endsWith(name));
    assert.equal(names.length, 1);
  });
});

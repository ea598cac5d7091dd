import assert from 'node:assert/strict';
import { formatSize, parseSize, type Size } from 'pmem';
import { throwsCode } from './support/errors.js';

describe('parseSize', () => {
  const good: [Size, number][] = [
    [0, 0],
    [-0, 0],
    [1, 1],
    [2 ** 53 - 1, 2 ** 53 - 1],
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['64KiB', 65536],
    ['64kib', 65536],
    ['64K', 65536],
    ['64 KiB', 65536],
    ['  2MiB  ', 2 ** 21],
    ['2M', 2 ** 21],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['8GiB', 2 ** 33],
    ['1TiB', 2 ** 40],
    ['7PiB', 7 * 2 ** 50],
    ['4kB', 4000],
    ['4MB', 4e6],
    ['1GB', 1e9],
    ['1TB', 1e12],
    ['1.1kB', 1100],
    ['4.35kB', 4350],
    ['0.07MB', 70000],
    ['1.005GB', 1005000000],
    ['9007199254740991', 2 ** 53 - 1],
  ];
  for (const [size, bytes] of good) {
    it(`reads ${JSON.stringify(size)}`, () => assert.equal(parseSize(size), bytes));
  }

  const outOfRange: Size[] = [
    -1,
    0.5,
    Number.NaN,
    Infinity,
    -Infinity,
    2 ** 53,
    '1.5',
    '0.3KiB',
    '8PiB',
    '9007199254740992',
  ];
  for (const size of outOfRange) {
    it(`refuses ${typeof size === 'string' ? `'${size}'` : size} as out of range`, () =>
      throwsCode(() => parseSize(size), 'ERR_OUT_OF_RANGE', { name: 'RangeError' }));
  }

  for (const size of [
    '',
    ' ',
    'KiB',
    '-1',
    '+1',
    '1e3',
    '0x10',
    '1,5',
    '1 2',
    '1.',
    '.5',
    '1XiB',
    '1KiB/s',
    'toString',
    '1toString',
    '1__proto__',
    'NaN',
    'Infinity',
  ]) {
    it(`refuses '${size}' as no size`, () =>
      throwsCode(() => parseSize(size), 'ERR_INVALID_ARG_VALUE', { name: 'TypeError', message: /64KiB/ }));
  }

  for (const size of [undefined, null, true, 1n, {}, [], [1], Symbol('1'), () => 1, new Date(0)]) {
    it(`refuses ${typeof size} ${String(size)} as a wrong type`, () =>
      throwsCode(() => parseSize(size as unknown as Size), 'ERR_INVALID_ARG_TYPE', { name: 'TypeError' }));
  }

  it('names the argument in its message', () =>
    throwsCode(() => parseSize(-1, 'length'), 'ERR_OUT_OF_RANGE', { message: /^length must/ }));
});

describe('formatSize', () => {
  const shown: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [2 ** 21, '2 MiB'],
    [1025, '1 KiB'],
    [1100, '1.07 KiB'],
    [2 ** 30 - 1, '1 GiB'],
    [8 * 2 ** 30, '8 GiB'],
    [2 ** 50, '1 PiB'],
    [2 ** 53, '8 PiB'],
  ];
  for (const [bytes, text] of shown) it(`writes ${bytes} as ${text}`, () => assert.equal(formatSize(bytes), text));

  it('refuses what is no number', () => {
    for (const value of ['1', 1n, null, undefined, {}]) {
      throwsCode(() => formatSize(value as never), 'ERR_INVALID_ARG_TYPE');
    }
  });

  it('writes a size that parseSize reads back', () => {
    for (const bytes of [0, 1, 512, 2 ** 10, 2 ** 20, 3 * 2 ** 20, 1.5 * 2 ** 30, 2 ** 40]) {
      assert.equal(parseSize(formatSize(bytes)), bytes);
    }
  });
});

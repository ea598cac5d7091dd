import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { rejectsCode, throwsCode } from '../../support/errors.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const SIZE = 4096;

/** Numbers that are no offset or length of a region of SIZE bytes. */
const BAD_NUMBERS = [
  -1,
  -0.5,
  0.5,
  1.5,
  Number.NaN,
  Infinity,
  -Infinity,
  2 ** 53,
  -(2 ** 53),
  2 ** 63,
  2 ** 64,
  1e300,
  SIZE + 1,
];
const WRONG_NUMBERS: unknown[] = [
  undefined,
  null,
  true,
  '0',
  '8',
  8n,
  {},
  [],
  [8],
  Symbol('8'),
  () => 8,
  new Date(8),
  { valueOf: () => 8 },
];
const WRONG_BYTES: unknown[] = [
  undefined,
  null,
  true,
  8,
  'text',
  8n,
  {},
  [],
  [1, 2, 3],
  Symbol('s'),
  new ArrayBuffer(8),
  new SharedArrayBuffer(8),
  new DataView(new ArrayBuffer(8)),
  new Uint8ClampedArray(8),
  new Int8Array(8),
  new Uint16Array(8),
  new Float64Array(8),
  new BigUint64Array(8),
  { length: 8 },
  { length: 8, buffer: new ArrayBuffer(8), byteOffset: 0 },
  Object.create(Uint8Array.prototype),
  Object.setPrototypeOf(new Float64Array(8), Uint8Array.prototype),
  Object.setPrototypeOf(new Float64Array(8), Buffer.prototype),
];
const WRONG_MODES: unknown[] = [null, 0, 2, true, {}, ['store'], { mode: 'persist' }, Symbol('store')];
const UNKNOWN_MODES = ['', 'Persist', 'durable', 'toString'];

const METHODS = {
  read: ['offset', 'bytes'],
  write: ['offset', 'bytes', 'mode'],
  fill: ['offset', 'length', 'byte', 'mode'],
  load64: ['offset'],
  store64: ['offset', 'word'],
  flush: ['offset', 'length'],
  persist: ['offset', 'length'],
  crc32c: ['offset', 'length', 'seed'],
  view: ['optional', 'optional'],
  slice: ['offset', 'optional'],
  writeAsync: ['offset', 'bytes', 'mode', 'options'],
  readAsync: ['offset', 'bytes', 'options'],
  fillAsync: ['offset', 'length', 'byte', 'mode', 'options'],
  persistAsync: ['offset', 'length', 'options'],
  populateAsync: ['offset', 'length', 'options'],
} as const satisfies Partial<Record<keyof Region, readonly Kind[]>>;

type Method = keyof typeof METHODS;

function call(region: Region, method: Method, values: readonly unknown[]): unknown {
  return Reflect.apply(region[method], region, values);
}

type Kind = keyof typeof KINDS;

const TYPE = 'ERR_INVALID_ARG_TYPE';
const VALUE = 'ERR_INVALID_ARG_VALUE';
const RANGE = 'ERR_OUT_OF_RANGE';

function all(values: readonly unknown[], code: string): [unknown, string][] {
  return values.map((value) => [value, code]);
}

/** Options of the wrong type, with wrong types in them, or with unknown names. */
const BAD_OPTIONS = [
  ...all([null, 1, 'store', true, () => 1, []], TYPE),
  ...all([{ mode: 'persist' }, { onprogress: () => {} }, { Signal: undefined }], VALUE),
  ...all(
    [null, {}, 'signal', true].map((signal) => ({ signal })),
    TYPE,
  ),
  ...all(
    [null, {}, 'progress', true].map((onProgress) => ({ onProgress })),
    TYPE,
  ),
];

/** For each kind of argument a good value, and bad ones with the code expected. */
const KINDS = {
  offset: { good: 8, bad: [...all(BAD_NUMBERS, RANGE), ...all(WRONG_NUMBERS, TYPE)] },
  length: { good: 8, bad: [...all(BAD_NUMBERS, RANGE), ...all(WRONG_NUMBERS, TYPE)] },
  bytes: { good: Buffer.alloc(8), bad: all(WRONG_BYTES, TYPE) },
  mode: { good: 'store', bad: [...all(WRONG_MODES, TYPE), ...all(UNKNOWN_MODES, VALUE)] },
  byte: {
    good: 1,
    bad: [...all([-1, 256, 0.5, Number.NaN, Infinity], RANGE), ...all([null, '1', true, 1n, {}, Symbol('1')], TYPE)],
  },
  seed: {
    good: 1,
    bad: [...all([-1, 2 ** 32, 0.5, Number.NaN, Infinity], RANGE), ...all([null, '1', true, 1n, {}], TYPE)],
  },
  word: {
    good: 1n,
    bad: [
      ...all([undefined, null, 1, '1', true, {}, Symbol('1'), Number.NaN], TYPE),
      ...all([-1n, 2n ** 64n, -(2n ** 63n)], RANGE),
    ],
  },
  optional: {
    good: 8,
    bad: [
      ...all(BAD_NUMBERS, RANGE),
      ...all(
        WRONG_NUMBERS.filter((value) => value !== undefined),
        TYPE,
      ),
    ],
  },
  options: { good: {}, bad: BAD_OPTIONS },
} satisfies Record<string, { good: unknown; bad: [unknown, string][] }>;

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    const inside = Object.entries(value).map(([name, one]) => `${name}: ${shown(one)}`);
    return Object.getPrototypeOf(value) === Object.prototype
      ? `{ ${inside.join(', ')} }`
      : Object.prototype.toString.call(value);
  }
  return typeof value === 'string' ? `'${value}'` : typeof value === 'bigint' ? `${value}n` : String(value);
}

describe('Region', () => {
  const file = onDisk();
  let region: Region;
  let content: Buffer;
  before(() => {
    region = newRegion(file('arguments'), SIZE);
    region.view().fill(0xa5);
    content = Buffer.from(region.view());
  });
  after(() => region.close());
  afterEach('nothing was stored', () => assert(region.view().equals(content)));

  for (const [name, args] of Object.entries(METHODS) as [Method, readonly Kind[]][]) {
    it(`accepts good arguments in ${name}`, async () => {
      const scratch = newRegion(file('good'), SIZE);
      await call(
        scratch,
        name,
        args.map((kind) => KINDS[kind].good),
      );
      scratch.close();
    });

    args.forEach((kind, place) => {
      it(`refuses in ${name} a bad argument ${place} (${kind})`, async () => {
        for (const [value, code] of KINDS[kind].bad) {
          const values = args.map((other, index) => (index === place ? value : KINDS[other].good));
          const expected = { name: code === RANGE ? 'RangeError' : 'TypeError' };
          try {
            if (name.endsWith('Async'))
              await rejectsCode(call(region, name, values) as Promise<unknown>, code, expected);
            else throwsCode(() => call(region, name, values), code, expected);
          } catch (error) {
            throw new Error(`${name} with ${kind} ${shown(value)}`, { cause: error });
          }
        }
      });
    });
  }

  it('refuses in persistAll what is no list of ranges', () => {
    const wrong: [unknown, string][] = [
      ...all([undefined, null, 1, 'x', {}, { offset: 0, length: 8 }, new Set()], TYPE),
      ...all(
        WRONG_NUMBERS.flatMap((value) => [[{ offset: value, length: 8 }], [{ offset: 8, length: value }]]),
        TYPE,
      ),
      ...all(
        BAD_NUMBERS.flatMap((value) => [[{ offset: value, length: 8 }], [{ offset: 8, length: value }]]),
        RANGE,
      ),
      ...all([[null], [undefined], [1], ['x'], [[0, 8]], [{}], [{ offset: 0 }], [{ length: 0 }], Array(3)], TYPE),
      ...all(
        [
          [
            { offset: 0, length: 8 },
            { offset: SIZE, length: 1 },
          ],
        ],
        RANGE,
      ),
    ];
    for (const [value, code] of wrong) {
      throwsCode(() => region.persistAll(value as never), code, { name: code === RANGE ? 'RangeError' : 'TypeError' });
    }
  });

  it('refuses in attach what is no token', () => {
    for (const value of [
      undefined,
      null,
      1,
      'x',
      {},
      [],
      { pmemRegion: 1 },
      { pmemRegion: '1', mapping: { path: '' } },
      { pmemRegion: 1, mapping: null },
      { pmemRegion: 1.5, mapping: { path: 'x' } },
      { pmemRegion: Number.NaN, mapping: { path: 'x' } },
      { pmemRegion: Infinity, mapping: { path: 'x' } },
    ]) {
      throwsCode(() => Region.attach(value as never), TYPE, { name: 'TypeError' });
    }
  });

  it('refuses to be made by its constructor', () => {
    const Anything = Region as unknown as new (...args: unknown[]) => Region;
    throwsCode(() => new Anything(), VALUE);
    throwsCode(() => new Anything(Symbol('open'), {}, 0, 0, false), VALUE);
  });

  it('accepts ranges that touch its borders', () => {
    region.flush(SIZE, 0);
    region.persist(0, SIZE);
    region.persist(-0, 8);
    region.crc32c(SIZE, 0);
    region.read(SIZE, Buffer.alloc(0));
    region.write(SIZE, Buffer.alloc(0), 'persist');
    region.fill(SIZE, 0, 255, 'persist');
    assert.equal(region.view(SIZE).length, 0);
    assert.equal(region.view(SIZE, 0).length, 0);
    assert.equal(region.slice(SIZE).size, 0);
    assert.equal(region.view(1024, 1024).length, 1024);
    assert.equal(region.load64(SIZE - 8), 0xa5a5a5a5a5a5a5a5n);
    throwsCode(() => region.load64(SIZE - 7), RANGE);
    throwsCode(() => region.load64(SIZE), RANGE);
  });

  it('refuses misaligned offsets in load64 and store64, and says what is wrong', () => {
    for (let offset = 1; offset < 8; offset++) {
      throwsCode(() => region.load64(offset), RANGE, { message: new RegExp(`multiple of 8; got ${offset}$`) });
      throwsCode(() => region.store64(offset, 1n), RANGE, { message: new RegExp(`multiple of 8; got ${offset}$`) });
    }
    const slice = region.slice(12);
    throwsCode(() => slice.load64(8), RANGE, { message: /multiple of 8 plus 4, .*; got 8$/ });
    assert.equal(slice.load64(4), 0xa5a5a5a5a5a5a5a5n);
  });

  it('writes the largest word and reads it back', () => {
    const scratch = newRegion(file('words'), SIZE);
    for (const value of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      scratch.store64(8, value);
      assert.equal(scratch.load64(8), value);
      assert.equal(scratch.view().readBigUInt64LE(8), value);
    }
    scratch.close();
  });

  it('reads and writes nothing past the end of an array that lies about its length', () => {
    for (const repeat of [1, 20]) {
      const liar = Object.defineProperty(new Uint8Array(16).fill(0xa5), 'length', { value: 4096 });
      for (let i = 0; i < repeat; i++) {
        for (const call of [() => region.write(0, liar), () => region.read(0, liar)]) {
          try {
            call();
          } catch (error) {
            assert.equal((error as NodeJS.ErrnoException).code, RANGE);
          }
        }
      }
    }
  });

  it('accepts an array of another realm', async () => {
    const { runInNewContext } = await import('node:vm');
    const foreign = runInNewContext('new Uint8Array([1, 2, 3])') as Uint8Array;
    const scratch = newRegion(file('realm'), SIZE);
    scratch.write(0, foreign);
    assert.deepEqual([...scratch.view(0, 3)], [1, 2, 3]);
    scratch.close();
  });

  it('accepts arrays on shared and resizable memory', () => {
    const scratch = newRegion(file('memory'), SIZE);
    const shared = new Uint8Array(new SharedArrayBuffer(16)).fill(7);
    scratch.write(0, shared);
    assert.deepEqual([...scratch.view(0, 16)], Array(16).fill(7));
    scratch.fill(0, 16, 9);
    scratch.read(0, shared);
    assert.deepEqual([...shared], Array(16).fill(9));
    const Resizable = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize?(length: number): void };
    const memory = new Resizable(64, { maxByteLength: 4096 });
    const tracking = new Uint8Array(memory);
    for (let round = 0; round < 40; round++) {
      scratch.write(0, tracking);
      scratch.read(0, tracking);
      if (round === 20) memory.resize?.(4096);
      if (round === 30) memory.resize?.(0);
    }
    scratch.close();
  });
});

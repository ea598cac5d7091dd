import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { PmemError } from 'pmem';
import { errorName, outOfRange, posixError, systemError, wrongType, wrongValue } from '#dist/errors.js';

describe('PmemError', () => {
  it('has the known properties and no others', () => {
    const bare = new PmemError('ERR_PMEM_CLOSED', 'closed');
    assert.deepEqual(Object.keys(bare).sort(), ['code', 'name']);
    assert(bare instanceof Error);
    assert.equal(bare.name, 'PmemError');
    assert.equal(String(bare), 'PmemError: closed');
    const cause = new Error('why');
    const full = new PmemError('EIO', 'EIO: no', { errno: 5, syscall: 'msync', path: '/x', offset: 8, cause });
    const { code, errno, syscall, path, offset } = full;
    assert.deepEqual(
      { code, errno, syscall, path, offset },
      { code: 'EIO', errno: 5, syscall: 'msync', path: '/x', offset: 8 },
    );
    assert.equal(full.cause, cause);
  });
});

describe('errorName', () => {
  it('gives the POSIX name of an error number', () => {
    assert.equal(errorName(13), 'EACCES');
    assert.equal(errorName(28), 'ENOSPC');
    assert.equal(errorName(0), 'EUNKNOWN');
    assert.equal(errorName(-3), 'EUNKNOWN');
  });
});

describe('posixError', () => {
  it('has code, errno and the code before the sentence', () => {
    const error = posixError('ENOSPC', 'format: no room', { path: '/x' });
    assert(error instanceof PmemError);
    const { code, errno, path, message } = error;
    assert.deepEqual(
      { code, errno, path, message },
      { code: 'ENOSPC', errno: 28, path: '/x', message: 'ENOSPC: format: no room' },
    );
  });
});

describe('systemError', () => {
  it('turns an error of node:fs into a PmemError with advice', () => {
    let thrown: unknown;
    try {
      readFileSync('/nowhere/at/all');
    } catch (error) {
      thrown = error;
    }
    const turned = systemError(thrown, '/nowhere/at/all', 'Make it first');
    assert(turned instanceof PmemError);
    assert.equal(turned.code, 'ENOENT');
    assert.equal(turned.errno, 2);
    assert.equal(turned.syscall, 'open');
    assert.equal(turned.cause, thrown);
    assert.equal(turned.message, "ENOENT: no such file or directory, open '/nowhere/at/all'. Make it first");
  });

  it('turns an error of another realm into a PmemError', () => {
    const other: unknown = runInNewContext(
      "Object.assign(new Error('EACCES: permission denied'), { errno: -13, syscall: 'open' })",
    );
    assert(!(other instanceof Error));
    const turned = systemError(other, '/x');
    assert(turned instanceof PmemError);
    assert.equal(turned.message, "EACCES: permission denied, open '/x'");
  });

  it('returns other errors unchanged', () => {
    for (const other of [new Error('x'), new TypeError('y'), new PmemError('EIO', 'z'), 'text', undefined, null]) {
      assert.equal(systemError(other, '/x'), other);
    }
  });
});

describe('wrongType, wrongValue and outOfRange', () => {
  it('replace the comma after an aside by the semicolon', () => {
    for (const make of [wrongType, wrongValue, outOfRange]) {
      assert.equal(make('size', 'at most 5, the limit,', 6).message, 'size must be at most 5, the limit; got 6');
      assert.equal(make('size', 'one, two or three', 6).message, 'size must be one, two or three; got 6');
    }
  });

  it('name the wrong value', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const shown: [unknown, string][] = [
      [undefined, 'undefined'],
      [null, 'null'],
      [-1, '-1'],
      [Number.NaN, 'NaN'],
      [5n, '5n'],
      ['text', "'text'"],
      ['x'.repeat(100), `'${'x'.repeat(40)}…'`],
      [Symbol('s'), 'Symbol(s)'],
      [() => 1, 'a function'],
      [[], 'an instance of Array'],
      [new Map(), 'an instance of Map'],
      [circular, 'an instance of Object'],
      [Object.create(null), 'an instance of Object'],
      [{ constructor: null }, 'an instance of Object'],
      [{ constructor: { name: Symbol('s') } }, 'an instance of Object'],
      [JSON.parse('{ "constructor": { "name": { "toString": 1 } } }'), 'an instance of Object'],
      [
        {
          get constructor() {
            throw new Error('mine');
          },
        },
        'an instance of Object',
      ],
    ];
    for (const [value, text] of shown) {
      assert.equal(wrongType('size', 'a number', value).message, `size must be a number; got ${text}`);
    }
  });

  it('make an error with the class and code of its kind', () => {
    const errors = [
      { error: wrongType('a', 'b', 1), type: TypeError, code: 'ERR_INVALID_ARG_TYPE' },
      { error: wrongValue('a', 'b', 1), type: TypeError, code: 'ERR_INVALID_ARG_VALUE' },
      { error: outOfRange('a', 'b', 1), type: RangeError, code: 'ERR_OUT_OF_RANGE' },
    ];
    for (const { error, type, code } of errors) {
      assert(error instanceof type);
      assert.equal((error as NodeJS.ErrnoException).code, code);
    }
  });
});

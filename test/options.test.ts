import assert from 'node:assert/strict';
import vm from 'node:vm';
import {
  booleanOption,
  choiceOption,
  functionOption,
  integerOption,
  jobOptions,
  ownOptions,
  powerOfTwoOption,
  signalOption,
  sizeOption,
} from '#dist/options.js';
import { throwsCode } from './support/errors.js';

describe('The checks of options', () => {
  it('refuse unknown names', () => {
    throwsCode(() => ownOptions({ sise: 1 }, ['size', 'mode']), 'ERR_INVALID_ARG_VALUE', {
      message: /^options has the unknown property 'sise'; known: size, mode$/,
    });
    for (const bad of [null, 1, 'text', [], undefined, () => 0]) {
      throwsCode(() => ownOptions(bad as never, ['size']), 'ERR_INVALID_ARG_TYPE');
    }
  });

  it('read each option once, and nothing that is inherited', () => {
    let reads = 0;
    const given = {
      get size() {
        reads++;
        return 1;
      },
    };
    const options = ownOptions(given, ['size']);
    assert.equal(options.size, 1);
    assert.equal(options.size, 1);
    assert.equal(reads, 1);
    assert.equal(Object.getPrototypeOf(options), null);
    throwsCode(() => ownOptions(Object.create({ size: 1 }), ['size']), 'ERR_INVALID_ARG_VALUE');
  });

  it('take true, false or undefined as a boolean', () => {
    assert.equal(booleanOption(undefined, 'force'), undefined);
    assert.equal(booleanOption(undefined, 'force', true), true);
    assert.equal(booleanOption(false, 'force', true), false);
    for (const bad of [0, 1, 'true', null, {}]) throwsCode(() => booleanOption(bad, 'force'), 'ERR_INVALID_ARG_TYPE');
  });

  it('take whole bytes from the least on, or a string, as a size', () => {
    assert.equal(sizeOption(undefined, 'size'), undefined);
    assert.equal(sizeOption('2MiB', 'size', 1), 2 ** 21);
    throwsCode(() => sizeOption(0, 'size', 1), 'ERR_OUT_OF_RANGE');
    throwsCode(() => sizeOption(-1, 'size'), 'ERR_OUT_OF_RANGE');
    throwsCode(() => sizeOption('2 parsecs', 'size'), 'ERR_INVALID_ARG_VALUE');
    throwsCode(() => sizeOption(null as never, 'size'), 'ERR_INVALID_ARG_TYPE');
  });

  it('take powers of two alone as an alignment', () => {
    assert.equal(powerOfTwoOption('1GiB', 'align'), 2 ** 30);
    assert.equal(powerOfTwoOption(1, 'align'), 1);
    assert.equal(powerOfTwoOption(2 ** 52, 'align'), 2 ** 52);
    for (const bad of [0, 3, 2 ** 52 + 1, '3KiB']) throwsCode(() => powerOfTwoOption(bad, 'align'), 'ERR_OUT_OF_RANGE');
  });

  it('take whole numbers within the limits', () => {
    assert.equal(integerOption(7, 'depth', 0, 7), 7);
    assert(Object.is(integerOption(-0, 'depth', 0, 7), 0));
    for (const bad of [-1, 8, 0.5, Number.NaN]) throwsCode(() => integerOption(bad, 'depth', 0, 7), 'ERR_OUT_OF_RANGE');
    throwsCode(() => integerOption('7', 'depth', 0, 7), 'ERR_INVALID_ARG_TYPE');
  });

  it('name all choices when they refuse another value', () => {
    assert.equal(choiceOption(undefined, 'mode', ['store', 'flush', 'persist'], 'store'), 'store');
    assert.equal(choiceOption('flush', 'mode', ['store', 'flush', 'persist'], 'store'), 'flush');
    assert.throws(() => choiceOption('fulsh', 'mode', ['store', 'flush', 'persist'], 'store'), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: "options.mode must be 'store', 'flush' or 'persist'; got 'fulsh'",
    });
    throwsCode(() => choiceOption(1, 'mode', ['store'], 'store'), 'ERR_INVALID_ARG_TYPE');
    throwsCode(() => choiceOption(1024, 'sectorSize', [512, 4096], 512), 'ERR_INVALID_ARG_VALUE');
  });

  it('refuse what is no function or no signal', () => {
    throwsCode(() => functionOption({} as never, 'onProgress'), 'ERR_INVALID_ARG_TYPE');
    // The last is a signal of a polyfill older than throwIfAborted.
    const old = { aborted: false, addEventListener() {}, removeEventListener() {} };
    for (const bad of [{}, null, 'abort', { aborted: false }, old]) {
      throwsCode(() => signalOption(bad), 'ERR_INVALID_ARG_TYPE');
    }
    throwsCode(() => jobOptions({ signal: 1 as never }), 'ERR_INVALID_ARG_TYPE');
    throwsCode(() => jobOptions({ onProgress: 1 as never }), 'ERR_INVALID_ARG_TYPE');
  });

  it('take a signal of another realm', () => {
    const { signal } = new AbortController();
    const foreign = vm.runInNewContext('Object.create(Object.prototype, own)', {
      own: Object.fromEntries(
        ['aborted', 'addEventListener', 'removeEventListener', 'throwIfAborted'].map((name) => [
          name,
          { value: (signal as never)[name], enumerable: true },
        ]),
      ),
    });
    assert.equal(signalOption(foreign), foreign);
    assert.equal(signalOption(signal), signal);
  });
});

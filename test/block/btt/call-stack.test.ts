/** What the call stack says of functions that run: the judge of interrupted changes of a BTT. */

import assert from 'node:assert/strict';
import { fileOfCaller, mayBeRunning } from '#dist/block/btt/call-stack.js';

/** This file, as one that is bundled with everything else would be. */
const FILE = fileOfCaller();

/** Whether functions of the file may run, seen from a microtask on top of the work. */
function during(work: () => void): boolean | undefined {
  let seen: boolean | undefined;
  queueMicrotask(() => {
    seen = mayBeRunning(FILE);
  });
  work();
  return seen;
}

describe('mayBeRunning', () => {
  it('is false in a microtask of the same file once the caller has returned', async () => {
    assert.equal(typeof FILE, 'string');
    const seen = await new Promise<boolean>((resolve) => {
      queueMicrotask(() => resolve(mayBeRunning(FILE)));
    });
    assert.equal(seen, false);
  });

  it('is true in a microtask that runs on top of a call of the file', (done) => {
    // Not from a microtask, on top of which no others run.
    setImmediate(() => {
      const turn = Reflect.get(process, '_tickCallback') as () => void;
      const seen = during(() => Reflect.apply(turn, process, []));
      try {
        assert.equal(seen, true);
        done();
      } catch (error) {
        done(error);
      }
    });
  });

  it('is true where the file is unknown', () => {
    assert.equal(mayBeRunning(undefined), true);
  });

  it('is true where the call stack cannot be captured', () => {
    const { captureStackTrace } = Error;
    Reflect.set(Error, 'captureStackTrace', () => {
      throw new TypeError('frozen');
    });
    try {
      assert.equal(mayBeRunning(FILE), true);
    } finally {
      Reflect.set(Error, 'captureStackTrace', captureStackTrace);
    }
  });
});

/** Assertions on coded errors. */

import assert from 'node:assert/strict';

/** What an error must look like, beside its code. */
export interface Expected {
  readonly name?: string;
  readonly message?: RegExp;
}

function check(error: unknown, code: string, { name, message }: Expected): true {
  assert(error instanceof Error, `not an Error: ${String(error)}`);
  assert.equal((error as NodeJS.ErrnoException).code, code, error.stack);
  if (name !== undefined) assert.equal(error.name, name, error.stack);
  if (message !== undefined) assert.match(error.message, message);
  return true;
}

/** The call throws an Error with this code. */
export function throwsCode(call: () => unknown, code: string, expected: Expected = {}): void {
  assert.throws(call, (error) => check(error, code, expected));
}

/** The promise rejects with an Error with this code. */
export async function rejectsCode(promise: Promise<unknown>, code: string, expected: Expected = {}): Promise<void> {
  await assert.rejects(promise, (error) => check(error, code, expected));
}

/** The code of what the call throws, or `undefined`. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

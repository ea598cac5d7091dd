/** Kernels and sandboxes that do not answer: a library loaded before all others makes the system calls fail. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { childValue } from '../support/child.js';
import { onDisk } from '../support/temp.js';

/** mbind and move_pages fail with SHIM_ERRNO; with SHIM_OLD, madvise does not know MADV_POPULATE_WRITE (Linux 5.14). */
const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

long syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  const char* error = getenv("SHIM_ERRNO");
  if (error != NULL && (number == SYS_mbind || number == SYS_move_pages)) {
    errno = atoi(error);
    return -1;
  }
  long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int madvise(void* address, size_t length, int advice) {
  if (advice == 23 && getenv("SHIM_OLD") != NULL) {
    errno = EINVAL;
    return -1;
  }
  int (*real)(void*, size_t, int) = (int (*)(void*, size_t, int))dlsym(RTLD_NEXT, "madvise");
  return real(address, length, advice);
}
`;

/** What mapping eight pages came to. */
interface Outcome {
  readonly code?: string;
  readonly message?: string;
  readonly nodes?: [node: number, pages: number][];
  readonly untouched?: number;
}

describe('NodeMemory where the kernel does not answer', () => {
  const file = onDisk();
  let shim = '';
  before(() => {
    shim = file('shim.so');
    writeFileSync(`${shim}.c`, SOURCE);
    const { LD_PRELOAD, ...env } = process.env;
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, `${shim}.c`, '-ldl'], { env, stdio: 'pipe' });
  });

  /** On a machine whose nodes with memory are these. */
  function outcome(env: Record<string, string>, nodes: string, populate = true, stepwise = false): Promise<Outcome> {
    const sys = file('sys');
    mkdirSync(join(sys, 'devices', 'system', 'node'), { recursive: true });
    writeFileSync(join(sys, 'devices', 'system', 'node', 'has_memory'), `${nodes}\n`);
    return childValue(
      async (sys: string, populate: boolean, stepwise: boolean) => {
        const { NodeMemory } = await import('pmem/volatile');
        try {
          // The second argument is not in the public types: where the kernel tells about itself.
          type Memory = ReturnType<typeof NodeMemory.open>;
          type Open = (options: { node: number; size: number; populate: boolean }, host: object) => Promise<Memory>;
          const open = (stepwise ? NodeMemory.openAsync : NodeMemory.open) as Open;
          const memory = await open({ node: 0, size: 8 * 4096, populate }, { sys, proc: '/proc' });
          memory.view(4096, 1).fill(1);
          const { nodes, untouched } = memory.where();
          return { nodes: [...nodes], untouched };
        } catch (error) {
          const { code, message } = error as NodeJS.ErrnoException;
          return { code: String(code), message };
        }
      },
      [sys, populate, stepwise],
      { env: { ...env, LD_PRELOAD: shim } },
    );
  }

  for (const name of ['EPERM', 'ENOSYS'] as const) {
    const env = { SHIM_ERRNO: String(constants.errno[name]) };

    it(`has all its pages on a machine with one node, on ${name}`, async () => {
      assert.deepEqual(await outcome(env, '0'), { nodes: [[0, 8]], untouched: 0 });
      assert.deepEqual(await outcome(env, '0', false), { nodes: [[0, 1]], untouched: 7 });
      assert.deepEqual(await outcome(env, '0', true, true), { nodes: [[0, 8]], untouched: 0 });
    });
  }

  it('throws EPERM with the way out on a machine with several nodes', async () => {
    const { code, message } = await outcome({ SHIM_ERRNO: String(constants.errno.EPERM) }, '0-1');
    assert.equal(code, 'EPERM');
    assert.match(String(message), /mbind\. The sandbox .* CAP_SYS_NICE/);
  });

  it('touches every page on a kernel before 5.14', async () => {
    for (const stepwise of [false, true]) {
      assert.deepEqual(await outcome({ SHIM_OLD: '1' }, '0', true, stepwise), { nodes: [[0, 8]], untouched: 0 });
    }
  });
});

/** Memory that the hardware reports as corrupt, as the kernel injects it: an error, and not the end of the process. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { type ChildResult, inChild } from '../../support/child.js';
import { buildNative } from '../../support/native.js';
import { eadr } from '../machines.js';
import { place } from '../places.js';

/** What is poisoned stays so. */
export const machines = [eadr];

/** Whether processes are told of corrupt memory that they have mapped and not touched. */
const EARLY_KILL = '/proc/sys/vm/memory_failure_early_kill';

const PAGE = 4096;
const FILE = 16 * PAGE;

interface Outcome {
  readonly errno: number;
  readonly code: string;
  readonly message: string;
  readonly reopened: string;
}

/** Poisons a page of its own region; the kernel signals the process as if it had just touched it. */
async function meetCorruption(addon: string, path: string, at: number): Promise<Outcome> {
  const { createRequire } = await import('node:module');
  const { Region } = await import('pmem');
  const kernel = createRequire(`${process.cwd()}/`)(addon) as import('../../support/native.js').KernelAddon;
  const region = Region.open(path, { shared: true });
  // What was never written is no memory of its own yet.
  region.fill(at, 8, 1, 'persist');
  const errno = kernel.poison(region.view(), at);
  let found = { code: '', message: 'no error' };
  try {
    region.write(0, Buffer.from('not to be trusted'), 'persist');
  } catch (error) {
    found = error as PmemErrorLike;
  }
  region.close();
  const again = Region.open(path, { shared: true });
  again.write(0, Buffer.from('works again'), 'persist');
  return { errno, code: found.code, message: found.message, reopened: again.view(0, 11).toString() };
}

interface PmemErrorLike {
  readonly code: string;
  readonly message: string;
}

/** The same without a region: nobody handles the signal. */
async function meetUnprepared(addon: string, path: string, at: number): Promise<number> {
  const { createRequire } = await import('node:module');
  const kernel = createRequire(`${process.cwd()}/`)(addon) as import('../../support/native.js').KernelAddon;
  return kernel.poisonFile(path, at);
}

function poison<R>(run: (addon: string, path: string, at: number) => Promise<R>, path: string, at: number) {
  return inChild(run, [buildNative('kernel'), path, at]);
}

function regionPath(name: string): string {
  const { path } = place(name);
  if (name !== 'ext4') return path;
  const file = join(path, 'poison');
  Region.open(file, { create: true, size: FILE }).close();
  return file;
}

describe('Corrupt memory', () => {
  before(() => writeFileSync(EARLY_KILL, '1'));
  after(() => writeFileSync(EARLY_KILL, '0'));

  for (const name of ['ext4', 'dax-2m']) {
    it(`on ${name} makes the region throw until it is opened again`, async () => {
      const result: ChildResult<Outcome> = await poison(meetCorruption, regionPath(name), 4 * PAGE);
      assert.equal(result.code, 0, `${result.signal} ${result.stderr}`);
      assert(result.value !== undefined);
      const { errno, code, message, reopened } = result.value;
      assert.equal(errno, 0);
      assert.equal(code, 'ERR_PMEM_MEDIA');
      assert.match(message, /the hardware reports corrupt memory.*open it again/);
      assert.equal(reopened, 'works again');
    });

    it(`on ${name} that another process meets does no harm to this one`, async () => {
      const path = regionPath(name);
      using region = Region.open(path, { shared: true });
      region.fill(0, FILE, 1, 'persist');
      execFileSync('dmesg', ['--clear']);
      const { signal } = await poison(meetUnprepared, path, 8 * PAGE);
      assert.equal(signal, 'SIGBUS', 'who has no handler is killed');
      const told = new RegExp(`Sending SIGBUS to \\S+:${process.pid} due to hardware memory corruption`);
      assert.match(execFileSync('dmesg', { encoding: 'utf8' }), told);
      region.write(0, Buffer.from('still here'), 'persist');
      assert.equal(region.view(0, 10).toString(), 'still here');
    });
  }
});

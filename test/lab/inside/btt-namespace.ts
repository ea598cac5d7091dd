/** The namespace in mode sector, served by the kernel's BTT or not. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { place } from '../places.js';

const BUS = '/sys/bus/nd/devices';
const DRIVER = '/sys/bus/nd/drivers/nd_pmem';

export function run(command: string, ...args: string[]): Buffer {
  return execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 28 });
}

/** By ndctl's name. */
export function namespace(): string {
  const { namespace: name } = place('sector');
  assert(name !== undefined);
  return name;
}

export function namespaceUuid(): string {
  return readFileSync(join(BUS, namespace(), 'uuid'), 'utf8').trim();
}

/** Whether a driver has the namespace, or a BTT on it. */
function isEnabled(directory: string): boolean {
  return existsSync(join(directory, 'driver')) || readFileSync(join(directory, 'holder'), 'utf8').trim() !== '';
}

/**
 * The namespace's bare memory, info blocks and all, while no BTT serves it. Binds the driver itself: ndctl would do the same, but an
 * emulated CPU takes a second for each call of it.
 */
export function withBareMemory<T>(work: (region: Region) => T): T {
  const name = namespace();
  const directory = join(BUS, name);
  if (isEnabled(directory)) run('ndctl', 'disable-namespace', name);
  writeFileSync(join(directory, 'force_raw'), '1');
  writeFileSync(join(DRIVER, 'bind'), name);
  try {
    const [block] = readdirSync(join(directory, 'block'));
    assert(block !== undefined, 'the bare namespace has no block device');
    using region = Region.open(`/dev/${block}`);
    return work(region);
  } finally {
    writeFileSync(join(DRIVER, 'unbind'), name);
    writeFileSync(join(directory, 'force_raw'), '0');
  }
}

/** Has the kernel serve the BTT; its block device. */
export function byKernel(): string {
  run('ndctl', 'enable-namespace', namespace());
  const [listed] = [JSON.parse(run('ndctl', 'list', '--namespace', namespace()).toString())].flat() as {
    mode: string;
    blockdev: string;
  }[];
  assert.equal(listed?.mode, 'sector');
  return `/dev/${listed.blockdev}`;
}

/** ndctl's verdict on the namespace, which has to be disabled: whether it finds everything right, or makes it so. */
export function ndctlApproves(...options: string[]): boolean {
  try {
    run('ndctl', 'check-namespace', ...options, namespace());
    return true;
  } catch (error) {
    assert.ok(typeof (error as { status?: unknown }).status === 'number', String(error));
    return false;
  }
}

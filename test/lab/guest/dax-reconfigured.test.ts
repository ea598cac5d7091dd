/** An open DAX device that is reconfigured meanwhile: by mmap(2) on a descriptor from before, and by DaxDevice. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { DaxDevice } from 'pmem';
import { loadKernel } from '../../support/native.js';
import { eadr } from '../machines.js';
import { place } from '../places.js';

export const machines = [eadr];

const MIB = 2 ** 20;
const ALIGN = 2 * MIB;
const READ_AND_WRITE = 3;
const MAP_SHARED = 1;

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'pipe' });
}

const namespace = () => place('reshaped').namespace ?? '';
const path = () => place('reshaped').path;
const chardev = () => basename(path());

/** The path of the namespace's device now: its name may change with its configuration. */
function current(): string {
  const text = execFileSync('ndctl', ['list', '--namespaces', '--device-dax', '--idle'], { encoding: 'utf8' });
  const all = JSON.parse(text) as {
    name?: string;
    daxregion?: { devices?: { chardev: string }[] };
    chardev?: string;
  }[];
  const found = all.find(({ name }) => name === 'reshaped');
  return `/dev/${found?.daxregion?.devices?.[0]?.chardev ?? found?.chardev}`;
}

/** What is done to the device, what an old descriptor then gets, and a new one; and how it is taken back. */
const CHANGES = [
  {
    name: 'disabled',
    change: () => run('ndctl', 'disable-namespace', namespace()),
    old: 'ENXIO',
    fresh: /ENOENT|ENXIO/,
    back: () => run('ndctl', 'enable-namespace', namespace()),
  },
  {
    name: 'given another alignment',
    change: () => reshape('4096'),
    old: 'ENXIO',
    fresh: /EINVAL/,
    back: () => reshape(String(ALIGN)),
  },
  {
    name: 'in mode system-ram',
    change: () => run('daxctl', 'reconfigure-device', '--mode=system-ram', '--no-online', basename(current())),
    old: 'ENXIO',
    fresh: /ENXIO/,
    back: () => run('daxctl', 'reconfigure-device', '--mode=devdax', '--force', basename(current())),
  },
] as const;

function reshape(align: string): void {
  const what = ['--mode', 'devdax', '--align', align, '--name', 'reshaped'];
  run('ndctl', 'create-namespace', '--force', '--reconfig', namespace(), ...what);
}

function codeOf(call: () => unknown): string {
  try {
    call();
    return 'ok';
  } catch (error) {
    const { errno, code } = error as { errno?: number; code?: string };
    return errno === undefined ? String(code) : getSystemErrorName(-Math.abs(errno));
  }
}

function attempt(fd: number): string {
  const answer = loadKernel().attempt(fd, READ_AND_WRITE, MAP_SHARED, 0n, 0n, BigInt(ALIGN));
  return answer === 0 ? 'ok' : getSystemErrorName(-answer);
}

describe('a DAX device that is reconfigured while it is open', () => {
  before(() => run('modprobe', '--config', '/dev/null', 'kmem'));

  for (const { name, change, old, fresh, back } of CHANGES) {
    it(`${name}: ${old} by mmap(2), by DaxDevice, and emulated on a file that was made shorter`, () => {
      const file = join(place('tmpfs').path, 'reshaped');
      writeFileSync(file, '');
      truncateSync(file, 4 * ALIGN);
      const fd = openSync(current(), 'r+');
      using device = DaxDevice.open(current());
      using emulated = DaxDevice.open(file, { emulate: true });
      const map = (on: DaxDevice) => () => on.map({ length: ALIGN }).close();
      assert.deepEqual([attempt(fd), codeOf(map(device)), codeOf(map(emulated))], ['ok', 'ok', 'ok']);
      change();
      truncateSync(file, ALIGN);
      try {
        assert.deepEqual([attempt(fd), codeOf(map(device)), codeOf(map(emulated))], [old, old, old]);
        assert.match(
          codeOf(() => DaxDevice.open(name === 'disabled' ? path() : current(), { align: ALIGN }).close()),
          fresh,
        );
      } finally {
        closeSync(fd);
        back();
        rmSync(file);
      }
      using again = DaxDevice.open(current());
      using region = again.map();
      region.write(0, Buffer.from('as before'), 'persist');
    });
  }

  it('was the device that the machine has', () => {
    assert.match(chardev(), /^dax/);
  });
});

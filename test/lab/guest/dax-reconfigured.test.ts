/** An open DAX device that is reconfigured meanwhile: by mmap(2) on a descriptor from before, and by DaxDevice. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { DaxDevice } from 'pmem/devdax';
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

/**
 * What is done to the device while it is open, what else once it is closed, what a new descriptor then gets, and how it is taken
 * back. A namespace that is enabled again while an old descriptor is open is dead for good on Linux 6.1, and mapping it is a NULL
 * pointer dereference in the kernel (device_dax, check_vma): so it is closed before.
 */
const CHANGES = [
  {
    name: 'disabled',
    change: () => run('ndctl', 'disable-namespace', namespace()),
    more: () => {},
    fresh: { ENOENT: ALIGN },
    back: () => run('ndctl', 'enable-namespace', namespace()),
  },
  {
    name: 'disabled and given another alignment',
    change: () => run('ndctl', 'disable-namespace', namespace()),
    more: () => reshape('4096'),
    fresh: { EINVAL: ALIGN, ok: 4096 },
    back: () => reshape(String(ALIGN)),
  },
  {
    name: 'in mode system-ram',
    change: () => run('daxctl', 'reconfigure-device', '--mode=system-ram', '--no-online', basename(current())),
    more: () => {},
    fresh: { ENXIO: ALIGN },
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

describe('DaxDevice on a device that is reconfigured while it is open', () => {
  before(() => run('modprobe', '--config', '/dev/null', 'kmem'));

  for (const { name, change, more, fresh, back } of CHANGES) {
    it(`refuses to map it with ENXIO, as mmap(2) does, and as on a truncated file: ${name}`, () => {
      const file = join(place('tmpfs').path, 'reshaped');
      writeFileSync(file, '');
      truncateSync(file, 4 * ALIGN);
      const where = current();
      const fd = openSync(where, 'r+');
      const device = DaxDevice.open(where);
      const emulated = DaxDevice.open(file, { emulate: true });
      const columns = () => [
        attempt(fd),
        ...[device, emulated].map((one) => codeOf(() => one.map({ length: ALIGN }).close())),
      ];
      try {
        assert.deepEqual(columns(), ['ok', 'ok', 'ok']);
        change();
        truncateSync(file, ALIGN);
        assert.deepEqual(columns(), ['ENXIO', 'ENXIO', 'ENXIO']);
      } finally {
        closeSync(fd);
        device.close();
        emulated.close();
        rmSync(file);
      }
      more();
      try {
        const now = name === 'disabled' ? where : current();
        for (const [code, align] of Object.entries(fresh)) {
          const opened = codeOf(() => DaxDevice.open(now, { align }).close());
          assert.equal(opened, code, `opening with an alignment of ${align}`);
        }
      } finally {
        back();
      }
      using again = DaxDevice.open(current());
      using region = again.map();
      region.write(0, Buffer.from('as before'), 'persist');
    });
  }
});

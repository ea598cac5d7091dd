/** A DAX device that was given to the kernel as ordinary memory: no longer to be mapped, and listed as what it is. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { basename } from 'node:path';
import { explain, listDevices, Region } from 'pmem';
import { throwsCode } from '../../support/errors.js';
import { eadr } from '../machines.js';
import { place } from '../places.js';

export const machines = [eadr];

interface Dax {
  readonly chardev: string;
  readonly size: number;
  readonly target_node: number;
  readonly mode: string;
}

function daxctl(...args: string[]): Dax[] {
  return JSON.parse(execFileSync('daxctl', args, { encoding: 'utf8' })) as Dax[];
}

function listed() {
  return listDevices()
    .filter(({ charDevice }) => charDevice !== undefined)
    .map(({ charDevice, size, targetNode, mode }) => ({ chardev: charDevice, size, target_node: targetNode, mode }))
    .sort(byName);
}

function byDaxctl() {
  return daxctl('list', '-D')
    .map(({ chardev, size, target_node, mode }) => ({ chardev, size, target_node, mode }))
    .sort(byName);
}

function byName(a: { chardev: string | undefined }, b: { chardev: string | undefined }): number {
  return String(a.chardev).localeCompare(String(b.chardev));
}

describe('DAX device in mode system-ram', () => {
  before(() => {
    execFileSync('modprobe', ['--config', '/dev/null', 'kmem']);
    daxctl('reconfigure-device', '--mode=system-ram', '--no-online', basename(place('spare').path));
  });

  it('cannot be opened (ENXIO), and the error says why', () => {
    const { path } = place('spare');
    throwsCode(() => Region.open(path), 'ENXIO', { message: /system-ram/ });
    throwsCode(() => explain(path), 'ENXIO', { message: /system-ram/ });
  });

  it('is listed as by daxctl, as volatile and without a path', () => {
    assert.deepEqual(listed(), byDaxctl());
    const device = listDevices().find(({ mode }) => mode === 'system-ram');
    assert.equal(device?.volatile, true);
    assert.equal(device.path, undefined);
  });

  it('is as before when it is a device again', () => {
    daxctl('reconfigure-device', '--mode=devdax', '--force', basename(place('spare').path));
    assert.deepEqual(listed(), byDaxctl());
    using region = Region.open(place('spare').path);
    region.write(0, Buffer.from('a device again'), 'persist');
    assert.equal(region.durability.granularity, 'byte');
  });
});

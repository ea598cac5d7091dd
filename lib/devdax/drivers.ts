/**
 * Which driver serves a device of the DAX bus, and giving it to another one: drivers/dax/bus.c. `device_dax` takes whatever
 * comes; `kmem` only the names that were written to its `new_id`.
 */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PmemError } from '../errors.js';
import { HOST, type Host } from '../memory/host.js';
import { resolve } from '../memory/sysfs.js';
import { writeAttribute } from '../memory/sysfs-write.js';

/** The drivers of the bus. */
export type DaxDriver = 'device_dax' | 'kmem';

/** The kernel, as far as devices are reconfigured by it; tests play it. */
export interface Kernel {
  readonly host: Host;
  /** Where the devices' files are. */
  readonly nodes: string;
  /** How long to wait for another program of this package that changes devices of the same region, in ms. */
  readonly patience: number;
  /** Writes an attribute of sysfs. */
  write(directory: string, name: string, value: string): void;
  /** Loads a module. */
  load(module: string): void;
}

function modprobe(module: string): void {
  // Users' paths often lack the administrator's programs.
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  execFileSync('modprobe', [module], {
    env: { ...process.env, PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
}

/** The kernel that this runs on. */
export const KERNEL: Kernel = { host: HOST, nodes: '/dev', patience: 10_000, write: writeAttribute, load: modprobe };

function driverDirectory({ sys }: Host, driver: DaxDriver): string {
  return join(sys, 'bus', 'dax', 'drivers', driver);
}

/** The driver that serves the device now. */
export function driverOf(device: string): string | undefined {
  const target = resolve(join(device, 'driver'));
  return target === undefined ? undefined : basename(target);
}

/**
 * Makes sure that the driver is there.
 *
 * @throws PmemError `ERR_PMEM_NO_DRIVER` when its module cannot be loaded.
 */
export function needDriver(kernel: Kernel, driver: DaxDriver): void {
  const directory = driverDirectory(kernel.host, driver);
  if (existsSync(directory)) return;
  let said = 'modprobe found nothing wrong, yet the driver is not there';
  let cause: unknown;
  try {
    kernel.load(driver);
    if (existsSync(directory)) return;
  } catch (error) {
    cause = error;
    const { stderr, message } = error as { stderr?: string; message: string };
    said = (stderr ?? '').trim() || message;
  }
  const config = driver === 'kmem' ? 'CONFIG_DEV_DAX_KMEM' : 'CONFIG_DEV_DAX';
  throw new PmemError(
    'ERR_PMEM_NO_DRIVER',
    `the kernel has no driver '${driver}', and 'modprobe ${driver}' did not bring it (it needs root, and a kernel with ${config}): ${said}. Nothing was changed`,
    { cause },
  );
}

/** Tries, and leaves it at that. */
function attempt(step: () => void): unknown {
  try {
    step();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Takes the device from its driver, which forgets its name. Throws if it is still there afterwards. */
export function unbind(kernel: Kernel, directory: string): void {
  const name = basename(directory);
  const driver = resolve(join(directory, 'driver'));
  if (driver === undefined) return;
  // What serves every device knows no names.
  const unnamed = attempt(() => kernel.write(driver, 'remove_id', name));
  if (unnamed !== undefined && basename(driver) !== 'device_dax') throw unnamed;
  kernel.write(driver, 'unbind', name);
  if (driverOf(directory) !== undefined) {
    throw new PmemError('EBUSY', `EBUSY: ${basename(driver)} keeps ${name}; the kernel's log may say why`, {
      path: directory,
    });
  }
}

/** Gives the device, which has no driver, to this one. Throws if it does not take it, with the kernel's reason. */
export function bind(kernel: Kernel, directory: string, driver: DaxDriver): void {
  const name = basename(directory);
  const home = driverDirectory(kernel.host, driver);
  // The driver looks for the device as soon as it knows the name; what goes wrong then only `bind` tells.
  const named = attempt(() => kernel.write(home, 'new_id', name));
  if (driverOf(directory) === driver) return;
  const bound = attempt(() => kernel.write(home, 'bind', name));
  if (driverOf(directory) === driver) return;
  attempt(() => kernel.write(home, 'remove_id', name));
  throw (
    named ?? bound ?? new PmemError('ENODEV', `ENODEV: ${driver} does not take ${name}; the kernel's log may say why`)
  );
}
